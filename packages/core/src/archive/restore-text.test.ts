import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { ByHand } from '../model/by-hand.js';
import { restoreText } from './restore-text.js';

const info = { cluster: 'prod', startedAt: new Date(0), tool: { name: 'lsbackup', version: '1' } };
const artifact = (path: string, parts = 0) => ({ path, bytes: 5, parts, sha256: 'ab'.repeat(32), format: 'tar' });
const section: ByHand = {
  host: 'h1',
  title: 'its files',
  artifacts: ['c/h1/files.tar'],
  notes: ['Mind the gap.'],
  commands: ['one', "two <<'END'\n  text\nEND", 'three'],
};

function putBack(...parameters: Parameters<typeof restoreText>): string {
  const text = [...restoreText(...parameters)].join('');
  return text.slice(text.indexOf('4 PUT BACK'));
}

describe('RESTORE.txt', () => {
  it('has the sections it is given, each artifact checked first, then one for each other artifact', () => {
    const artifacts = [artifact('c/h1/other', 3), artifact('c/h1/files.tar')];
    expect(putBack(info, artifacts, [section])).toBe(`4 PUT BACK

4.1 h1: its files

From c/h1/files.tar: 5 bytes, tar, one file.

- Mind the gap.

    check c/h1/files.tar ${'ab'.repeat(32)}
    one
    two <<'END'
      text
    END
    three

4.2 c/h1/other

From c/h1/other: 5 bytes, tar, 3 parts.

    check c/h1/other ${'ab'.repeat(32)}
    artifact c/h1/other > ./c-h1-other

`);
  });

  it('is used as the page about it says', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../../docs/restore-by-hand.md'), 'utf8');
    const text = [...restoreText(info, [])].join('');
    for (const command of [/^ {4}tar -xzOf .* RESTORE\.txt$/m, /^ {4}commands\(\) .*$/m, /^ {4}commands 1 .*$/m])
      expect(text).toContain(`\n${String(command.exec(page)?.[0])}\n`);
  });

  it('lets no name of a host or service look like a heading or a command, or reach the terminal as a control character', () => {
    const hostile = { ...section, host: 'h\n1', title: 'a\n4.1 b\u001b[2J\u202e', notes: ['1 c\n    rm -rf /'] };
    const text = [...restoreText({ ...info, cluster: 'x\n    rm -rf /' }, [], [hostile])].join('');
    expect(text.split('\n').filter((line) => /^ {4}rm|^4\.1/.test(line))).toEqual(['4.1 h?1: a?4.1 b?[2J?']);
    expect(text).toContain('\n- 1 c?    rm -rf /\n');
  });
});
