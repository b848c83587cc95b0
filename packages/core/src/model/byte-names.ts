import { isUtf8 } from 'node:buffer';

/**
 * File names on Unix are bytes, not text. In this room a name is a string with one character per byte (latin1), so that
 * comparing it, splitting it and using it as a key never changes it. This turns a name given as text into that form.
 */
export function bytesOfText(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Bytes of a name that a message shows; whoever made the archive chose its length. */
const longestShown = 300;

/**
 * For messages: the text where the bytes are UTF-8, with what does not print escaped; otherwise every byte outside ASCII as `\xNN`. The
 * middle of a very long name is left out.
 */
export function printable(name: string): string {
  if (name.length > longestShown)
    return `${printable(name.slice(0, longestShown / 2))}[...]${printable(name.slice(-longestShown / 2))}`;
  const bytes = Buffer.from(name, 'latin1');
  if (!isUtf8(bytes)) return name.replace(/[^\x20-\x7e]|\\/g, escapeByte);
  return bytes
    .toString('utf8')
    .replace(/[\p{C}\p{Zl}\p{Zp}\\]/gu, (character) => Array.from(bytesOfText(character), escapeByte).join(''));
}

function escapeByte(byte: string): string {
  return byte === '\\' ? '\\\\' : byte === '\n' ? '\\n' : `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
