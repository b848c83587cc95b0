import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { splitShellWords } from './shell-words.js';

describe('splitShellWords', () => {
  it('splits at white space, outside of quotes and behind no backslash', () => {
    expect(splitShellWords(`a "b c"  d\\ e 'f "g' ""h`, { comments: false })).toEqual(['a', 'b c', 'd e', 'f "g', 'h']);
    expect(splitShellWords(`'' ""`, { comments: false })).toEqual(['', '']);
  });

  it('ends at an unquoted # only where comments are wanted', () => {
    expect(splitShellWords('a b#c d', { comments: true })).toEqual(['a', 'b']);
    expect(splitShellWords('a b#c d', { comments: false })).toEqual(['a', 'b#c', 'd']);
    expect(splitShellWords('a "b#c" \\#d', { comments: true })).toEqual(['a', 'b#c', '#d']);
  });

  it.each(['"open', "it's", 'end\\', '"end\\'])('refuses %j', (text) => {
    expect(() => splitShellWords(text, { comments: true })).toThrow(SyntaxError);
  });

  it('gives back words that were quoted one by one', () => {
    const word = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(fc.array(word), fc.boolean(), (words, comments) => {
        const single = words.map((text) => `'${text.replaceAll("'", `'"'"'`)}'`).join(' ');
        const double = words.map((text) => `"${text.replace(/["\\]/g, '\\$&')}"`).join('\t');
        expect(splitShellWords(single, { comments })).toEqual(words);
        expect(splitShellWords(double, { comments })).toEqual(words);
      }),
    );
  });
});
