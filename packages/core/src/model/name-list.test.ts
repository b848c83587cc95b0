import { expect, it } from '@jest/globals';
import { nameList } from './name-list.js';

it('names ten, and says how many more there are', () => {
  const names = Array.from({ length: 12 }, (_, index) => String(index));
  expect(nameList(['a', 'b'])).toBe('a, b');
  expect(nameList(names.slice(0, 10))).toBe('0, 1, 2, 3, 4, 5, 6, 7, 8, 9');
  expect(nameList(names)).toBe('0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more');
  expect(nameList(['a'], 5)).toBe('a and 4 more');
});
