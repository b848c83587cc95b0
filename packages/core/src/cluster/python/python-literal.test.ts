import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { isList, isMapping } from '../inventory/inventory.js';
import type { InventoryValue } from '../inventory/inventory.js';
import { UnusableLiteral } from './python-literal-errors.js';
import { PythonFloat } from './python-number.js';
import { evaluateLiteral } from './python-literal.js';

// Everything Ansible can be asked about is compared with Ansible in test/inventory; here is what it cannot show, and properties.
describe('evaluateLiteral', () => {
  it('keeps integers that a number cannot hold as bigint', () => {
    expect(evaluateLiteral('9007199254740991')).toBe(9007199254740991);
    expect(evaluateLiteral('9007199254740993')).toBe(9007199254740993n);
    expect(evaluateLiteral('[-0x80000000000000000]')).toEqual([-(2n ** 67n)]);
  });

  it('tells floats from integers, also those that overflow', () => {
    expect(evaluateLiteral('[1, 1.0, 1e5, -0.0]')).toEqual([
      1,
      ...[1, 100_000, -0].map((value) => new PythonFloat(value)),
    ]);
    expect(evaluateLiteral('[-1e999, 12e4567]')).toEqual([new PythonFloat(-Infinity), new PythonFloat(Infinity)]);
  });

  it('keeps text with a backslash before an N that names no character, as Python fails there', () => {
    for (const text of ["'CORP\\Nina'", "'\\N{DASH'", "'\\N{}'"]) expect(evaluateLiteral(text)).toBe(text);
  });

  it('keeps a set in the order in which it is written, each value once', () => {
    expect(evaluateLiteral("{'b', 'a', 'b', 3, 3.0, True, 1}")).toEqual(['b', 'a', 3, true]);
  });

  it.each([
    ["'\\N{EN DASH}'", 'Unicode name'],
    ["'\\ud800'", 'surrogate'],
    ["b'\\xff'", 'not UTF-8'],
    [`0x${'f'.repeat(4000)}`, '4300 digits'],
    ['{(1, 2): 3}', 'JSON cannot carry'],
    ['{{1}}', 'a set as a key or inside of a set'],
    ["{'a': {([],): 1}}", 'a list as a key'],
  ])('refuses %s', (text, message) => {
    expect(() => evaluateLiteral(text)).toThrow(UnusableLiteral);
    expect(() => evaluateLiteral(text)).toThrow(message);
  });

  it('takes brackets up to the depth Python does', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(JSON.stringify(evaluateLiteral(nested(200)))).toBe(nested(200));
    expect(evaluateLiteral(nested(201))).toBe(nested(201));
  });

  it('takes decimal integers of up to 4300 digits, longer ones are text', () => {
    expect(evaluateLiteral('9'.repeat(4300))).toBe(10n ** 4300n - 1n);
    expect(evaluateLiteral('9'.repeat(4301))).toBe('9'.repeat(4301));
  });

  it('reads back every JSON value written as a Python literal', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const expected = JSON.parse(JSON.stringify(value), withoutLongIntegers) as InventoryValue;
        expect(evaluateLiteral(pythonText(expected))).toEqual(withFloats(expected));
      }),
      { numRuns: 300 },
    );
  });

  it('gives a value or UnusableLiteral for any text', () => {
    const pieces = [
      '[',
      ']',
      '{',
      '}',
      '(',
      ')',
      ',',
      ':',
      "'",
      '"',
      '\\',
      'b',
      'r',
      'x',
      '0',
      '1',
      '_',
      '.',
      'e',
      'j',
      '+',
      '-',
      '#',
      ' ',
      'N',
      'u',
      'set',
      'True',
      'é',
      '\u{1f600}',
    ];
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom(...pieces), maxLength: 30 }),
    );
    fc.assert(
      fc.property(text, (source) => {
        try {
          expect(evaluateLiteral(source)).toBeDefined();
        } catch (error) {
          expect(error).toBeInstanceOf(UnusableLiteral);
        }
      }),
      { numRuns: 1500 },
    );
  });

  it.each(['[', '(', '-', '1,', "'", "'a' ", '\\', '[1],', '{1:', '1_', 'é', 'b"', '"\\x41" ', '{1},', 'r', '0'])(
    'takes time linear in a long text of %j',
    (piece) => {
      const text = piece.repeat(Math.ceil(200_000 / piece.length));
      const started = performance.now();
      expect(evaluateLiteral(text)).toBeDefined();
      expect(performance.now() - started).toBeLessThan(5_000);
    },
  );
});

/** Those become bigints. */
function withoutLongIntegers(_: string, value: unknown): unknown {
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? 0.5 : value;
}

function withFloats(value: InventoryValue): InventoryValue {
  if (typeof value === 'number' && !Number.isInteger(value)) return new PythonFloat(value);
  if (isList(value)) return value.map(withFloats);
  if (!isMapping(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withFloats(item)]));
}

function pythonText(value: InventoryValue): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value !== 'object') return JSON.stringify(value);
  if (isList(value)) return `[${value.map(pythonText).join(', ')}]`;
  if (!isMapping(value)) throw new Error('a literal is never encrypted');
  const entries = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${pythonText(item)}`);
  return `{${entries.join(', ')}}`;
}
