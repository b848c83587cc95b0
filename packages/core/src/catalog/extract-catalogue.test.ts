import { lstat, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { createHash, randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { countingStore } from '../../../../test/support/counting-store.js';
import { fakeArchive } from '../../../../test/support/fake-archive.js';
import { publishSample } from '../../../../test/support/sample-archive.js';
import { tarBytes } from '../../../../test/support/tar-bytes.js';
import type { HandMadeMember } from '../../../../test/support/tar-bytes.js';
import { treeOf } from '../../../../test/support/tree.js';
import type { Archive } from '../archive/archive.js';
import { openArchive } from '../archive/reader.js';
import { bytesFormat } from '../formats/bytes.js';
import { tarFormat } from '../formats/tar.js';
import { BackupError } from '../model/errors.js';
import type { Catalogue, Format } from '../model/format.js';
import { createMemoryStore } from '../stores/memory.js';
import { extractArtifacts } from './extract.js';
import { readTarFile } from './tar-file.js';
import { verifyArchive } from './verify.js';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lsbackup-catalogue-'));
});
afterEach(() => rm(directory, { recursive: true }));

const path = 'haproxy/lb1/config.tar';
const secret = { name: 'etc/shadow', content: 'secret', mode: 0o600 };
const config: HandMadeMember = { name: './etc/haproxy.cfg', content: 'config '.repeat(300), mode: 0o640 };
const filler = (name: string, bytes = 12_000): HandMadeMember => ({ name, content: randomBytes(bytes) });
const members: readonly HandMadeMember[] = [
  { name: 'etc/', type: '5', mode: 0o751 },
  filler('a'),
  secret,
  config,
  { name: 'etc/link', type: '2', linkName: '/usr/share' },
  { name: 'x', pax: { path: `etc/${'long'.repeat(40)}`, mtime: '1600000000.5' }, content: 'long' },
  filler('b'),
  { name: 'z-hard', type: '1', linkName: 'etc/haproxy.cfg' },
  filler('c'),
];

const linesOf = (tar: Buffer): readonly string[] => {
  const check = tarFormat().check();
  check.write(tar);
  check.end();
  return textOf(check.catalogue?.()).split('\n').slice(0, -1);
};
const textOf = (catalogue: Catalogue | undefined): string => [...(catalogue?.pieces?.() ?? [])].join('');

/** The tar's format, but with a catalogue of these lines. */
function lying(change: (lines: readonly string[]) => readonly string[]): Format {
  return {
    name: 'tar',
    check: () => {
      const check = tarFormat().check();
      const text = (): string => {
        const lines = textOf(check.catalogue?.()).split('\n').slice(0, -1);
        return change(lines)
          .map((line) => `${line}\n`)
          .join('');
      };
      return {
        write: (chunk) => check.write(chunk),
        end: () => check.end(),
        catalogue: () => ({ sha256: createHash('sha256').update(text()).digest('hex'), pieces: () => [text()] }),
      };
    },
  };
}

async function stored(content: Buffer, format: Format = tarFormat()) {
  const store = createMemoryStore();
  const name = await publishSample(store, 'lsbackup-a.tar.gz', {
    chunkBytes: 1000,
    memory: 1024 * 1024,
    artifacts: [
      { path, format, content },
      { path: 'other/h/data', format: bytesFormat, content: Buffer.from('data') },
    ],
  });
  const counted = countingStore(store);
  return { name, store, counted, archive: await openArchive(counted.store, name) };
}

const withoutCatalogue = (archive: Archive): Archive => ({ ...archive, hasCatalogue: () => false });

async function extract(archive: Archive, files: readonly string[], to = 'out'): Promise<string> {
  const { artifacts } = await extractArtifacts(archive, { into: join(directory, to), artifacts: [path], files });
  return artifacts[0]?.to ?? '';
}

/** Everything that is kept of each file. */
async function described(root: string) {
  return Promise.all(
    (await treeOf(root)).map(async (name) => {
      const at = join(root, name);
      const { mode, mtimeMs, nlink, uid, gid } = await lstat(at);
      const isDirectory = (mode & 0o170000) === 0o040000;
      const isLink = (mode & 0o170000) === 0o120000;
      // Those that are only implied have the time of their making.
      const time = isDirectory ? undefined : mtimeMs;
      const content = isLink ? await readlink(at, 'latin1') : isDirectory ? '' : await readFile(at, 'latin1');
      return { name, mode, time, nlink: isDirectory ? 0 : nlink, uid, gid, content };
    }),
  );
}

describe('files of a tar with a catalogue', () => {
  it.each([
    ['one file', ['etc/haproxy.cfg']],
    ['a hard link', ['z-hard']],
    ['a directory', ['etc']],
    ['a long name', ['*long*']],
    ['the first and the last', ['a', 'c']],
    ['everything', ['.']],
  ])('%s: the same as from the whole tar', async (_, files) => {
    const { archive } = await stored(tarBytes(...members));
    expect(archive.hasCatalogue(path)).toBe(true);
    const progress: { bytes: number; total: number }[] = [];
    const options = {
      artifacts: [path],
      files,
      onProgress: (seen: { bytes: number; total: number }) => progress.push(seen),
    };
    await extractArtifacts(archive, { ...options, into: join(directory, 'by-range') });
    expect(progress.at(-1)?.bytes).toBe(progress.at(-1)?.total);
    await extractArtifacts(withoutCatalogue(archive), { ...options, into: join(directory, 'whole') });
    expect(await described(join(directory, 'by-range'))).toEqual(await described(join(directory, 'whole')));
  });

  it('are read alone: the tail, the table, the catalogue and the parts that hold them', async () => {
    const { counted, archive } = await stored(tarBytes(...members));
    const before = counted.bytes();
    const root = await extract(archive, ['etc/haproxy.cfg']);
    expect(await readFile(join(root, 'etc/haproxy.cfg'), 'latin1')).toBe(config.content);
    const byRange = counted.bytes() - before;
    await extract(withoutCatalogue(archive), ['etc/haproxy.cfg'], 'whole');
    const whole = counted.bytes() - before - byRange;
    // The catalogue is read twice, as the whole tar is; five parts of a thousand bytes hold the file and the end.
    expect(byRange).toBeLessThan(13_000);
    expect(whole).toBeGreaterThan(2 * 36_000);
  });

  it('says that there is no such file, or none of that kind, without reading any part', async () => {
    const { counted, archive } = await stored(tarBytes(...members));
    const before = counted.bytes();
    await expect(extract(archive, ['etc/hapoxy.cfg'])).rejects.toMatchObject({ code: 'ARTIFACT_MISSING' });
    expect(counted.bytes() - before).toBeLessThan(1000);
    expect(await readdir(directory)).toEqual([]);
  });

  it('are read from the whole tar where the catalogue was not kept', async () => {
    const small = await stored(tarBytes(config).subarray(0, 4000), bytesFormat);
    expect(small.archive.hasCatalogue(path)).toBe(false);
    const { archive } = await stored(tarBytes(...members, { name: 'volume', type: 'V' }));
    expect(archive.hasCatalogue(path)).toBe(false);
    await expect(extract(archive, ['etc/haproxy.cfg'])).rejects.toMatchObject({ code: 'EXTRACT_UNSUPPORTED' });
  });

  const piece = fc.constantFrom('a', 'a', 'b', 'c', 'd', '.', '..');
  const name = fc.array(piece, { minLength: 1, maxLength: 2 }).map((pieces) => pieces.join('/'));
  const member: fc.Arbitrary<HandMadeMember> = fc.record({
    name,
    type: fc.constantFrom('0', '0', '0', '0', '1', '2', '5'),
    linkName: name,
    mode: fc.integer({ min: 0o400, max: 0o777 }),
    uid: fc.constantFrom(0, 1000),
  });

  it('of any tar: refused as from the whole tar, or the same', async () => {
    let written = 0;
    const property = fc.asyncProperty(
      fc.array(member, { minLength: 1, maxLength: 4 }),
      fc.constantFrom('a', 'a/b', 'b', '.', '*'),
      async (some, file) => {
        const place = await mkdtemp(join(directory, 'p-'));
        const content = tarBytes(...some);
        const archive = fakeArchive([{ path, format: 'tar', content, catalogue: linesOf(content) }]);
        const outcome = async (from: Archive, to: string): Promise<unknown> => {
          const into = join(place, to);
          const result = extractArtifacts(from, { into, artifacts: [path], files: [file] });
          return result.then(
            () => described(into),
            (error: unknown) => (error instanceof BackupError ? [error.code, error.message].join() : error),
          );
        };
        const byRange = await outcome(archive, 'by-range');
        expect(byRange).toEqual(await outcome(withoutCatalogue(archive), 'whole'));
        if (Array.isArray(byRange)) written += 1;
      },
    );
    await fc.assert(property, { numRuns: 100, endOnFailure: true });
    expect(written).toBeGreaterThan(10);
  });
});

describe('one file to standard output', () => {
  const read = async (archive: Archive, file: string): Promise<Buffer> =>
    buffer(await readTarFile(archive, { artifact: path, file }));

  it('is its content, of a hard link that of the file, whether there is a catalogue or not', async () => {
    const { archive } = await stored(tarBytes(...members));
    for (const from of [archive, withoutCatalogue(archive)])
      for (const file of ['etc/haproxy.cfg', './etc/haproxy.cfg', '*.cfg', 'z-hard'])
        expect((await read(from, file)).toString('latin1')).toBe(config.content);
  });

  it('is read alone', async () => {
    const { counted, archive } = await stored(tarBytes(...members));
    const before = counted.bytes();
    await read(archive, 'z-hard');
    expect(counted.bytes() - before).toBeLessThan(13_000);
  });

  it.each([
    ['nothing', 'etc/none', 'ARTIFACT_MISSING', /no file in haproxy\/lb1\/config\.tar is called etc\/none/],
    ['several', 'etc', 'OPTION_INVALID', /etc means 5 members/],
    ['a symbolic link', 'etc/link', 'OPTION_INVALID', /a symbolic link to \/usr\/share/],
  ])('is not %s', async (_, file, code, message) => {
    const { archive } = await stored(tarBytes(...members));
    for (const from of [archive, withoutCatalogue(archive)])
      await expect(read(from, file)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('is not a directory, nor of what is no tar', async () => {
    const { archive } = await stored(tarBytes({ name: 'empty/', type: '5' }, filler('f')));
    await expect(read(archive, 'empty')).rejects.toMatchObject({ message: expect.stringContaining('a directory') });
    await expect(readTarFile(archive, { artifact: 'other/h/data', file: 'x' })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
    await expect(readTarFile(archive, { artifact: 'other', file: 'x' })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
  });
});

describe('a catalogue that lies', () => {
  const content = tarBytes(...members);
  const find = (lines: readonly string[], name: string): number =>
    lines.findIndex((line) => line.includes(`\t${name}\t`));
  /** Changes fields of the line of one member. */
  const edit =
    (name: string, ...changes: readonly (readonly [field: number, value: string | ((old: string) => string)])[]) =>
    (lines: readonly string[]): readonly string[] =>
      lines.map((line, index) => {
        if (index !== find(lines, name)) return line;
        const fields = line.split('\t');
        for (const [field, value] of changes)
          fields[field] = typeof value === 'string' ? value : value(fields[field] ?? '');
        return fields.join('\t');
      });
  const add = (count: number) => (old: string) => String(Number(old) + count);
  const [offset, length, type, mode, uid, , mtime, size, name, target] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const cfg = './etc/haproxy.cfg';
  const shift = (from: string, to: string, bytes: number) => (lines: readonly string[]) =>
    edit(to, [offset, add(bytes)], [length, add(-bytes)])(edit(from, [length, add(bytes)])(lines));

  it.each<[string, (lines: readonly string[]) => readonly string[]]>([
    [
      'calls another member by the name',
      (lines) => edit('etc/shadow', [name, cfg])(edit(cfg, [name, 'etc/shadow'])(lines)),
    ],
    ['calls the file by another type', edit(cfg, [type, '5'])],
    ['says another size, within its blocks', edit(cfg, [size, add(1)])],
    ['says a size of nothing', edit(cfg, [size, '0'])],
    ['says another mode', edit(cfg, [mode, '777'])],
    ['says another owner', edit(cfg, [uid, '1000'])],
    ['says another time', edit(cfg, [mtime, '0'])],
    ['makes it a link', edit(cfg, [type, '2'], [target, '/etc/passwd'], [size, '0'])],
    ['lets it begin in the content before it', shift('etc/shadow', cfg, -512)],
    ['lets it begin in its own content', shift('etc/shadow', cfg, 512)],
    ['lets it end too late', shift(cfg, 'etc/link', 512)],
    ['lets it end too early', shift(cfg, 'etc/link', -512)],
    ['is of nothing', () => []],
    ['leaves its end out', (lines) => lines.slice(0, 3)],
    ['leaves a member out', (lines) => lines.filter((_, index) => index !== 1)],
    ['has members in another order', (lines) => lines.toReversed()],
    [
      'has a member twice',
      (lines) => lines.flatMap((line, index) => (index === find(lines, cfg) ? [line, line] : [line])),
    ],
    ['has ranges one over another', edit(cfg, [offset, add(-512)])],
    ['has a place behind the end', edit('c', [length, add(1_000_000)])],
    ['has an enormous place', edit('c', [length, '999999999999999'])],
    ['has a length that is no number of blocks', shift(cfg, 'etc/link', 1)],
    ['has a length of nothing', (lines) => ['0\t0\t5\t755\t0\t0\t0\t0\tx/\t', ...lines]],
    ['has a name with ..', edit('a', [name, '../../evil'])],
    ['has an absolute name', edit('a', [name, '/etc/cron.d/evil'])],
    ['has a name with NUL', edit('a', [name, 'a%00b'])],
    ['has a name with a control character of its own', edit('a', [name, 'a\x1b[2J'])],
    ['has an empty name', edit('a', [name, ''])],
    ['has two members of one name', edit('a', [name, cfg])],
    ['puts the file below a link', edit('a', [name, './etc/haproxy.cfg/x'])],
    ['has a hard link to outside', edit('z-hard', [target, '../../etc/passwd'])],
    ['has a line that is none', (lines) => [...lines, 'hello']],
    ['has a line of a megabyte', (lines) => [...lines, 'x'.repeat(2 ** 21)]],
  ])('and %s: nothing is written, and verify says so', async (_, lie) => {
    const { archive, store, name: stands } = await stored(content, lying(lie));
    for (const file of ['etc/haproxy.cfg', 'z-hard', '.']) {
      const code = expect.stringMatching(/^(ARCHIVE_CORRUPT|ARCHIVE_HOSTILE|ARTIFACT_MISSING)$/) as unknown;
      await expect(extract(archive, [file])).rejects.toMatchObject({ code });
      expect(await readdir(directory)).toEqual([]);
      if (file === '.') continue;
      const toStandardOutput = readTarFile(archive, { artifact: path, file }).then((stream) => buffer(stream));
      await expect(toStandardOutput).rejects.toMatchObject({
        code: expect.stringMatching(/^(ARCHIVE_CORRUPT|ARCHIVE_HOSTILE|ARTIFACT_MISSING|OPTION_INVALID)$/),
      });
    }
    const { intact, problems } = await verifyArchive(store, stands);
    expect(intact).toBe(false);
    expect(problems).toEqual([expect.objectContaining({ entry: `${path}.entries` })]);
    expect(await treeOf(await extractAll(archive))).toHaveLength(9);
  });

  const extractAll = async (archive: Archive): Promise<string> => {
    const { artifacts } = await extractArtifacts(archive, {
      into: join(directory, 'all'),
      artifacts: [path],
      unpack: true,
    });
    return artifacts[0]?.to ?? '';
  };

  it('has no more members than the limit', async () => {
    const { archive } = await stored(content);
    const options = { into: join(directory, 'out'), artifacts: [path], files: ['a'], limits: { entries: 5 } };
    await expect(extractArtifacts(archive, options)).rejects.toMatchObject({
      code: 'ARCHIVE_HOSTILE',
      message: expect.stringContaining('more members than the limit'),
    });
  });

  it('cannot hide what the tar holds twice from verify', async () => {
    const twice = tarBytes(config, filler('a'), { ...config, content: 'evil' });
    // The second one is hidden in the place of the member before it.
    const { store, name: stands } = await stored(
      twice,
      lying((lines) => edit('a', [length, add(1024)])(lines.slice(0, 2))),
    );
    expect(await verifyArchive(store, stands)).toMatchObject({ intact: false });
  });

  it('and was changed anywhere: what is written is as the whole tar gives it', async () => {
    const honest = linesOf(content).join('\n');
    const whole = fakeArchive([{ path, format: 'tar', content }]);
    const expected = await described(await extract(whole, ['etc'], 'expected'));
    // A directory that the catalogue names otherwise is not found: what lies in it comes into one made for it, which only we may enter.
    const implied = expected.map((one) => (one.name === 'etc' ? { ...one, mode: 0o40700 } : one));
    const byte = fc.constantFrom(...Array.from('0123456789\t\n/.%aS-'));
    const property = fc.asyncProperty(fc.nat(honest.length - 1), byte, fc.boolean(), async (at, changed, insert) => {
      const text = honest.slice(0, at) + changed + honest.slice(insert ? at : at + 1);
      const archive = fakeArchive([{ path, format: 'tar', content, catalogue: text.split('\n') }]);
      const to = await mkdtemp(join(directory, 'p-'));
      const result = await extractArtifacts(archive, { into: to, artifacts: [path], files: ['etc'] }).then(
        ({ artifacts }) => described(artifacts[0]?.to ?? ''),
        (error: unknown) => error,
      );
      if (Array.isArray(result)) for (const one of result) expect([...expected, ...implied]).toContainEqual(one);
      else
        expect(result).toMatchObject({
          code: expect.stringMatching(/^(ARCHIVE_(CORRUPT|HOSTILE)|ARTIFACT_MISSING|EXTRACT_UNSUPPORTED)$/),
        });
    });
    await fc.assert(property, { numRuns: 100, endOnFailure: true });
  });
});
