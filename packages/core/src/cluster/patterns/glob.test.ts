import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { matchesGlob, parseGlob } from './glob.js';

const matches = (pattern: string, text: string): boolean => matchesGlob(parseGlob(pattern), text);

describe('a glob', () => {
  // Every line as Python's fnmatch.fnmatchcase answers.
  it.each([
    ['a*b', 'ab', true],
    ['a*b', 'a.b.b', true],
    ['a*b', 'abc', false],
    ['*', '', true],
    ['?', '', false],
    ['?', 'é', true],
    ['?', '😀', true],
    ['a?c', 'abc', true],
    ['A', 'a', false],
    ['[a-c]', 'b', true],
    ['[a-c]', '-', false],
    ['[!a-c]', 'd', true],
    ['[!a-c]', 'a', false],
    ['[^a]', '^', true],
    ['[^a]', 'b', false],
    ['[]a]', ']', true],
    ['[!]a]', ']', false],
    ['[!]a]', 'b', true],
    ['[a-]', '-', true],
    ['[-a]', '-', true],
    ['[a-b-c]', '-', true],
    ['[a-b-c]', 'c', true],
    ['[--0]', '/', true],
    ['[c-a]', 'b', false],
    ['[c-a]', '', false],
    ['[!c-a]', 'b', true],
    ['[c-a-z]', '-', true],
    ['[c-a-z]', 'z', true],
    ['[c-a-z]', 'b', false],
    ['[a\\]', '\\', true],
    ['[', '[', true],
    ['[!', '[!', true],
    ['[]', '[]', true],
    ['a[b', 'a[b', true],
    ['[[:alpha:]]', 'a]', true],
    ['x.y', 'x+y', false],
  ])('%s for %j: %s', (pattern, text, expected) => {
    expect(matches(pattern, text)).toBe(expected);
  });

  it('of letters, ? and * agrees with the same pattern as a regular expression', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 8 });
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '?'), maxLength: 8 });
    fc.assert(
      fc.property(letters, pattern, (text, glob) => {
        const source = glob.replaceAll('.', '\\.').replaceAll('*', '.*').replaceAll('?', '.');
        expect(matches(glob, text)).toBe(new RegExp(`^${source}$`).test(text));
      }),
      { numRuns: 3000 },
    );
  });

  it('with many stars ends', () => {
    expect(matches('a*'.repeat(200) + 'b', 'a'.repeat(2000))).toBe(false);
  });
});
