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
    const text = sh('tar -xzOf "$ARCHIVE" RESTORE.txt').stdout;
    const commands = (heading: string): string =>
      text
        .slice(text.indexOf(heading))
        .split('\n')
        .slice(1)
        .join('\n')
        .split(/^\d\. /m)[0] ?? '';
    // The two sentences for people that stand among the commands of the first section.
    const unpack = commands('1. UNPACK').replace(/^Stop when[^]*$/m, '');
    const joinFunction = /^join\(\) \{\n[^]*?\n\}\n/m.exec(text)?.[0] ?? '';
    const checked = sh(unpack);
    expect(checked).toMatchObject({ status: 0, stderr: '' });
    expect(
      checked.stdout
        .trimEnd()
        .split('\n')
        .every((line) => line.endsWith(': OK')),
    ).toBe(true);
    expect(sh('ls unpacked/c/h').stdout).toContain('cut.part-000000001');

    const listed = text.slice(text.indexOf('4. THE ARTIFACTS'));
    expect(listed).not.toContain('c/h/cut');
    for (const [command] of listed.matchAll(/^(join|tar) .*$/gm)) {
      const { status, stderr } = sh(
        `cd unpacked\n${joinFunction}\n${command.includes('OUTPUT') ? command : `${command} > OUTPUT`}`,
      );
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      const expected = command.includes('c/h/large.part-x')
        ? 'not a part'
        : command.includes('c/h/large') || command.includes(longName)
          ? large.toString()
          : undefined;
      if (expected !== undefined) expect(readFileSync(join(directory, 'unpacked/OUTPUT'), 'utf8')).toBe(expected);
    }
    const refused = sh(`cd unpacked\n${joinFunction}\njoin c/h/cut`);
    expect(refused).toMatchObject({ status: 1, stdout: '' });
  });
});
