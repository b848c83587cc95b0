import { execFileSync } from 'node:child_process';

import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { simpleCommandWords } from './shell-command.js';

const home = '/home/me';

/** As /bin/sh splits it, where it runs nothing else. */
function shellWords(command: string): string[] {
  const script = `set -f; printf '%s\\0' ${command}`;
  const output = execFileSync('/bin/sh', ['-c', script], { env: { HOME: home }, encoding: 'utf8', stdio: 'pipe' });
  return output.split('\0').slice(0, -1);
}

describe('simpleCommandWords', () => {
  it.each([
    'ssh -W %h:%p bastion',
    'ssh  -W [%h]:%p\tbastion',
    `ssh -o "ProxyCommand ssh -W %h:%p \\"b\\"" -i '/a b' c`,
    'ssh -i ~/.ssh/key a~/b',
    String.raw`ssh \"a\ b\\ "c\d" '\e'`,
    `a''b ""`,
    'a=b#c',
  ])('%s is split as /bin/sh does', (command) => {
    expect(simpleCommandWords(`x ${command}`, home)).toEqual(shellWords(`x ${command}`));
  });

  it.each([
    'a | b',
    'a && b',
    'a; b',
    'a > b',
    'a $B',
    'a "$B"',
    'a `b`',
    'a *',
    'a ?',
    'a {b,c}',
    'a #b',
    'a ~bob/x',
    'A=b c',
    "a 'b",
    'a\nb',
    '! a',
  ])('%j is more than one simple command', (command) => {
    expect(simpleCommandWords(command, home)).toBeUndefined();
  });

  it('splits any text as /bin/sh does, or leaves it alone', () => {
    const text = fc.array(fc.constantFrom('a', ' ', "'", '"', '\\', '~/', '#', '%h', '=', '\t', '-'), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(
        text.map((parts) => parts.join('')),
        (command) => {
          const words = simpleCommandWords(`x ${command}`, home);
          if (words !== undefined) expect(words).toEqual(shellWords(`x ${command}`));
        },
      ),
      { numRuns: 200 },
    );
  });
});
