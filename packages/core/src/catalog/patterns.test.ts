import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { bytesOfText, printable } from '../model/byte-names.js';
import { matchesPath } from './patterns.js';

describe('matchesPath', () => {
  it.each([
    ['a/b', 'a/b', true],
    ['a/b/', 'a/b', true],
    ['./a', 'a/b', true],
    ['a', 'a/b/c', true],
    ['.', 'anything', true],
    ['a', 'ab', false],
    ['a/b', 'a', false],
    ['*', 'a/b', true],
    ['a*c', 'a/b/c', true],
    ['a*c', 'a/b/cd', false],
    ['*b*', 'abc', true],
    ['ab*ba', 'aba', false],
    ['a*b', 'a*b', true],
    ['a.b', 'axb', false],
  ])('%j and %j: %j', (pattern, path, expected) => {
    expect(matchesPath(pattern, path)).toBe(expected);
  });

  it('agrees with a regular expression on patterns with stars', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 6 });
    const path = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(word, path, (pattern, text) => {
        expect(matchesPath(pattern, text)).toBe(new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(text));
      }),
      { numRuns: 500 },
    );
  });
});

describe('printable', () => {
  it.each([
    ['plain/name', 'plain/name'],
    [bytesOfText('café'), 'café'],
    ['\xff\xfe/a', '\\xff\\xfe/a'],
    ['a\nb', 'a\\nb'],
    ['\x1b[2J', '\\x1b[2J'],
    ['back\\slash', 'back\\\\slash'],
    [bytesOfText('a\u202Eb\u2028'), 'a\\xe2\\x80\\xaeb\\xe2\\x80\\xa8'],
  ])('%j', (name, expected) => {
    expect(printable(name)).toBe(expected);
  });

  it('is short, on one line and without control characters, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        const shown = printable(Buffer.from(bytes).toString('latin1'));
        expect(shown).not.toMatch(/\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}/u);
        expect(shown.length).toBeLessThan(1300);
      }),
    );
  });
});
