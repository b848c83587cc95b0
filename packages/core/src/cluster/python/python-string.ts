import { notLiteral, UnusableLiteral } from './python-literal-errors.js';

/** One string token: where it ends, and its characters or, for `b''`, its bytes. */
export type StringToken =
  | { readonly kind: 'text'; readonly text: string; readonly end: number }
  | { readonly kind: 'bytes'; readonly bytes: readonly number[]; readonly end: number };

const opening = /([rR][bB]?|[bB][rR]?|[uU])?('''|"""|'|")/y;

const simpleEscapes: Readonly<Record<string, number>> = {
  '\\': 0x5c,
  "'": 0x27,
  '"': 0x22,
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
};

/** The string or bytes literal that starts at `start`, or undefined when none does. */
export function readString(source: string, start: number): StringToken | undefined {
  opening.lastIndex = start;
  const found = opening.exec(source);
  if (found === null) return undefined;
  const prefix = (found[1] ?? '').toLowerCase();
  const quote = found[2] ?? '';
  const from = start + found[0].length;
  const close = closingQuote(source, from, quote);
  const body = source.slice(from, close);
  const end = close + quote.length;
  const raw = prefix.includes('r');
  if (!prefix.includes('b')) return { kind: 'text', text: raw ? body : unescape(body, 'text').text, end };
  if (/[^\0-\x7f]/.test(body)) throw notLiteral;
  return { kind: 'bytes', bytes: raw ? [...Buffer.from(body, 'latin1')] : unescape(body, 'bytes').codes, end };
}

function closingQuote(source: string, from: number, quote: string): number {
  for (let index = from; index < source.length; index += 1) {
    if (source.charAt(index) === '\\') index += 1;
    else if (source.startsWith(quote, index)) return index;
  }
  throw notLiteral;
}

function unescape(body: string, kind: 'text' | 'bytes'): { text: string; codes: number[] } {
  if (kind === 'text' && !body.includes('\\')) return { text: body, codes: [] };
  const pieces: string[] = [];
  const codes: number[] = [];
  for (let index = 0; index < body.length;) {
    const escape = body.charAt(index) === '\\' ? readEscape(body, index + 1, kind) : undefined;
    const code = escape?.code ?? body.charCodeAt(index);
    index = escape?.end ?? index + 1;
    pieces.push(code > 0xffff ? String.fromCodePoint(code) : String.fromCharCode(code));
    codes.push(code & 0xff);
  }
  return { text: pieces.join(''), codes };
}

/** The escape whose backslash stands before `start`; undefined for one Python does not know, which keeps its backslash. */
function readEscape(body: string, start: number, kind: 'text' | 'bytes'): { code: number; end: number } | undefined {
  const letter = body.charAt(start);
  const simple = Object.hasOwn(simpleEscapes, letter) ? simpleEscapes[letter] : undefined;
  if (simple !== undefined) return { code: simple, end: start + 1 };
  if (letter >= '0' && letter <= '7') {
    const digits = /^[0-7]{1,3}/.exec(body.slice(start, start + 3))?.[0] ?? '';
    return { code: Number.parseInt(digits, 8), end: start + digits.length };
  }
  if (letter === 'x') return { code: hexadecimal(body, start + 1, 2), end: start + 3 };
  if (kind === 'bytes') return undefined;
  if (letter === 'N') {
    if (!/^N\{[^}]+\}/.test(body.slice(start))) throw notLiteral;
    throw new UnusableLiteral('a character by its Unicode name (\\N{...}); write the character itself');
  }
  if (letter !== 'u' && letter !== 'U') return undefined;
  const length = letter === 'u' ? 4 : 8;
  const code = hexadecimal(body, start + 1, length);
  if (code > 0x10ffff) throw notLiteral;
  if (code >= 0xd800 && code <= 0xdfff)
    throw new UnusableLiteral('half of a surrogate pair, which no text file can hold');
  return { code, end: start + 1 + length };
}

function hexadecimal(body: string, start: number, length: number): number {
  const digits = body.slice(start, start + length);
  if (digits.length !== length || !/^[0-9a-fA-F]+$/.test(digits)) throw notLiteral;
  return Number.parseInt(digits, 16);
}
