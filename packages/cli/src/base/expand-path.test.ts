import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { expandPath } from './expand-path.js';

const environment = { HOME: '/home/me', DIR: '/d', TILDE: '~', NESTED: '$DIR', EMPTY: '' };

describe('expandPath', () => {
  // As unfrackpath(path, follow=False) of ansible-core 2.19 gives it with this environment.
  it.each([
    ['~/a', '/home/me/a'],
    ['~', '/home/me'],
    ['$HOME/a', '/home/me/a'],
    ['${DIR}/../a', '/a'],
    ['$DIR_X/a', resolve('$DIR_X/a')],
    ['$NOT_SET/${NOR_THIS}', resolve('$NOT_SET/${NOR_THIS}')],
    ['$TILDE/a', '/home/me/a'],
    ['$NESTED/a', resolve('$DIR/a')],
    ['${EMPTY}/a', '/a'],
    ['a/~', resolve('a/~')],
    ['~no_such_user/a', resolve('~no_such_user/a')],
    ['a', resolve('a')],
  ])('%s', (path, expected) => {
    expect(expandPath(path, environment, environment.HOME)).toBe(expected);
  });
});
