import { mkdir, mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { fakeArchive } from '../../../../test/support/fake-archive.js';
import { headerBytes, memberBytes, paxBytes, seal, tarBytes } from '../../../../test/support/tar-bytes.js';
import type { HandMadeMember } from '../../../../test/support/tar-bytes.js';
import { treeOf } from '../../../../test/support/tree.js';
import type { BackupError, ErrorCode } from '../model/errors.js';
import { extractArtifacts } from './extract.js';
import type { ExtractOptions } from './extract.js';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lsbackup-hostile-'));
});
afterEach(() => rm(directory, { recursive: true }));

/** Unpacks and answers with the error; nothing at all may have been written. */
async function refusal(content: Buffer, options: Partial<ExtractOptions> = {}): Promise<BackupError> {
  const archive = fakeArchive([
    { path: 'haproxy/lb1/a.json', format: 'json', content: Buffer.from('{}') },
    { path: 'haproxy/lb1/config.tar', format: 'tar', content },
  ]);
  const error: unknown = await extractArtifacts(archive, {
    into: join(directory, 'out'),
    unpack: true,
    ...options,
  }).catch((thrown: unknown) => thrown);
  expect(await readdir(directory)).toEqual([]);
  expect(error).toMatchObject({ name: 'BackupError' });
  return error as BackupError;
}

const file: HandMadeMember = { name: 'harmless', content: 'harmless' };
const dir = (name: string): HandMadeMember => ({ name, type: '5', mode: 0o755 });
const symlink = (name: string, linkName: string): HandMadeMember => ({ name, type: '2', linkName });
const hardlink = (name: string, linkName: string): HandMadeMember => ({ name, type: '1', linkName });

const hostile: Readonly<Record<string, readonly HandMadeMember[]>> = {
  'an absolute name': [{ name: '/etc/cron.d/evil', content: 'x' }],
  'an absolute name in a PAX record': [{ name: 'short', pax: { path: '/etc/cron.d/evil' }, content: 'x' }],
  'an absolute name in a GNU long name': [{ name: '././@LongLink', type: 'L', content: '/etc/evil\0' }, file],
  'an absolute name by its prefix': [{ name: 'evil', prefix: '/etc', content: 'x' }],
  'a name with ..': [{ name: 'a/../../evil', content: 'x' }],
  'a directory called ..': [dir('../evil')],
  'a name that ends in ..': [dir('a/..')],
  'an empty name': [{ name: '', content: 'x' }],
  'a name with NUL': [{ name: 'short', pax: { path: 'a\0b' }, content: 'x' }],
  'a root that is a file': [{ name: './.', content: 'x' }],
  'a root that is a symbolic link': [symlink('.', '/etc')],
  'the same file twice': [
    { name: 'a', content: '1' },
    { name: 'a', content: '2' },
  ],
  'the same file under two spellings': [
    { name: 'a/b', content: '1' },
    { name: './a//./b', content: '2' },
  ],
  'the same directory twice': [dir('a'), dir('./a/')],
  'a file that becomes a directory': [
    { name: 'a', content: '1' },
    { name: 'a/b', content: '2' },
  ],
  'a directory that becomes a file': [
    { name: 'a/b', content: '1' },
    { name: 'a', content: '2' },
  ],
  'a symbolic link without a target': [symlink('a', '')],
  'a write through a symbolic link': [symlink('a', '.'), { name: 'a/b', content: 'x' }],
  'a write through a symbolic link to outside': [symlink('a', '/tmp'), { name: 'a/b', content: 'x' }],
  'a hard link to what a symbolic link leads to': [symlink('a', '/etc'), hardlink('b', 'a/passwd')],
  'a symbolic link in the place of a directory in use': [{ name: 'a/b', content: 'x' }, symlink('a', '/tmp')],
  'a hard link to outside': [hardlink('a', '../../etc/passwd')],
  'an absolute hard link': [hardlink('a', '/etc/passwd')],
  'a hard link to what is not there': [hardlink('a', 'b')],
  'a hard link to itself': [hardlink('a', 'a')],
  'two hard links to each other': [hardlink('a', 'b'), hardlink('b', 'a')],
  'a hard link to a directory': [dir('a'), hardlink('b', 'a')],
  'a write through a hard link': [symlink('s', '.'), hardlink('h', 's'), { name: 'h/x', content: 'x' }],
  'a character device': [{ name: 'null', type: '3' }],
  'a block device': [{ name: 'sda', type: '4' }],
  'a FIFO': [{ name: 'fifo', type: '6' }],
  'a global header that renames': [{ name: 'g', type: 'g', content: paxBytes({ path: '../evil' }) }, file],
  'two PAX headers for one member': [
    { name: 'x', type: 'x', content: paxBytes({ comment: 'x' }) },
    { ...file, pax: { path: 'b' } },
  ],
  'two long names for one member': [
    { name: '././@LongLink', type: 'L', content: 'a\0' },
    { ...file, pax: { path: 'b' } },
  ],
  'a directory with content': [{ ...dir('a'), content: 'x' }],
  'a symbolic link with content': [{ ...symlink('a', 'b'), content: 'x' }],
  'a hard link with content': [file, { ...hardlink('a', 'harmless'), content: 'x' }],
  'a member that claims more than the stream has': [{ name: 'bomb', size: 0o77777777777 }],
  'a PAX size that claims more than the stream has': [{ ...file, pax: { size: '9007199254740991' } }],
  'an enormous PAX header': [{ name: 'x', type: 'x', content: Buffer.alloc(2 * 1024 * 1024, 'a') }, file],
};

/** What hosts have as well, and what no tar may be written through. */
const leaving: Readonly<Record<string, readonly HandMadeMember[]>> = {
  'an absolute symbolic link': [symlink('a', '/etc')],
  'a symbolic link above the root': [symlink('a', '..')],
  'a symbolic link above the root, deeper': [dir('a'), symlink('a/b', '../../etc/passwd')],
  'a symbolic link in a PAX record': [{ ...symlink('a', 'harmless'), pax: { linkpath: '/etc/passwd' } }],
  'a chain of links that leaves the root': [dir('a'), symlink('a/root', '..'), symlink('out', 'a/root/../..')],
  'a chain whose text stays inside': [dir('a'), dir('a/b'), symlink('a/b/up', '../..'), symlink('a/out', 'b/up/../x')],
  'a chain that leaves in an order not yet known': [
    symlink('a/out', 'b/up/../x'),
    dir('a/b'),
    symlink('a/b/up', '../..'),
  ],
  'a symbolic link that a missing directory will lead out': [symlink('a', 'missing/../../etc')],
  'a hard link that moves a symbolic link': [
    dir('a'),
    dir('a/b'),
    symlink('a/b/up', '../x'),
    hardlink('out', 'a/b/up'),
  ],
};

describe('unpacking a hostile tar', () => {
  it.each(Object.entries(hostile))('refuses %s before any write', async (_, members) => {
    const error = await refusal(tarBytes(file0, ...members));
    expect(error.code).toBe('ARCHIVE_HOSTILE');
    expect(error.message).toContain('haproxy/lb1/config.tar');
  });

  it.each(Object.entries(leaving))('makes %s as it is, and follows it nowhere', async (_, members) => {
    const content = tarBytes(file0, ...members);
    const archive = fakeArchive([{ path: 'haproxy/lb1/config.tar', format: 'tar', content }]);
    const into = join(directory, 'out');
    await extractArtifacts(archive, { into, unpack: true });
    const root = join(into, 'haproxy', 'lb1', 'config');
    for (const { name, type, linkName, pax } of members)
      if (type === '2') expect(await readlink(join(root, name))).toBe(pax?.linkpath ?? linkName);
    expect((await treeOf(directory)).filter((name) => !name.startsWith('out/haproxy/lb1/config/'))).toEqual([
      'out',
      'out/haproxy',
      'out/haproxy/lb1',
      'out/haproxy/lb1/config',
    ]);
  });

  it.each(Object.entries(leaving))('refuses %s with a member below the link', async (_, members) => {
    for (const { name } of members.filter(({ type }) => type === '2' || type === '1')) {
      const below = { name: `${name}/evil`, content: 'evil' };
      expect((await refusal(tarBytes(file0, ...members, below))).code).toBe('ARCHIVE_HOSTILE');
      expect((await refusal(tarBytes(file0, below, ...members))).code).toBe('ARCHIVE_HOSTILE');
      expect((await refusal(tarBytes(file0, ...members, dir(`${name}/evil`)))).code).toBe('ARCHIVE_HOSTILE');
      expect((await refusal(tarBytes(file0, ...members, hardlink(`${name}/evil`, 'first')))).code).toBe(
        'ARCHIVE_HOSTILE',
      );
      expect((await refusal(tarBytes(file0, ...members, { ...below, name }))).code).toBe('ARCHIVE_HOSTILE');
    }
  });

  it.each(Object.entries(hostile))('refuses %s also when another file is asked for', async (_, members) => {
    const error = await refusal(tarBytes(file0, ...members), {
      artifacts: ['haproxy/lb1/config.tar'],
      files: ['first'],
    });
    expect(error.code).toBe('ARCHIVE_HOSTILE');
  });

  it('refuses more members than the limit, those implied by long paths included', async () => {
    const many = Array.from({ length: 11 }, (_, index) => ({ name: `f${index}` }));
    expect((await refusal(tarBytes(...many), { limits: { entries: 10 } })).code).toBe('ARCHIVE_HOSTILE');
    expect((await refusal(tarBytes({ name: 'a/b/c/d/e/f/g/h/i/j/k' }), { limits: { entries: 10 } })).code).toBe(
      'ARCHIVE_HOSTILE',
    );
    const longNames = Array.from({ length: 9 }, (_, index) => ({
      name: 'x',
      pax: { path: `${'n'.repeat(250)}/${'m'.repeat(250)}${index}` },
    }));
    expect((await refusal(tarBytes(...longNames), { limits: { entries: 10 } })).code).toBe('ARCHIVE_HOSTILE');
  });

  it('refuses data behind the end mark, and a zero block between members', async () => {
    const behind = Buffer.concat([tarBytes(file), memberBytes({ name: 'late', content: 'x' })]);
    const between = Buffer.concat([memberBytes(file), Buffer.alloc(512), tarBytes({ name: 'late' })]);
    expect((await refusal(behind)).code).toBe('ARCHIVE_HOSTILE');
    expect((await refusal(between)).code).toBe('ARCHIVE_HOSTILE');
  });

  const name = 'haproxy/lb1/config.tar';
  it.each<[string, ErrorCode, Buffer]>([
    ['nothing', 'ARCHIVE_CORRUPT', Buffer.alloc(0)],
    ['a stream without an end mark', 'ARCHIVE_CORRUPT', memberBytes(file)],
    ['a stream with half an end mark', 'ARCHIVE_CORRUPT', tarBytes(file).subarray(0, -512)],
    ['a stream cut in a header', 'ARCHIVE_CORRUPT', tarBytes(file).subarray(0, 300)],
    [
      'a stream cut in its content',
      'ARCHIVE_HOSTILE',
      tarBytes({ name: 'a', content: 'x'.repeat(5000) }).subarray(0, 3000),
    ],
    [
      'a stream cut between a PAX header and its member',
      'ARCHIVE_CORRUPT',
      Buffer.concat([memberBytes({ name: 'x', type: 'x', content: paxBytes({ path: 'a' }) }), Buffer.alloc(1024)]),
    ],
    ['text', 'ARCHIVE_CORRUPT', Buffer.from('hello '.repeat(1000))],
    [
      'a PAX record with a wrong length',
      'ARCHIVE_CORRUPT',
      tarBytes({ name: 'x', type: 'x', content: '99 path=a\n' }, file),
    ],
    ['a PAX record without a length', 'ARCHIVE_CORRUPT', tarBytes({ name: 'x', type: 'x', content: 'path=a\n' }, file)],
    ['a PAX size that is no number', 'ARCHIVE_CORRUPT', tarBytes({ ...file, pax: { size: '0x10' } })],
    ['a header with a wrong check sum', 'ARCHIVE_CORRUPT', flipped(tarBytes(file), 3)],
    ['a size that is no octal number', 'ARCHIVE_CORRUPT', withSize('99999999999\0')],
    ['a negative size', 'ARCHIVE_CORRUPT', withSize('\xff'.repeat(12))],
    ['a size beyond all integers', 'ARCHIVE_CORRUPT', withSize(`\x80${'\x7f'.repeat(11)}`)],
    ['an old GNU sparse file', 'EXTRACT_UNSUPPORTED', tarBytes({ name: 'sparse', type: 'S', magic: 'gnu' })],
    [
      'a PAX sparse file',
      'EXTRACT_UNSUPPORTED',
      tarBytes({ name: 'GNUSparseFile.1/x', pax: { 'GNU.sparse.major': '1', 'GNU.sparse.name': 'real' } }),
    ],
    ['a member of a multi-volume tar', 'EXTRACT_UNSUPPORTED', tarBytes({ name: 'rest', type: 'M' })],
    ['a name longer than 255 bytes', 'EXTRACT_UNSUPPORTED', tarBytes({ name: 'x', pax: { path: 'n'.repeat(256) } })],
    [
      'a path longer than 4,095 bytes',
      'EXTRACT_UNSUPPORTED',
      tarBytes({ name: 'x', pax: { path: 'nn/'.repeat(1400) + 'x' } }),
    ],
    [
      'a target longer than 4,095 bytes',
      'EXTRACT_UNSUPPORTED',
      tarBytes({ name: 'x', type: '2', pax: { linkpath: 'nn/'.repeat(1400) + 'x' } }),
    ],
  ])('refuses %s (%s)', async (_, code, content) => {
    const error = await refusal(content);
    expect(error.code).toBe(code);
    expect(error.message).toContain(name);
  });

  it('names the member as text that cannot play tricks on a terminal', async () => {
    const error = await refusal(tarBytes({ name: '/a\x1b[2J\n\xff' }));
    expect(error.message).toContain('/a\\x1b[2J\\n\\xff');
    expect(error.message).toMatch(/^[\x20-\x7e]*$/);
  });
});

describe('extracting from an archive whose metadata is hostile', () => {
  const content = Buffer.from('x');
  it.each([
    '../../evil',
    '/etc/x/y',
    'a/../b',
    'a/b',
    'a/b/c/d',
    'a//b',
    './a/b',
    'a/b/.',
    'a/b/c\nd',
    `a/b/${'c'.repeat(201)}`,
  ])('refuses an artifact called %j', async (path) => {
    const archive = fakeArchive([{ path, format: 'bytes', content }]);
    await expect(extractArtifacts(archive, { into: join(directory, 'out') })).rejects.toMatchObject({
      code: 'ARCHIVE_HOSTILE',
    });
    expect(await readdir(directory)).toEqual([]);
  });

  it('refuses two artifacts with one destination', async () => {
    const twice = fakeArchive([
      { path: 'a/b/c', format: 'bytes', content },
      { path: 'a/b/c', format: 'bytes', content },
    ]);
    const alike = fakeArchive([
      { path: 'a/b/c.tar', format: 'tar', content: tarBytes() },
      { path: 'a/b/c', format: 'bytes', content },
    ]);
    const options = { into: join(directory, 'out'), unpack: true };
    await expect(extractArtifacts(twice, options)).rejects.toMatchObject({ code: 'ARCHIVE_HOSTILE' });
    await expect(extractArtifacts(alike, options)).rejects.toMatchObject({ code: 'ARCHIVE_HOSTILE' });
    expect(await readdir(directory)).toEqual([]);
  });

  it.each([
    ['more', 3],
    ['less', 7],
  ])('refuses an artifact with %s content than the metadata says, and leaves nothing', async (_, bytes) => {
    const archive = fakeArchive([
      { path: 'a/b/good', format: 'bytes', content },
      { path: 'a/b/c', format: 'bytes', content: Buffer.from('12345'), bytes, pieces: 2 },
    ]);
    await expect(extractArtifacts(archive, { into: join(directory, 'out') })).rejects.toMatchObject({
      code: 'ARCHIVE_CORRUPT',
    });
    expect(await readdir(directory)).toEqual([]);
  });

  it('refuses what cannot fit on the disk before anything is written', async () => {
    const archive = fakeArchive([{ path: 'a/b/c', format: 'bytes', content, bytes: Number.MAX_SAFE_INTEGER }]);
    await expect(extractArtifacts(archive, { into: join(directory, 'out') })).rejects.toMatchObject({
      code: 'TARGET_NO_SPACE',
    });
    expect(await readdir(directory)).toEqual([]);
  });

  it('refuses a directory that is not empty, and leaves it alone', async () => {
    await mkdir(join(directory, 'out'));
    await writeFile(join(directory, 'out', 'mine'), 'mine');
    const archive = fakeArchive([{ path: 'a/b/c', format: 'bytes', content }]);
    await expect(extractArtifacts(archive, { into: join(directory, 'out') })).rejects.toMatchObject({
      code: 'EXTRACT_EXISTS',
    });
    await expect(extractArtifacts(archive, { into: join(directory, 'out', 'mine') })).rejects.toMatchObject({
      code: 'EXTRACT_EXISTS',
    });
    await expect(extractArtifacts(archive, { into: join(directory, 'out', 'mine', 'deeper') })).rejects.toMatchObject({
      code: 'EXTRACT_EXISTS',
    });
    expect(await readdir(join(directory, 'out'))).toEqual(['mine']);
  });
});

const file0: HandMadeMember = { name: 'first', content: 'first' };

function flipped(bytes: Buffer, at: number): Buffer {
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes;
}

function withSize(field: string): Buffer {
  const header = headerBytes(file, 0);
  header.write(field, 124, 'latin1');
  return Buffer.concat([seal(header), Buffer.alloc(1024)]);
}
