import { execFile } from 'node:child_process';
import { link, lutimes, mkdir, mkdtemp, readFile, symlink, utimes, writeFile, chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { fakeArchive } from '../../../../test/support/fake-archive.js';
import { extractArtifacts } from './extract.js';
import type { ExtractOptions } from './extract.js';

const run = promisify(execFile);
const environment = { ...process.env, LC_ALL: 'C' };

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lsbackup-gnu-'));
});
afterEach(() => run('rm', ['-rf', directory]));

const at = (...pieces: readonly string[]): Buffer => Buffer.from(`${directory}/tree/${pieces.join('/')}`, 'latin1');

/** Names no program should trip over; one character per byte. */
const oddNames = [
  'new\nline',
  '\n',
  `quo'te"and\`tick`,
  '-rf',
  '--help',
  ' leading and trailing ',
  'tab\tbell\x07esc\x1b[31m',
  'back\\slash',
  '*?[a]{b}$HOME',
  '%s%n',
  '...',
  '.hidden',
  'caf\xc3\xa9',
  'not utf-8 \xff\xfe\x80',
  '\xff',
  'n'.repeat(255),
  '\xe9'.repeat(255),
];
const deep = Array.from({ length: 24 }, (_, index) => `${index}-${'d'.repeat(140)}`);

async function makeTree(): Promise<void> {
  await mkdir(at());
  for (const [index, name] of oddNames.entries()) {
    await writeFile(at(name), `content of ${index}`);
    await mkdir(at(`${name.slice(0, 250)}.d`));
    await writeFile(at(`${name.slice(0, 250)}.d`, name), 'inside');
  }
  await mkdir(at(...deep), { recursive: true });
  await writeFile(at(...deep, 'bottom'), 'bottom');
  await mkdir(at('empty'));
  await writeFile(at('zero'), '');
  for (const size of [1, 511, 512, 513, 1024, 300_000]) await writeFile(at(`size-${size}`), Buffer.alloc(size, 'x'));
  await symlink('size-1', at('link'));
  await symlink('missing', at('dangling'));
  await symlink('loop', at('loop'));
  await symlink(Buffer.from('not utf-8 \xff\xfe\x80', 'latin1'), at('link to \xff'));
  await symlink('./'.repeat(900) + 'size-1', at('long target'));
  await symlink('../size-1', at('empty', 'up'));
  await link(at('size-513'), at('hard 1'));
  await link(at('size-513'), at('empty', 'hard 2'));
  await link(at('link'), at('hard link to a symbolic link'));
  for (const mode of [0o000, 0o400, 0o644, 0o755, 0o777]) {
    await writeFile(at(`mode-${mode.toString(8)}`), 'mode');
    await chmod(at(`mode-${mode.toString(8)}`), mode);
  }
  await mkdir(at('read-only'));
  await writeFile(at('read-only', 'inside'), 'inside');
  await setTimes();
  await chmod(at('read-only'), 0o500);
}

async function setTimes(): Promise<void> {
  for (const [index, seconds] of [-1_000_000.5, 0, 1, 1_700_000_000.123456, 2_209_000_000, 5_000_000_000].entries()) {
    await writeFile(at(`time-${index}`), 'time');
    await utimes(at(`time-${index}`), seconds, seconds);
  }
  await lutimes(at('link'), 1_600_000_000, 1_600_000_000);
  await utimes(at('empty'), 1_500_000_000, 1_500_000_000);
  await utimes(at('read-only'), 1_400_000_000, 1_400_000_000);
}

async function tarOf(...options: readonly string[]): Promise<Buffer> {
  await run('tar', ['-c', '-f', join(directory, 'made.tar'), ...options, '-C', join(directory, 'tree'), '.'], {
    env: environment,
  });
  return readFile(join(directory, 'made.tar'));
}

/** Path, type, mode, links, target and content length of everything; then the times, which are equal to the microsecond only. */
async function listing(
  root: string,
): Promise<{ readonly entries: readonly string[]; readonly times: readonly number[] }> {
  const format = '%P\\0%y %m %n %l\\0%T@\\0';
  const { stdout } = await run('find', [root, '-mindepth', '1', '-printf', format], {
    encoding: 'latin1',
    maxBuffer: 1e8,
    env: environment,
  });
  const fields = stdout.split('\0');
  const rows = Array.from({ length: Math.floor(fields.length / 3) }, (_, index) =>
    fields.slice(index * 3, index * 3 + 3),
  );
  rows.sort(([left = ''], [right = '']) => (left < right ? -1 : 1));
  // How many names a symbolic link has is not kept.
  const oneName = (attributes = ''): string => attributes.replace(/^(l \d+) \d+ /, '$1 1 ');
  return {
    entries: rows.map(([path, attributes]) => `${path ?? ''} ${oneName(attributes)}`),
    times: rows.map((row) => Number(row[2])),
  };
}

async function unpack(content: Buffer, options: Partial<ExtractOptions> = {}, pieces = 10_007): Promise<string> {
  const archive = fakeArchive([{ path: 'volumes/h1/data.tar', format: 'tar', content, pieces }]);
  const result = await extractArtifacts(archive, { into: join(directory, 'ours'), unpack: true, ...options });
  return result.artifacts[0]?.to ?? '';
}

async function expectAsGnuTar(content: Buffer): Promise<void> {
  const theirs = join(directory, 'theirs');
  await mkdir(theirs);
  await writeFile(join(directory, 'check.tar'), content);
  await run('tar', ['-x', '-p', '--no-same-owner', '-f', join(directory, 'check.tar'), '-C', theirs], {
    env: environment,
  });
  const ours = await unpack(content);
  const [expected, actual] = [await listing(theirs), await listing(ours)];
  expect(actual.entries).toEqual(expected.entries);
  for (const [index, time] of actual.times.entries())
    expect(Math.abs(time - (expected.times[index] ?? Number.NaN))).toBeLessThan(2e-6);
  const { stdout } = await run('diff', ['-r', '--no-dereference', theirs, ours], { env: environment });
  expect(stdout).toBe('');
}

describe('unpacking what GNU tar wrote gives what GNU tar unpacks', () => {
  it.each(['posix', 'gnu'])('%s format, odd names and all', async (format) => {
    await makeTree();
    const content = await tarOf(`--format=${format}`);
    await expectAsGnuTar(content);
    expect((await listing(join(directory, 'ours', 'volumes', 'h1', 'data'))).entries.length).toBeGreaterThan(80);
  });

  it.each(['ustar', 'v7'])('%s format', async (format) => {
    await mkdir(at('some', 'directory', 'that', 'is', 'a'.repeat(20)), { recursive: true });
    await writeFile(at('some', 'directory', 'that', 'is', 'a'.repeat(20), 'caf\xe9'), 'x');
    if (format === 'ustar') {
      await mkdir(at('p'.repeat(90)));
      await writeFile(at('p'.repeat(90), 'n'.repeat(90)), 'prefix and name');
    }
    await symlink('some', at('link'));
    await writeFile(at('a'), 'a');
    await link(at('a'), at('b'));
    await expectAsGnuTar(await tarOf(`--format=${format}`));
  });

  it('with extended attributes, large owners and a volume of PAX records', async () => {
    await mkdir(at());
    await writeFile(at('a'), 'a');
    const content = await tarOf(
      '--format=posix',
      '--owner=:4294967294',
      '--group=:4294967294',
      '--pax-option=comment=hello,globexthdr.name=g',
    );
    await expectAsGnuTar(content);
  });

  it('whatever the pieces the stream comes in', async () => {
    await mkdir(at());
    await writeFile(at('n'.repeat(200)), 'x'.repeat(1000));
    const content = await tarOf('--format=posix');
    for (const pieces of [1, 511, 512, 513, 4096]) {
      const root = await unpack(content, { into: join(directory, `pieces-${pieces}`) }, pieces);
      expect(await readFile(join(root, 'n'.repeat(200)), 'latin1')).toBe('x'.repeat(1000));
    }
  });
});

describe('what is not taken over', () => {
  it('setuid, setgid and sticky bits', async () => {
    await mkdir(at('shared'), { recursive: true });
    await writeFile(at('tool'), 'x');
    await chmod(at('tool'), 0o6755);
    await chmod(at('shared'), 0o1777);
    const root = await unpack(await tarOf('--format=posix'));
    expect((await listing(root)).entries).toEqual(['shared d 777 2 ', 'tool f 755 1 ']);
  });

  it.each(['posix', 'gnu'])('sparse files in %s format: refused with a hint', async (format) => {
    await mkdir(at());
    await run('truncate', ['-s', '10M', join(directory, 'tree', 'sparse')]);
    await expect(unpack(await tarOf(`--format=${format}`, '-S'))).rejects.toMatchObject({
      code: 'EXTRACT_UNSUPPORTED',
      message: expect.stringContaining('sparse is a sparse file'),
      hint: expect.stringContaining('GNU tar'),
    });
  });

  it.each(['posix', 'gnu'])('sparse files in %s format, where another file is asked for', async (format) => {
    await mkdir(at());
    // Many pieces: their map is longer than a header.
    const pieces = Array.from({ length: 40 }, (_, index) => `seek=${index * 64}`);
    for (const seek of pieces)
      await run('dd', ['if=/dev/urandom', 'bs=1k', 'count=1', seek, 'conv=notrunc', `of=${directory}/tree/sparse`]);
    await writeFile(at('z'), 'behind it');
    const root = await unpack(await tarOf(`--format=${format}`, '-S', '--sort=name'), { files: ['z'] });
    expect(await readFile(join(root, 'z'), 'utf8')).toBe('behind it');
  });

  it('a FIFO: refused', async () => {
    await mkdir(at());
    await run('mkfifo', [join(directory, 'tree', 'pipe')]);
    await expect(unpack(await tarOf('--format=posix'))).rejects.toMatchObject({ code: 'ARCHIVE_HOSTILE' });
  });
});

describe('only some files of a tar', () => {
  beforeEach(async () => {
    await mkdir(at('etc', 'haproxy', 'errors'), { recursive: true });
    await writeFile(at('etc', 'haproxy', 'haproxy.cfg'), 'cfg');
    await writeFile(at('etc', 'haproxy', 'errors', '503.http'), '503');
    await link(at('etc', 'haproxy', 'haproxy.cfg'), at('z-hard'));
    await writeFile(at('caf\xc3\xa9'), 'x');
  });
  const files = async (...wanted: readonly string[]): Promise<readonly string[]> => {
    const root = await unpack(await tarOf('--format=posix', '--sort=name'), { files: wanted });
    const { entries } = await listing(root);
    return entries.filter((entry) => / [fl] /.test(entry)).map((entry) => entry.split(' ')[0] ?? '');
  };

  it.each([
    ['a path', ['etc/haproxy/haproxy.cfg'], ['etc/haproxy/haproxy.cfg']],
    ['a path as tar prints it', ['./etc/haproxy/haproxy.cfg'], ['etc/haproxy/haproxy.cfg']],
    ['a directory', ['etc/haproxy/'], ['etc/haproxy/errors/503.http', 'etc/haproxy/haproxy.cfg']],
    ['a pattern', ['*.http'], ['etc/haproxy/errors/503.http']],
    ['a name in UTF-8', ['café'], ['caf\xc3\xa9']],
    ['a hard link, with the file it shares', ['z-hard'], ['etc/haproxy/haproxy.cfg', 'z-hard']],
    ['everything', ['.'], ['caf\xc3\xa9', 'etc/haproxy/errors/503.http', 'etc/haproxy/haproxy.cfg', 'z-hard']],
  ])('%s', async (_, wanted, expected) => {
    expect(await files(...wanted)).toEqual(expected);
  });

  it('a name that is not there is an error, not an empty success', async () => {
    await expect(files('etc/haproxy', 'etc/hapoxy')).rejects.toMatchObject({
      code: 'ARTIFACT_MISSING',
      message: expect.stringContaining('etc/hapoxy'),
    });
  });
});
