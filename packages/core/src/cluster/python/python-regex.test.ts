import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { pythonRegex } from './python-regex.js';

describe('a regular expression of Python', () => {
  // Every line as re.match answers.
  it.each([
    ['web', 'web1', true],
    ['eb', 'web1', false],
    ['a|b', 'bc', true],
    ['a|b', 'cb', false],
    ['web\\d', 'web٣', true],
    ['\\w+$', 'größe_1', true],
    ['\\W', 'ß', false],
    ['a\\s', 'a\u00a0', true],
    ['a\\s', 'a\ufeff', false],
    ['.\\b', 'ß-', true],
    ['.\\B', 'ß-', false],
    ['a$', 'a', true],
    ['a\\Z', 'ab', false],
    ['\\Aa', 'a', true],
    ['a{,2}$', 'aa', true],
    ['a{,2}$', 'aaa', false],
    ['a{1,}b', 'aab', true],
    ['a{x}', 'a{x}', true],
    ['a{}', 'a{}', true],
    ['a}]', 'a}]', true],
    ['[]a]', ']', true],
    ['[^]a]', ']', false],
    ['[a\\]b]', ']', true],
    ['[a-]', '-', true],
    ['[\\w-]', '-', true],
    ['[^\\d]', '1', false],
    ['[&&]', '&', true],
    ['[[]', '[', true],
    ['a(?=b)', 'ab', true],
    ['a(?!b)', 'ab', false],
    ['(?i)WEB', 'web', true],
    ['a.b', 'a\u2028b', true],
    ['.', '😀', true],
    ['\\-\\/\\.', '-/.', true],
    ['()', '', true],
  ])('%s for %j: %s', (source, text, expected) => {
    expect(pythonRegex(source).test(text)).toBe(expected);
  });

  it.each([
    '(', ')', 'a)b(', '[', '[a', '*', 'a**', 'a{2,1}', '\\b+', '$*', '\\', '[\\', '[z-a]', '[\\w-a]', '[a-\\w]', '[a-\\d]',
    '(?P<n>a)', '(?<=a)b', '(a)\\1', '(?>a)', 'a*+', 'a++', '\\x41', '\\u0041', '\\N', '\\q', '[\\W]', '[\\b]', 'a(?i)b', '(?x)a', '(?#a)',
  ])('%s is refused', (source) => {
    expect(() => pythonRegex(source)).toThrow(SyntaxError);
  }); // prettier-ignore

  it('whatever it is, is translated or refused', () => {
    const unit = fc.constantFrom(...Array.from('()[]{}?*+|^$.\\-:=!<>abdwsWDSBZ019,&~\n😀'));
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 12 }), fc.string({ unit, maxLength: 6 }), (source, text) => {
        let regex: RegExp;
        try {
          regex = pythonRegex(source);
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError);
          return;
        }
        expect(typeof regex.test(text)).toBe('boolean');
      }),
      { numRuns: 3000 },
    );
  });
});
