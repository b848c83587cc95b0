import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { expandHostWord, maximumHosts } from './host-names.js';

describe('expandHostWord', () => {
  it('multiplies ranges and keeps leading zeros', () => {
    expect(expandHostWord('n[08:10]-[a:b]:2222')).toEqual({
      names: ['n08-a', 'n08-b', 'n09-a', 'n09-b', 'n10-a', 'n10-b'],
      port: 2222,
    });
  });

  it('gives begin to end by step for any numbers', () => {
    const small = fc.integer({ min: 0, max: 500 });
    fc.assert(
      fc.property(small, small, fc.integer({ min: 1, max: 60 }), (begin, size, step) => {
        const { names } = expandHostWord(`h[${begin}:${begin + size}:${step}]`);
        expect(names).toHaveLength(Math.floor(size / step) + 1);
        expect(names.every((name, index) => name === `h${begin + index * step}`)).toBe(true);
      }),
    );
  });

  it.each(['h[1:100001]', 'h[0:999999999999999999999]', 'h[1:1000][1:1000]', 'h[1:99999999999999:-1]x[1:200000]'])(
    'refuses %s, which stands for too many hosts or for none, at once',
    (pattern) => {
      const started = performance.now();
      try {
        expect(expandHostWord(pattern).names).toEqual([]);
      } catch (error) {
        expect(String(error)).toContain(`more than ${maximumHosts} hosts`);
      }
      expect(performance.now() - started).toBeLessThan(1_000);
    },
  );

  it('gives names or a SyntaxError for any text, in linear time', () => {
    const pieces = ['[', ']', ':', '1', '05', 'a', 'f', '-', '_', '.', '|', '::', '1:2', '[1:2]'];
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...pieces), maxLength: 20 }), (pattern) => {
        try {
          expect(Array.isArray(expandHostWord(pattern).names)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError);
        }
      }),
      { numRuns: 2000 },
    );
    for (const piece of [...pieces, 'a-', 'a.', '[1:1]', '[', '[[', ']:1']) {
      const started = performance.now();
      try {
        expandHostWord(`${piece.repeat(Math.ceil(20_000 / piece.length))}:22`);
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError);
      }
      expect({ piece, fast: performance.now() - started < 3_000 }).toEqual({ piece, fast: true });
    }
  });
});
