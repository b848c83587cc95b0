import { notLiteral, UnusableLiteral } from './python-literal-errors.js';
import { maximumDigits } from './python-number.js';
import { readString } from './python-string.js';
import { wordClass } from './python-text.js';

/** A literal before it is turned into an inventory value: Python's types, which decide what may be a key. */
export type Literal =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'bytes'; readonly bytes: readonly number[] }
  | { readonly kind: 'integer'; readonly integer: bigint; readonly plain: boolean }
  | { readonly kind: 'float'; readonly float: number; readonly plain: boolean }
  | { readonly kind: 'complex'; readonly real: number; readonly imaginary: number; readonly plain: boolean }
  /** Any other identifier: it can be read, but has no value. */
  | { readonly kind: 'name' }
  | { readonly kind: 'constant'; readonly constant: true | false | null | '...' }
  | { readonly kind: 'list' | 'tuple' | 'set'; readonly items: readonly Literal[] }
  | { readonly kind: 'dict'; readonly pairs: readonly (readonly [Literal, Literal])[] };

/** Deeper brackets are a syntax error in Python. */
const maximumDepth = 200;
/** 3571 hexadecimal digits are 4300 decimal ones. */
const maximumBits = 14_280;

const based = /0(?:[xX](?:_?[0-9a-fA-F])+|[oO](?:_?[0-7])+|[bB](?:_?[01])+)/y;
const digitPart = '[0-9](?:_?[0-9])*';
const exponent = `[eE][+-]?${digitPart}`;
const real = new RegExp(
  `(?:(?:(?:${digitPart})?\\.${digitPart}|${digitPart}\\.)(?:${exponent})?|${digitPart}${exponent})([jJ]?)|${digitPart}([jJ])`,
  'y',
);
const decimal = /(?:[1-9](?:_?[0-9])*|0(?:_?0)*)/y;
const nameCharacter = new RegExp(`[${wordClass}]`, 'u');
const name = new RegExp(`[${wordClass}]+`, 'uy');
const constants: ReadonlyMap<string, true | false | null> = new Map([
  ['True', true],
  ['False', false],
  ['None', null],
]);

/**
 * Reads a whole text as one Python literal. Throws NotLiteral when it is none, which covers every other expression, and
 * UnusableLiteral for what can be read but not be carried.
 */
export function readLiteral(source: string): Literal {
  return new LiteralReader(source).readAll();
}

class LiteralReader {
  private position = 0;
  private depth = 0;

  constructor(private readonly source: string) {}

  readAll(): Literal {
    const literal = this.sequence('');
    if (this.position < this.source.length) throw notLiteral;
    return literal;
  }

  /** Expressions up to `close` (which is not consumed): one alone as it is, several or one with a comma as a tuple. */
  private sequence(close: string): Literal {
    const first = this.expression();
    if (!this.take(',')) return first;
    return { kind: 'tuple', items: [first, ...this.items(close)] };
  }

  private items(close: string): Literal[] {
    const items: Literal[] = [];
    while (this.peek() !== close) {
      items.push(this.expression());
      if (!this.take(',')) break;
    }
    return items;
  }

  /** A signed number, `real + imaginary`, or an atom. */
  private expression(): Literal {
    const left = this.signed();
    const operator = this.peek();
    if (operator !== '+' && operator !== '-') return left;
    this.position += 1;
    const right = this.atom();
    if ((left.kind !== 'integer' && left.kind !== 'float') || right.kind !== 'complex' || !right.plain) {
      throw notLiteral;
    }
    const base = left.kind === 'integer' ? Number(left.integer) : left.float;
    const sign = operator === '+' ? 1 : -1;
    return { kind: 'complex', real: base + sign * right.real, imaginary: sign * right.imaginary, plain: false };
  }

  private signed(): Literal {
    const sign = this.peek();
    if (sign !== '+' && sign !== '-') return this.atom();
    this.position += 1;
    const operand = this.atom();
    if (!('plain' in operand) || !operand.plain) throw notLiteral;
    return withSign(operand, sign);
  }

  private atom(): Literal {
    const next = this.peek();
    if (next === '(') return this.nested(')', () => this.parenthesized());
    if (next === '[') return this.nested(']', () => ({ kind: 'list', items: this.items(']') }));
    if (next === '{') return this.nested('}', () => this.braced());
    if (this.source.startsWith('...', this.position)) {
      this.position += 3;
      return { kind: 'constant', constant: '...' };
    }
    return this.strings() ?? this.number() ?? this.constant();
  }

  private nested(close: string, read: () => Literal): Literal {
    this.depth += 1;
    if (this.depth > maximumDepth) throw notLiteral;
    this.position += 1;
    const literal = read();
    if (!this.take(close)) throw notLiteral;
    this.depth -= 1;
    return literal;
  }

  private parenthesized(): Literal {
    return this.peek() === ')' ? { kind: 'tuple', items: [] } : this.sequence(')');
  }

  private braced(): Literal {
    if (this.peek() === '}') return { kind: 'dict', pairs: [] };
    const first = this.expression();
    if (this.take(':')) return { kind: 'dict', pairs: this.pairs(first) };
    return { kind: 'set', items: this.take(',') ? [first, ...this.items('}')] : [first] };
  }

  private pairs(first: Literal): (readonly [Literal, Literal])[] {
    const pairs: (readonly [Literal, Literal])[] = [[first, this.expression()]];
    while (this.take(',') && this.peek() !== '}') {
      const key = this.expression();
      if (!this.take(':')) throw notLiteral;
      pairs.push([key, this.expression()]);
    }
    return pairs;
  }

  /** One or more string tokens in a row, which are one string. */
  private strings(): Literal | undefined {
    let token = readString(this.source, this.position);
    if (token === undefined) return undefined;
    const texts: string[] = [];
    const bytes: number[] = [];
    const kind = token.kind;
    while (token !== undefined) {
      if (token.kind !== kind) throw notLiteral;
      if (token.kind === 'text') texts.push(token.text);
      else for (const byte of token.bytes) bytes.push(byte);
      this.position = token.end;
      this.peek();
      token = readString(this.source, this.position);
    }
    return kind === 'text' ? { kind, text: texts.join('') } : { kind, bytes };
  }

  private number(): Literal | undefined {
    const integer = this.match(based);
    if (integer !== undefined) return this.endOfNumber(basedInteger(integer[0]));
    const float = this.match(real);
    if (float !== undefined) {
      const value = Number(float[0].replace(/[_jJ]/g, ''));
      const imaginary = (float[1] ?? '') !== '' || float[2] !== undefined;
      if (imaginary) return this.endOfNumber({ kind: 'complex', real: 0, imaginary: value, plain: true });
      return this.endOfNumber({ kind: 'float', float: value, plain: true });
    }
    const digits = this.match(decimal)?.[0].replaceAll('_', '');
    if (digits === undefined) return undefined;
    if (digits.length > maximumDigits) throw notLiteral;
    return this.endOfNumber({ kind: 'integer', integer: BigInt(digits), plain: true });
  }

  private endOfNumber(literal: Literal): Literal {
    if (nameCharacter.test(this.source.charAt(this.position))) throw notLiteral;
    return literal;
  }

  private constant(): Literal {
    const word = this.match(name)?.[0] ?? '';
    const constant = constants.get(word);
    if (constant !== undefined) return { kind: 'constant', constant };
    if (word === '') throw notLiteral;
    if (word === 'set' && this.take('(')) {
      if (this.take(')')) return { kind: 'set', items: [] };
      throw notLiteral;
    }
    return { kind: 'name' };
  }

  private match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.position;
    const found = pattern.exec(this.source);
    if (found === null) return undefined;
    this.position += found[0].length;
    return found;
  }

  /** The next character after white space; '' at the end, where a comment counts as the end. */
  private peek(): string {
    while (this.source.charAt(this.position) === ' ' || this.source.charAt(this.position) === '\t') this.position += 1;
    if (this.source.charAt(this.position) === '#') this.position = this.source.length;
    return this.source.charAt(this.position);
  }

  private take(character: string): boolean {
    if (this.peek() !== character) return false;
    this.position += 1;
    return true;
  }
}

function basedInteger(digits: string): Literal {
  const plainDigits = digits.replaceAll('_', '');
  const bitsPerDigit = { x: 4, o: 3, b: 1 }[plainDigits.charAt(1).toLowerCase()] ?? 4;
  if (plainDigits.length * bitsPerDigit > maximumBits) throw new UnusableLiteral('an integer of more than 4300 digits');
  return { kind: 'integer', integer: BigInt(plainDigits), plain: true };
}

function withSign(literal: Literal, sign: '+' | '-'): Literal {
  const factor = sign === '-' ? -1 : 1;
  if (literal.kind === 'integer') {
    return { ...literal, integer: sign === '-' ? -literal.integer : literal.integer, plain: false };
  }
  if (literal.kind === 'float') return { ...literal, float: factor * literal.float, plain: false };
  if (literal.kind !== 'complex') throw notLiteral;
  return { ...literal, real: factor * literal.real, imaginary: factor * literal.imaginary, plain: false };
}
