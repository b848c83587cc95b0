/**
 * Whether Python decodes the text as base64: it passes over characters that are none of base64's, and wants the padding at the end.
 * Source: binascii.a2b_base64, which PyYAML calls for `!!binary`; tried against ansible-core 2.19.
 */
export function isBase64(text: string): boolean {
  let place = 0;
  let padding = 0;
  for (const character of text) {
    if (character > '\x7f') return false;
    if (character === '=' && place >= 2) {
      padding += 1;
      if (place + padding === 4) return true;
    } else if (/[A-Za-z0-9+/]/.test(character)) {
      padding = 0;
      place = (place + 1) % 4;
    }
  }
  return place === 0;
}
