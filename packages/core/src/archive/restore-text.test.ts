import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
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

/** A directory with a `dir`, of which a tar with these files (each a text, `link` a link) is to be unpacked by the text's own functions. */
function replacedByHand(names: readonly string[]) {
  const top = realpathSync(mkdtempSync(join(tmpdir(), 'by-hand-')));
  const root = join(top, 'root');
  const sh = (script: string) => {
    const { stdout, stderr, status } = spawnSync('sh', ['-c', script, 'sh', root, ...names], {
      cwd: top,
      env: { PATH: process.env.PATH, UNPACKED: top, LC_ALL: 'C' },
      encoding: 'utf8',
    });
    return { stdout, stderr, status };
  };
  sh(`mkdir "$1" && cd "$1" && shift && for name do
    mkdir -p "$(dirname "$name")" && case $name in *link) ln -s /nowhere "$name" ;; *) echo new > "$name" ;; esac
  done && cd .. && tar -cf files.tar -C / "$PWD/root" 2>/dev/null; rm -rf root && mkdir -p root/dir`);
  const text = [...restoreText(info, [])].join('');
  const section = text.slice(text.indexOf('\n2 READ'), text.indexOf('\n3 WITHOUT'));
  const functions = [...section.matchAll(/^ {4}(.*)$/gm)].map(([, line = '']) => line).join('\n');
  return { root, functions, sh, [Symbol.dispose]: () => rmSync(top, { recursive: true }) };
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

  it('puts old files back as they were: what was added goes, what others have put there stays', () => {
    using host = replacedByHand(['dir/kept', 'dir/new', 'fresh/inner/file', 'fresh/link', 'shared/mine']);
    host.sh('echo old > "$1/dir/kept"; echo theirs > "$1/dir/other"');
    const { status, stderr } = host.sh(`${host.functions}
      replace_files files.tar && echo theirs > "$1/shared/theirs" && old_files_back`);
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: `/${host.root.slice(1)}/shared/ stays: it is not empty\nthe old files are back\n`,
    });
    expect(host.sh('cd "$1" && find . | sort && cat dir/kept').stdout.split('\n')).toEqual([
      '.',
      './dir',
      './dir/kept',
      './dir/other',
      './shared',
      './shared/theirs',
      'old',
      '',
    ]);
  });

  it('puts old files back where not all of the new ones can be unpacked', () => {
    using host = replacedByHand(['dir/kept', 'dir/sub', 'fresh/file']);
    host.sh('echo old > "$1/dir/kept"; mkdir "$1/dir/sub"; echo theirs > "$1/dir/sub/theirs"');
    const { status, stderr } = host.sh(`${host.functions}\nreplace_files files.tar\necho not reached`);
    expect(status).toBe(1);
    expect(stderr).toMatch(/the old files are back\n$/);
    expect(host.sh('cd "$1" && find . | sort && cat dir/kept').stdout.split('\n')).toEqual([
      '.',
      './dir',
      './dir/kept',
      './dir/sub',
      './dir/sub/theirs',
      'old',
      '',
    ]);
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
