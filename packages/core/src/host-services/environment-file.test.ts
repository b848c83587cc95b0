import { expect, it } from '@jest/globals';
import { parseEnvironmentFile } from './environment-file.js';

it.each([
  ['A=b\n# C=d\n; E=f\n\nbroken\n G = h i \n', { A: 'b', G: 'h i' }],
  ['NOTE=(a b\nHELLO=x touch /tmp/y; $(id)\n', { NOTE: '(a b', HELLO: 'x touch /tmp/y; $(id)' }],
  ['ARGS="--a \\\n --b"\nPLAIN=a \\\n b\n', { ARGS: '--a  --b', PLAIN: 'a  b' }],
  [`A='c d'\nB="e 'f' \\" \\$ \\x"\nC="a b" 'c' d "e"\n`, { A: 'c d', B: `e 'f' " $ \\x`, C: 'a bcd "e"' }],
  ['A="two\nlines"\r\nB=\\ x\\ \n', { A: 'two\nlines', B: ' x ' }],
  ['# no \\\nA=b\nexport B=c\n1=d\nC=\nD=last', { C: '', D: 'last' }],
])('%j', (text, expected) => {
  expect(Object.fromEntries(parseEnvironmentFile(text))).toEqual(expected);
});
