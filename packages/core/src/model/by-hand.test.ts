import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { plainText, shellWord } from './by-hand.js';

const prelude = `newline=$(printf '\\nx'); newline=\${newline%x}; printf '%s.' `;

function asShellReads(words: string): string {
  return execFileSync('sh', ['-euc', prelude + words], { encoding: 'utf8' });
}

describe('shellWord', () => {
  it.each([
    ['app', 'app'],
    ['with space/slash%percent', `'with space/slash%percent'`],
    ['', `''`],
    ["it's", `'it'"'"'s'`],
    ['a\n', `'a'"$newline"`],
    ['\u001b[2J', `"$(printf '\\033')"'[2J'`],
    ['Größe', `'Größe'`],
  ])('%j becomes %s', (text, word) => {
    expect(shellWord(text)).toBe(word);
    expect(asShellReads(word)).toBe(`${text}.`);
  });

  it('gives any text to the command as it is, on one line without control characters', () => {
    const character = fc.oneof(
      fc.constantFrom(...Array.from(`'"\\$\`!*?[]{}()<>|&;#~=%- \t\r\n\u007f\u0085\u2028\u202e`)),
      fc.string({ unit: 'grapheme', maxLength: 1 }),
    );
    const texts = fc.array(
      fc.array(character).map((all) => all.join('').replaceAll('\0', '')),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(texts, (list) => {
        const words = list.map(shellWord).join(' ');
        expect(words).not.toMatch(/\p{Cc}|\p{Cf}/u);
        if (list.length > 0) expect(asShellReads(words)).toBe(list.map((text) => `${text}.`).join(''));
      }),
      { numRuns: 100 },
    );
  });
});

describe('plainText', () => {
  it('shows no control character and no change of direction', () => {
    expect(plainText('a\nb\u001bc\u202ed\u2028')).toBe('a?b?c?d?');
  });
});
