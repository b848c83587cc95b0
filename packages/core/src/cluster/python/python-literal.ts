import type { InventoryValue } from '../inventory/inventory.js';
import { notLiteral, UnusableLiteral } from './python-literal-errors.js';
import { readLiteral } from './python-literal-reader.js';
import type { Literal } from './python-literal-reader.js';
import { complexText, exactInteger, floatText, PythonFloat } from './python-number.js';

/** How a literal can begin; a name in the first place makes any expression text. */
const beginning = /^(?:[0-9.+\-([{]|[rRbBuU]{0,2}['"]|True|False|None|set)/;

/**
 * What Ansible makes of a value in an INI inventory: the Python literal it is (strings, bytes, numbers, lists, tuples, sets, dicts,
 * `True`, `False`, `None`, nested and with implicit concatenation of strings), else the text itself.
 * Tuples and sets become lists, complex numbers and `...` text, bytes the mark that `ansible-inventory` prints for them.
 * One thing differs from Python on purpose: a set keeps the order in which it is written (Python's depends on its hash function).
 * Throws UnusableLiteral for a literal that Ansible refuses, as `{{1}}`, a set in a set.
 */
export function evaluateLiteral(text: string): InventoryValue {
  const source = text.replace(/^[ \t]+/, '');
  if (!beginning.test(source) || source.includes('\0')) return text;
  try {
    const literal = readLiteral(source);
    checkKeys(literal);
    return valueOf(literal);
  } catch (error) {
    if (error === notLiteral) return text;
    throw error;
  }
}

/**
 * Meets names and what cannot be a key in the order in which Python evaluates: in `[{[]: 1}, name]` the key is at fault, `[name, {[]: 1}]`
 * is text for the name.
 */
function checkKeys(literal: Literal): void {
  if (literal.kind === 'name') throw notLiteral;
  if (literal.kind === 'list' || literal.kind === 'tuple') literal.items.forEach(checkKeys);
  if (literal.kind === 'set') {
    for (const item of literal.items) {
      checkKeys(item);
      hashKey(item);
    }
  }
  if (literal.kind === 'dict') {
    for (const [key, value] of literal.pairs) {
      checkKeys(key);
      checkKeys(value);
      hashKey(key);
    }
  }
}

function valueOf(literal: Literal): InventoryValue {
  switch (literal.kind) {
    case 'text':
      return literal.text;
    case 'bytes':
      return { __ansible_unsafe: decodeBytes(literal.bytes) };
    case 'integer':
      return exactInteger(literal.integer);
    case 'float':
      return new PythonFloat(literal.float);
    case 'complex':
      return complexText(literal.real, literal.imaginary);
    case 'name':
      throw notLiteral;
    case 'constant':
      return literal.constant;
    case 'list':
    case 'tuple':
      return literal.items.map(valueOf);
    case 'set':
      return distinct(literal.items).map(valueOf);
    case 'dict':
      return dictionary(literal.pairs);
  }
}

function distinct(items: readonly Literal[]): Literal[] {
  const found = new Map<string, Literal>();
  for (const item of items) {
    const hash = hashKey(item);
    if (!found.has(hash)) found.set(hash, item);
  }
  return [...found.values()];
}

/** Python keeps the first of equal keys and the last of their values: `{1.0: 'a', 1: 'b'}` is `{1.0: 'b'}`. */
function dictionary(pairs: readonly (readonly [Literal, Literal])[]): InventoryValue {
  const entries = new Map<string, { readonly key: string; readonly value: Literal }>();
  for (const [key, value] of pairs) {
    const hash = hashKey(key);
    entries.set(hash, { key: entries.get(hash)?.key ?? keyText(key), value });
  }
  return Object.fromEntries([...entries.values()].map(({ key, value }) => [key, valueOf(value)]));
}

/** Equal for what Python takes as the same key: `1`, `1.0` and `True` are one. */
function hashKey(literal: Literal): string {
  switch (literal.kind) {
    case 'text':
      return JSON.stringify(literal.text);
    case 'bytes':
      return `bytes ${literal.bytes.join(' ')}`;
    case 'integer':
      return String(literal.integer);
    case 'float':
      return Number.isInteger(literal.float) ? String(BigInt(literal.float)) : String(literal.float);
    case 'complex':
      return literal.imaginary === 0
        ? hashKey({ kind: 'float', float: literal.real, plain: true })
        : complexText(literal.real, literal.imaginary);
    case 'constant':
      return typeof literal.constant === 'boolean' ? String(Number(literal.constant)) : `constant ${literal.constant}`;
    case 'tuple':
      return `(${literal.items.map(hashKey).join(',')},)`;
    default:
      throw new UnusableLiteral(`a ${literal.kind} as a key or inside of a set, which Python cannot do`);
  }
}

function keyText(literal: Literal): string {
  if (literal.kind === 'text') return literal.text;
  if (literal.kind === 'integer') return String(literal.integer);
  if (literal.kind === 'float') return floatText(literal.float);
  if (literal.kind === 'constant' && literal.constant !== '...') return String(literal.constant);
  throw new UnusableLiteral(`a key that is neither text nor a number (${literal.kind}), which JSON cannot carry`);
}

function decodeBytes(bytes: readonly number[]): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
  } catch {
    throw new UnusableLiteral('bytes that are not UTF-8 text');
  }
}
