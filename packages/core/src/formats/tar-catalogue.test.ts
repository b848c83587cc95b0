import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { headerBytes, memberBytes, paxBytes, tarBytes } from '../../../../test/support/tar-bytes.js';
import type { HandMadeMember } from '../../../../test/support/tar-bytes.js';
import type { Catalogue } from '../model/format.js';
import { entryLine, parseEntryLine, type PlacedMember } from './tar-entries.js';
import { TarCatalogue } from './tar-catalogue.js';
import { tarFormat } from './tar.js';

let directory = '';
const environment = { ...process.env, LC_ALL: 'C' };

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tar-catalogue-'));
  const at = (name: string): Buffer => Buffer.from(`${directory}/${name}`, 'latin1');
  writeFileSync(at('plain'), 'x'.repeat(700));
  writeFileSync(at('empty'), '');
  writeFileSync(at('odd\t\n %25 \xff\xc3\xbc'), 'y'.repeat(513));
  writeFileSync(at('n'.repeat(250)), 'y'.repeat(512));
  mkdirSync(at('a'.repeat(120)));
  writeFileSync(at(`${'a'.repeat(120)}/${'b'.repeat(120)}`), 'deep');
  linkSync(at('plain'), at('z-hard'));
  linkSync(at('n'.repeat(250)), at(`z-${'h'.repeat(200)}`));
  symlinkSync('l'.repeat(300), at('soft'));
  symlinkSync(Buffer.from('/etc/\xff', 'latin1'), at('out'));
  const sparse = openSync(at('sparse'), 'w');
  for (let index = 0; index < 30; index++) writeSync(sparse, 'data', index * 131_072);
  closeSync(sparse);
  truncateSync(at('sparse'), 5_000_000);
  chmodSync(at('plain'), 0o4750);
  chmodSync(directory, 0o1777);
  utimesSync(at('empty'), -1_000_000.5, -1_000_000.5);
  utimesSync(at('sparse'), 5_000_000_000.25, 5_000_000_000.25);
  lutimesSync(at('soft'), 1, 1);
});
afterAll(() => rmSync(directory, { recursive: true }));

const tar = (...options: readonly string[]): Buffer =>
  execFileSync('tar', ['--create', '--file=-', '--sort=name', `--directory=${directory}`, ...options, '.'], {
    maxBuffer: 1e8,
    env: environment,
  });

/** What GNU tar says of each member, names quoted. */
function listed(content: Buffer): readonly string[] {
  const options = ['--list', '--verbose', '--numeric-owner', '--full-time', '--utc', '--file=-'];
  const text = execFileSync('tar', options, { input: content, encoding: 'latin1', env: environment });
  // How wide a column is depends on what was listed before.
  return text
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/^(\S+) +(\S+) +(\d+) +(\S+) +(\S+) +/, '$1 $2 $3 $4 $5 '));
}

function catalogueOf(content: Buffer, chunk = content.length): Catalogue | undefined {
  const check = tarFormat().check();
  for (let start = 0; start < content.length; start += chunk) check.write(content.subarray(start, start + chunk));
  check.end();
  return check.catalogue?.();
}

const linesOf = (content: Buffer, chunk?: number): readonly string[] => {
  const { pieces, sha256 } = catalogueOf(content, chunk) ?? {};
  const text = [...(pieces?.() ?? [])].join('');
  expect([...(pieces?.() ?? [])].join('')).toBe(text);
  expect(sha256).toBe(createHash('sha256').update(text).digest('hex'));
  return text.split('\n').slice(0, -1);
};
const rowsOf = (content: Buffer): readonly PlacedMember[] =>
  linesOf(content).flatMap((line) => parseEntryLine(line) ?? []);

describe('the catalogue of a tar', () => {
  it.each([
    ['posix', []],
    ['posix', ['--sparse', '--owner=:4294967294', '--group=:3000000']],
    ['posix', ['--sparse', '--sparse-version=0.1']],
    ['posix', ['--sparse', '--sparse-version=0.0']],
    ['posix', ['--pax-option=globexthdr.name=/g,comment=all']],
    ['gnu', ['--owner=:70', '--group=:71']],
    ['gnu', ['--sparse', '--owner=:3000000']],
  ])('%s %j: what lies at each place is that member, and nothing is left out', (format, options) => {
    const content = tar(`--format=${format}`, ...options);
    const whole = listed(content);
    const rows = rowsOf(content);
    expect(rows).toHaveLength(whole.length);
    let end = 0;
    for (const [index, row] of rows.entries()) {
      expect(row.offset).toBe(end);
      end += row.length;
      const alone = Buffer.concat([content.subarray(row.offset, end), Buffer.alloc(1024)]);
      // A hard link alone is listed as in company.
      expect(listed(alone)).toEqual([whole[index]]);
    }
    expect(content.subarray(end).every((byte) => byte === 0)).toBe(true);
    expect(linesOf(content, 511)).toEqual(linesOf(content));
  });

  it.each(['posix', 'gnu'])('%s: says what GNU tar says of each', (format) => {
    const content = tar(`--format=${format}`, '--owner=:3000000', '--group=:71');
    const types = { file: '-', directory: 'd', symlink: 'l', hardlink: 'h', sparse: '-' };
    const fields = rowsOf(content).map(({ kind, uid, gid, size, mtime }) => {
      const time = new Date(mtime * 1000).toISOString().slice(0, 19).replace('T', ' ');
      return `${types[kind]} ${uid}/${gid} ${size} ${time}`;
    });
    const expected = listed(content).map((line) => {
      const [mode = '', owner = '', size = '', date = '', time = ''] = line.split(/ +/);
      return `${mode.slice(0, 1)} ${owner} ${size} ${date} ${time.slice(0, 8)}`;
    });
    expect(fields).toEqual(expected);
    const names = Object.fromEntries(rowsOf(content).map((row) => [row.name, row]));
    expect(names['./odd\t\n %25 \xff\xc3\xbc']).toMatchObject({ kind: 'file', size: 513 });
    expect(names['./plain']).toMatchObject({ mode: 0o4750 });
    expect(names['./out']).toMatchObject({ linkName: '/etc/\xff' });
    expect(names['./z-hard']).toMatchObject({ kind: 'hardlink', linkName: './plain', size: 0 });
    expect(names[`./z-${'h'.repeat(200)}`]).toMatchObject({ linkName: `./${'n'.repeat(250)}` });
  });

  it('is ASCII, one line for each member, as docs/format.md shows it', () => {
    const content = tarBytes(
      { name: 'etc/', type: '5', mode: 0o755 },
      { name: 'x', pax: { path: 'etc/caf\xc3\xa9 1%', mtime: '1700000000.75', uid: '5' }, content: 'abc' },
      { name: 'etc/l', type: '2', linkName: '../a b', uid: 7, gid: 8 },
    );
    expect(linesOf(content)).toEqual([
      '0\t512\t5\t755\t0\t0\t1700000000\t0\tetc/\t',
      '512\t2048\t0\t644\t5\t0\t1700000000\t3\tetc/caf%C3%A9%201%25\t',
      '2560\t512\t2\t644\t7\t8\t1700000000\t0\tetc/l\t../a%20b',
    ]);
  });

  it('of a tar without members is empty', () => {
    expect(linesOf(tarBytes())).toEqual([]);
  });

  it('says -1 for an owner that no file can have', () => {
    const content = tarBytes({ name: 'a', pax: { uid: '4294967295', gid: '-2' } });
    expect(rowsOf(content)[0]).toMatchObject({ uid: -1, gid: -1 });
  });

  const file: HandMadeMember = { name: 'a', content: 'x' };
  it.each<[string, Buffer]>([
    ['a FIFO', tarBytes({ name: 'f', type: '6' })],
    ['a member of a multi-volume tar', tarBytes({ name: 'f', type: 'M' })],
    ['a volume label', tarBytes({ name: 'f', type: 'V' }, file)],
    [
      'two PAX headers for one member',
      tarBytes({ name: 'x', type: 'x', content: paxBytes({ a: 'b' }) }, { ...file, pax: { a: 'b' } }),
    ],
    ['a global header that renames', tarBytes({ name: 'x', type: 'g', content: paxBytes({ path: 'b' }) }, file)],
    [
      'a long name and then nothing',
      Buffer.concat([memberBytes({ name: 'x', type: 'L', content: 'abc\0' }), Buffer.alloc(1024)]),
    ],
    ['a name too long to be one', tarBytes({ name: 'x', type: 'L', content: Buffer.alloc(2 ** 20 + 1, 'n') }, file)],
    ['a name longer than any path', tarBytes({ ...file, pax: { path: 'n'.repeat(70_000) } })],
    ['a mode that is no number', tarBytes({ ...file, mode: 0o7777777 }).fill('x', 100, 101)],
  ])('is not made of one with %s, which is taken for a tar all the same', (name, content) => {
    if (name.startsWith('a mode')) reseal(content);
    expect(catalogueOf(content)).toBeUndefined();
  });

  it('is not kept when it is too much, and then has a hash all the same', () => {
    const small = new TarCatalogue(1000);
    const large = new TarCatalogue();
    for (let index = 0; index < 200; index++)
      for (const catalogue of [small, large])
        catalogue.member(headerBytes({ name: `name ${index * 7919}` }, 0), index * 512, 512);
    const kept = large.end();
    expect(kept?.pieces).toBeDefined();
    expect(small.end()).toEqual({ sha256: kept?.sha256, pieces: undefined });
  });
});

describe('a line of a catalogue', () => {
  const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array).toString('latin1'));
  const number = fc.integer({ min: 0, max: 999_999_999_999 });
  const member: fc.Arbitrary<PlacedMember> = fc.record({
    kind: fc.constantFrom('file', 'directory', 'symlink', 'hardlink', 'sparse'),
    offset: number,
    length: number,
    size: number,
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.integer({ min: -1, max: 0xfffffffe }),
    gid: fc.integer({ min: -1, max: 0xfffffffe }),
    mtime: fc.integer({ min: -1e12, max: 1e12 }),
    name: bytes,
    linkName: bytes,
  });

  it('is read back as it was written, and has no byte that a terminal or a shell could mind', () => {
    fc.assert(
      fc.property(member, (written) => {
        const line = entryLine(written);
        expect(line).toMatch(/^[!-~\t]*\n$/);
        const isLink = written.kind === 'symlink' || written.kind === 'hardlink';
        expect(parseEntryLine(line.slice(0, -1))).toEqual(isLink ? written : { ...written, linkName: '' });
      }),
    );
  });

  it.each([
    ['nothing', ''],
    ['a field too few', '0\t512\t0\t644\t0\t0\t0\t0\ta'],
    ['a number with a zero in front', '00\t512\t0\t644\t0\t0\t0\t0\ta\t'],
    ['a negative place', '-1\t512\t0\t644\t0\t0\t0\t0\ta\t'],
    ['a number beyond all integers', `${'9'.repeat(16)}\t512\t0\t644\t0\t0\t0\t0\ta\t`],
    ['another type', '0\t512\t6\t644\t0\t0\t0\t0\ta\t'],
    ['a name with a space', '0\t512\t0\t644\t0\t0\t0\t0\ta b\t'],
    ['a name with NUL', '0\t512\t0\t644\t0\t0\t0\t0\ta\0\t'],
    ['a name with an escape that is none', '0\t512\t0\t644\t0\t0\t0\t0\ta%2\t'],
    ['a name escaped that needs it not', '0\t512\t0\t644\t0\t0\t0\t0\t%61\t'],
    ['a file with a target', '0\t512\t0\t644\t0\t0\t0\t0\ta\tb'],
    ['a carriage return', '0\t512\t0\t644\t0\t0\t0\t0\ta\t\r'],
  ])('is not %s', (_, line) => {
    expect(parseEntryLine(line)).toBeUndefined();
  });
});

/** Writes the check sum of a changed first header. */
function reseal(content: Buffer): void {
  content.fill(' ', 148, 156);
  const sum = content.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  content.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}
