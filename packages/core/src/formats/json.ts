import { BackupError } from '../model/errors.js';
import type { Format, FormatCheck } from '../model/format.js';

/** Deeper than any API answers; bounds the memory of the check. */
const maximumDepth = 10_000;

/**
 * One JSON document (RFC 8259, UTF-8) that is an object or an array: only those have an end of their own, so that a cut never
 * looks complete. Checked character by character; nothing of it is kept but the brackets that are open.
 */
export const jsonFormat: Format = { name: 'json', check: () => jsonCheck() };

type Expect =
  | 'document'
  | 'value'
  | 'value or ]'
  | 'key'
  | 'key or }'
  | ':'
  | ', or closing bracket'
  | 'nothing more'
  | 'string'
  | 'escape'
  | 'hex digit'
  | 'literal'
  | 'number';

const whitespace = new Set([' ', '\t', '\n', '\r']);
const escapes = new Set(['"', '\\', '/', 'b', 'f', 'n', 'r', 't']);
const literals: Readonly<Record<string, string>> = { t: 'true', f: 'false', n: 'null' };
const numberStart = /[-0-9]/;
const numberPart = /[-+.eE0-9]/;
const number = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/;
const maximumNumberLength = 4096;
// eslint-disable-next-line no-control-regex -- control characters are what ends the run of plain ones
const notPlain = /["\\\u0000-\u001f]/g;

function jsonCheck(): FormatCheck {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const scanner = new Scanner();
  const decode = (chunk?: Uint8Array): string => {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
    } catch (cause) {
      throw new BackupError('FORMAT_INVALID', 'not a complete json stream: it is not UTF-8', { cause });
    }
  };
  return {
    write: (chunk) => {
      scanner.scan(decode(chunk));
    },
    end: () => {
      scanner.scan(decode());
      scanner.end();
    },
  };
}

class Scanner {
  #expect: Expect = 'document';
  /** `{` or `[` for each that is open. */
  readonly #open: string[] = [];
  #stringIsKey = false;
  #token = '';
  #hexDigits = 0;
  #characters = 0;

  scan(text: string): void {
    for (let index = 0; index < text.length;) {
      if (this.#expect === 'string') index = this.#skipPlain(text, index);
      const character = text[index];
      if (character === undefined) break;
      if (this.#step(character)) index += 1;
    }
    this.#characters += text.length;
  }

  end(): void {
    if (this.#expect !== 'nothing more') throw this.#invalid(`it ends where ${this.#expect} is expected`);
  }

  /** Where the run of characters that need no look ends. */
  #skipPlain(text: string, from: number): number {
    notPlain.lastIndex = from;
    return notPlain.exec(text)?.index ?? text.length;
  }

  /** False when the character was only the end of a number and must be looked at again. */
  #step(character: string): boolean {
    switch (this.#expect) {
      case 'string':
        this.#inString(character);
        return true;
      case 'escape':
        this.#inEscape(character);
        return true;
      case 'hex digit':
        if (!/[0-9a-fA-F]/.test(character)) throw this.#unexpected(character);
        if (--this.#hexDigits === 0) this.#expect = 'string';
        return true;
      case 'literal':
        this.#inLiteral(character);
        return true;
      case 'number':
        return this.#inNumber(character);
      default:
        if (!whitespace.has(character)) this.#structure(character, this.#expect);
        return true;
    }
  }

  #structure(character: string, expect: Expect): void {
    if (character === '{' || character === '[') {
      if (!['document', 'value', 'value or ]'].includes(expect)) throw this.#unexpected(character);
      if (this.#open.push(character) > maximumDepth) throw this.#invalid('it is nested too deep');
      this.#expect = character === '{' ? 'key or }' : 'value or ]';
    } else if (character === '}' || character === ']') {
      this.#close(character, expect);
    } else if (character === ',' && expect === ', or closing bracket') {
      this.#expect = this.#open.at(-1) === '{' ? 'key' : 'value';
    } else if (character === ':' && expect === ':') {
      this.#expect = 'value';
    } else if (character === '"' && (expect === 'key' || expect === 'key or }')) {
      this.#beginString(true);
    } else if (expect === 'value' || expect === 'value or ]') {
      this.#beginScalar(character);
    } else throw this.#unexpected(character);
  }

  #close(character: string, expect: Expect): void {
    const empty = character === '}' ? 'key or }' : 'value or ]';
    const opened = character === '}' ? '{' : '[';
    if ((expect !== empty && expect !== ', or closing bracket') || this.#open.pop() !== opened)
      throw this.#unexpected(character);
    this.#valueEnded();
  }

  #beginString(isKey: boolean): void {
    this.#stringIsKey = isKey;
    this.#expect = 'string';
  }

  #beginScalar(character: string): void {
    if (character === '"') {
      this.#beginString(false);
    } else if (numberStart.test(character)) {
      this.#token = character;
      this.#expect = 'number';
    } else {
      const literal = literals[character];
      if (literal === undefined) throw this.#unexpected(character);
      this.#token = literal.slice(1);
      this.#expect = 'literal';
    }
  }

  #inString(character: string): void {
    if (character === '"') {
      if (this.#stringIsKey) this.#expect = ':';
      else this.#valueEnded();
    } else if (character === '\\') this.#expect = 'escape';
    else throw this.#unexpected(character);
  }

  #inEscape(character: string): void {
    if (character === 'u') {
      this.#hexDigits = 4;
      this.#expect = 'hex digit';
    } else if (escapes.has(character)) this.#expect = 'string';
    else throw this.#unexpected(character);
  }

  #inLiteral(character: string): void {
    if (character !== this.#token[0]) throw this.#unexpected(character);
    this.#token = this.#token.slice(1);
    if (this.#token === '') this.#valueEnded();
  }

  #inNumber(character: string): boolean {
    if (numberPart.test(character)) {
      this.#token += character;
      if (this.#token.length > maximumNumberLength) throw this.#invalid('it has a number that is too long');
      return true;
    }
    if (!number.test(this.#token)) throw this.#invalid('it has a malformed number');
    this.#valueEnded();
    return false;
  }

  #valueEnded(): void {
    this.#expect = this.#open.length === 0 ? 'nothing more' : ', or closing bracket';
  }

  #unexpected(character: string): BackupError {
    return this.#invalid(`${JSON.stringify(character)} where ${this.#expect} is expected`);
  }

  #invalid(what: string): BackupError {
    return new BackupError(
      'FORMAT_INVALID',
      `not a complete json stream: ${what} (after about ${String(this.#characters)} characters)`,
    );
  }
}
