import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { complexText, floatText, parseInteger } from './python-number.js';

describe('numbers as Python writes them', () => {
  it.each([
    [1, '1.0'],
    [-0, '-0.0'],
    [0.1, '0.1'],
    [1e15, '1000000000000000.0'],
    [1e16, '1e+16'],
    [1.5e-4, '0.00015'],
    [1.5e-5, '1.5e-05'],
    [123456.789, '123456.789'],
    [-2.5e300, '-2.5e+300'],
    [Infinity, 'inf'],
    [-Infinity, '-inf'],
    [Number.NaN, 'nan'],
  ])('floatText(%p) is %s', (value, text) => {
    expect(floatText(value)).toBe(text);
  });

  it('floatText reads back the same', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) =>
        Object.is(Number(floatText(value)), value),
      ),
    );
  });

  it.each([
    [0, 2, '2j'],
    [1, -2.5, '(1-2.5j)'],
    [-0, -2, '(-0-2j)'],
    [0, Infinity, 'infj'],
  ])('complexText(%p, %p) is %s', (real, imaginary, text) => {
    expect(complexText(real, imaginary)).toBe(text);
  });

  it.each([
    ['007', 7n],
    [' -1_0 ', -10n],
    ['+3', 3n],
    ['1__0', undefined],
    ['_1', undefined],
    ['', undefined],
    ['1.0', undefined],
    ['9'.repeat(5000), undefined],
  ])('parseInteger(%j) is %p', (text, value) => {
    expect(parseInteger(text)).toBe(value);
  });
});
