import { exactInteger, parseInteger, PythonFloat } from '../../python/python-number.js';
import type { YamlNode } from '../ansible-yaml.js';
import { maximumDepth } from './scanner.js';

const space = /[ \t\r\n]*/y;
/** From the space on every character but the quote and the backslash, which begins an escape. */
const stringToken = /"[ !#-[\]-\u{10ffff}]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[ !#-[\]-\u{10ffff}]*)*"/uy;
const numberToken = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;
const wordToken = /true|false|null|NaN|-?Infinity/y;
const surrogate = /\p{Surrogate}/u;
const words: ReadonlyMap<string, boolean | null | PythonFloat> = new Map<string, boolean | null | PythonFloat>([
  ['true', true],
  ['false', false],
  ['null', null],
  ['NaN', new PythonFloat(Number.NaN)],
  ['Infinity', new PythonFloat(Infinity)],
  ['-Infinity', new PythonFloat(-Infinity)],
]);

/** What was read is not JSON; it goes no further than `readJson`. */
class NotJson extends Error {}

/**
 * The value of a JSON text, with lines; undefined when it is not JSON, or more than 200 levels deep. As in Python a key that is there
 * twice counts with its last value, and NaN and infinity are numbers. As in Ansible
 * `{"__ansible_vault": text}` is a vault value and `{"__ansible_unsafe": text}` text that is never a template.
 * Source: Python's module json, and the profile `legacy` of ansible-core 2.19.
 */
export function readJson(text: string): YamlNode | undefined {
  try {
    return new JsonReader(text).read();
  } catch (error) {
    if (error instanceof NotJson) return undefined;
    throw error;
  }
}

class JsonReader {
  private position = 0;
  private line = 1;
  private depth = 0;

  constructor(private readonly text: string) {}

  read(): YamlNode {
    const node = this.value();
    if (this.position < this.text.length) throw new NotJson();
    return node;
  }

  /** A value with the white space around it. */
  private value(): YamlNode {
    this.skipSpace();
    const { line } = this;
    const character = this.text.charAt(this.position);
    const node = character === '{' ? this.object(line) : character === '[' ? this.list(line) : this.scalar(line);
    this.skipSpace();
    return node;
  }

  private object(line: number): YamlNode {
    this.enter();
    const entries = new Map<string, YamlNode>();
    this.skipSpace();
    if (!this.take('}')) {
      do {
        this.skipSpace();
        const keyLine = this.line;
        const key = this.string();
        this.skipSpace();
        if (!this.take(':')) throw new NotJson();
        entries.set(key, { ...this.value(), line: keyLine });
      } while (this.take(','));
      if (!this.take('}')) throw new NotJson();
    }
    this.depth -= 1;
    return marked(entries, line) ?? { kind: 'map', line, entries, otherKeys: new Set() };
  }

  private list(line: number): YamlNode {
    this.enter();
    const items: YamlNode[] = [];
    this.skipSpace();
    if (!this.take(']')) {
      do items.push(this.value());
      while (this.take(','));
      if (!this.take(']')) throw new NotJson();
    }
    this.depth -= 1;
    return { kind: 'list', line, items };
  }

  private scalar(line: number): YamlNode {
    if (this.text.charAt(this.position) === '"') return { kind: 'scalar', line, value: this.string() };
    const word = this.match(wordToken)?.[0];
    if (word !== undefined) return { kind: 'scalar', line, value: words.get(word) ?? null };
    const number = this.match(numberToken);
    if (number === null) throw new NotJson();
    return { kind: 'scalar', line, value: numberValue(number[0], number[1] ?? number[2]) };
  }

  private string(): string {
    const written = this.match(stringToken)?.[0];
    if (written === undefined) throw new NotJson();
    const text = written.includes('\\') ? (JSON.parse(written) as string) : written.slice(1, -1);
    if (surrogate.test(text)) throw new NotJson();
    return text;
  }

  private enter(): void {
    this.position += 1;
    this.depth += 1;
    if (this.depth > maximumDepth) throw new NotJson();
  }

  private take(character: string): boolean {
    if (this.text.charAt(this.position) !== character) return false;
    this.position += 1;
    return true;
  }

  private skipSpace(): void {
    const skipped = this.match(space)?.[0] ?? '';
    for (const character of skipped) if (character === '\n') this.line += 1;
  }

  private match(token: RegExp): RegExpExecArray | null {
    token.lastIndex = this.position;
    const found = token.exec(this.text);
    if (found !== null) this.position += found[0].length;
    return found;
  }
}

/** Numbers without fraction and exponent are integers of any size; what overflows is infinity in Python. */
function numberValue(written: string, fraction: string | undefined): number | bigint | PythonFloat {
  if (fraction === undefined) {
    const integer = parseInteger(written);
    if (integer === undefined) throw new NotJson();
    return exactInteger(integer);
  }
  return new PythonFloat(Number(written));
}

/** Ansible's own marks for a text; it refuses them around anything else, and all of its other types. */
function marked(entries: ReadonlyMap<string, YamlNode>, line: number): YamlNode | undefined {
  const unsafe = entries.get('__ansible_unsafe');
  const vault = entries.get('__ansible_vault');
  const mark = unsafe ?? vault;
  if (mark === undefined) {
    if (entries.has('__ansible_type')) throw new NotJson();
    return undefined;
  }
  if (mark.kind !== 'scalar' || typeof mark.value !== 'string') throw new NotJson();
  if (mark === unsafe) return { kind: 'scalar', line, value: { __ansible_unsafe: mark.value } };
  return { kind: 'vault', line, text: mark.value };
}
