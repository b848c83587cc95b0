import { spawnSync } from 'node:child_process';
import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { extract } from 'tar-stream';

import { escapePiece } from '../model/names.js';
import { addContent, addStream, collector, failingSource, finish, testWriter } from './sample.test-support.js';

const large = Buffer.from(Array.from({ length: 2000 }, (_, line) => `line ${String(line)}\n`).join(''));
const longName = `c/h/${escapePiece('long '.repeat(60))}`;
const middleName = `component/${'h'.repeat(90)}/${'a'.repeat(90)}`;
let directory: string;
let archive: string;

beforeAll(async () => {
  const { output, bytes } = collector();
  const writer = testWriter(output);
  const written = [
    await addContent(writer, 'c/h/small', Buffer.from('small')),
    await addContent(writer, 'c/h/empty', Buffer.alloc(0)),
    await addStream(writer, 'c/h/large', Readable.from([large], { objectMode: false })),
    await addContent(writer, 'c/h/large.part-x', Buffer.from('not a part')),
    await addStream(writer, longName, Readable.from([large], { objectMode: false })),
    await addContent(writer, middleName, Buffer.from('middle')),
  ];
  await expect(addStream(writer, 'c/h/cut', failingSource(large))).rejects.toMatchObject({ code: 'COMMAND_FAILED' });
  await finish(writer, written);
  directory = mkdtempSync(join(tmpdir(), 'lsbackup-archive-'));
  archive = join(directory, 'archive.tar.gz');
  writeFileSync(archive, bytes());
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function sh(script: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('sh', ['-c', script], {
    cwd: directory,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, LC_ALL: 'C', ARCHIVE: archive },
  });
}

describe('an archive, read by tools that know nothing of lsbackup', () => {
  it('is sound for gzip, without a warning', () => {
    expect(sh('gzip -tv "$ARCHIVE"')).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/^\S+:\s+OK\n$/) as unknown,
    });
  });

  it('is listed by tar with every entry as a private regular file', () => {
    const { status, stdout, stderr } = sh('tar -tvzf "$ARCHIVE"');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines.every((line) => line.startsWith('-rw------- 0/0 '))).toBe(true);
    expect(lines.at(-1)).toMatch(/metadata\.json$/);
    expect(stdout).toContain(`${longName}.parts\n`);
    expect(stdout).toContain(`${middleName}\n`);
  });

  it('is read by Python to the same names and contents', () => {
    const script = `import sys, tarfile
with tarfile.open(sys.argv[1]) as archive:
    for member in archive:
        print(member.name, member.size, len(archive.extractfile(member).read()))`;
    const { status, stdout, stderr } = spawnSync('python3', ['-c', script, archive], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain(`${middleName} 6 6\n`);
    expect(stdout.trimEnd().split('\n').length).toBe(sh('tar -tzf "$ARCHIVE"').stdout.trimEnd().split('\n').length);
  });

  it('is read by tar-stream to the same names and sizes', async () => {
    const entries: string[] = [];
    const reader = extract();
    const fed = pipeline(createReadStream(archive), createGunzip(), reader);
    for await (const entry of reader) {
      const length = (await buffer(entry)).length;
      entries.push(`${entry.header.name} ${String(length)}`);
    }
    await fed;
    expect(entries).toContain(`${middleName} 6`);
    expect(entries).toHaveLength(sh('tar -tzf "$ARCHIVE"').stdout.trimEnd().split('\n').length);
  });

  it('gives every artifact back to somebody who follows RESTORE.txt, and never the one that was cut', () => {
    const checked = sh(`tar -xzOf "$ARCHIVE" RESTORE.txt | sed -n '/^1 /q;s/^    //p' > begin.sh && sh begin.sh`);
    expect(checked).toMatchObject({ status: 0, stderr: '' });
    expect(checked.stdout.trimEnd().split('\n')).toEqual(
      Array.from(
        { length: checked.stdout.trimEnd().split('\n').length },
        () => expect.stringMatching(/: OK$/) as unknown,
      ),
    );
    expect(sh('ls unpacked/c/h').stdout).toContain('cut.part-000000001');

    const text = sh('cat RESTORE.txt').stdout;
    expect(text).not.toContain('c/h/cut');
    const sections = [...text.matchAll(/^(4\.\d+) (\S+)$/gm)].map(([, number = '', path = '']) => ({ number, path }));
    expect(sections.map(({ path }) => path).sort()).toEqual(
      ['c/h/small', 'c/h/empty', 'c/h/large', 'c/h/large.part-x', longName, middleName].sort(),
    );
    const cut = `commands() { for section do sed -n "/^$section /,/^[0-9]/s/^    //p" RESTORE.txt; done; }\n`;
    expect(text).toContain(cut);
    for (const { number, path } of sections)
      for (const how of ['2', '2 3']) {
        const { status, stdout, stderr } = sh(
          `rm -f ./c-h-*\n${cut}commands ${how} ${number} > restore.sh && sh restore.sh`,
        );
        expect({ path, status, stdout, stderr }).toEqual({ path, status: 0, stdout: `${path}: OK\n`, stderr: '' });
        const content = readFileSync(join(directory, path.replaceAll('/', '-')), 'utf8');
        if (path === 'c/h/large' || path === longName) expect(content).toBe(large.toString());
        if (path === 'c/h/large.part-x') expect(content).toBe('not a part');
      }
    for (const how of ['2', '2 3']) {
      const refused = sh(`${cut}{ commands ${how}; echo artifact c/h/cut; } | sh`);
      expect(refused).toMatchObject({ stdout: '' });
      expect(refused.status).toBeGreaterThan(0);
    }
  });

  it('is refused by its own commands where an unpacked file has changed', () => {
    const cut = `sed -n '/^2 /,/^3 /s/^    //p' RESTORE.txt; grep '^    check c/h/small ' RESTORE.txt | sed 's/^    //'; echo echo not reached`;
    const changed = sh(`printf smell > unpacked/c/h/small\n{ ${cut}; } | sh`);
    expect(changed).toMatchObject({
      status: 1,
      stdout: '',
      stderr: 'c/h/small is not what was saved: do not use it\n',
    });
  });
});
