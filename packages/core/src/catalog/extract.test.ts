import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { fakeArchive } from '../../../../test/support/fake-archive.js';
import { publishBytes, publishSample } from '../../../../test/support/sample-archive.js';
import { tarBytes } from '../../../../test/support/tar-bytes.js';
import type { HandMadeMember } from '../../../../test/support/tar-bytes.js';
import { treeOf } from '../../../../test/support/tree.js';
import type { Archive } from '../archive/archive.js';
import { bytesFormat } from '../formats/bytes.js';
import { tarFormat } from '../formats/tar.js';
import { BackupError } from '../model/errors.js';
import { createMemoryStore } from '../stores/memory.js';
import { extractArtifacts } from './extract.js';
import { openNamedOrNewest } from './list.js';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lsbackup-extract-'));
});
afterEach(() => rm(directory, { recursive: true }));

const config = {
  path: 'haproxy/lb1/config.tar',
  format: 'tar',
  content: tarBytes({ name: 'haproxy.cfg', content: 'cfg' }),
};
const globals = { path: 'postgresql/db1/globals.sql', format: 'sql', content: Buffer.from('select 1;') };
const dump = {
  path: 'postgresql/db1/database-app.dump',
  format: 'pg-custom',
  content: Buffer.alloc(100_000, 'd'),
  pieces: 999,
};
const archive = fakeArchive([config, globals, dump]);
const modeOf = async (...pieces: readonly string[]): Promise<number> =>
  (await stat(join(directory, ...pieces))).mode & 0o7777;

describe('extractArtifacts', () => {
  it('writes every artifact as it is, files 0600 and directories 0700', async () => {
    const into = join(directory, 'out');
    const seen: number[] = [];
    const result = await extractArtifacts(archive, {
      into,
      onProgress: ({ bytes, total }) => seen.push(bytes / total),
    });
    expect(result).toEqual({
      into,
      artifacts: [
        { path: config.path, to: join(into, config.path), bytes: config.content.length, files: 1 },
        { path: globals.path, to: join(into, globals.path), bytes: 9, files: 1 },
        { path: dump.path, to: join(into, dump.path), bytes: 100_000, files: 1 },
      ],
    });
    for (const { path, content } of [config, globals, dump]) expect(await readFile(join(into, path))).toEqual(content);
    expect((await readdir(into)).sort()).toEqual(['haproxy', 'postgresql']);
    expect(await modeOf('out')).toBe(0o700);
    expect(await modeOf('out', 'postgresql', 'db1')).toBe(0o700);
    expect(await modeOf('out', dump.path)).toBe(0o600);
    expect(seen.at(-1)).toBe(1);
  });

  it('unpacks tar artifacts beside the others', async () => {
    const into = join(directory, 'new', 'deeper', 'out');
    const seen: number[] = [];
    const result = await extractArtifacts(archive, {
      into,
      unpack: true,
      onProgress: ({ bytes, total }) => seen.push(bytes / total),
    });
    expect(result.artifacts[0]).toEqual({
      path: config.path,
      to: join(into, 'haproxy/lb1/config'),
      bytes: config.content.length,
      files: 1,
    });
    expect(await readFile(join(into, 'haproxy/lb1/config/haproxy.cfg'), 'utf8')).toBe('cfg');
    expect(await readFile(join(into, globals.path), 'utf8')).toBe('select 1;');
    expect(seen.at(-1)).toBe(1);
  });

  it('says that a file is no directory, also above the destination, and what to name instead', async () => {
    await writeFile(join(directory, 'file'), '');
    for (const into of [join(directory, 'file'), join(directory, 'file', 'below', 'out')])
      await expect(extractArtifacts(archive, { into })).rejects.toMatchObject({
        code: 'EXTRACT_EXISTS',
        message: expect.stringContaining(join(directory, 'file')),
        hint: expect.stringContaining('name a directory'),
      });
  });

  it('takes no file system for full that does not tell its size', async () => {
    // /proc has 0 blocks, as many file systems in user space do; nothing can be made in it, so that comes next.
    await expect(extractArtifacts(archive, { into: '/proc/lsbackup' })).rejects.toMatchObject({ code: 'TARGET_IO' });
  });

  it('takes an empty directory that is there', async () => {
    await extractArtifacts(archive, { into: directory, artifacts: ['postgresql/db1/globals.sql'] });
    expect(await readdir(directory)).toEqual(['postgresql']);
    expect(await readdir(join(directory, 'postgresql', 'db1'))).toEqual(['globals.sql']);
  });

  it.each([
    [['postgresql'], ['db1/database-app.dump', 'db1/globals.sql']],
    [['postgresql/db1/'], ['db1/database-app.dump', 'db1/globals.sql']],
    [['*.sql'], ['db1/globals.sql']],
    [['postgresql/*/database-*'], ['db1/database-app.dump']],
  ])('writes only what %j means', async (artifacts, expected) => {
    await extractArtifacts(archive, { into: directory, artifacts });
    expect(await readdir(directory)).toEqual(['postgresql']);
    expect((await readdir(join(directory, 'postgresql', 'db1'))).map((name) => `db1/${name}`).sort()).toEqual(expected);
  });

  it('says when a name means nothing, and why when the artifact failed', async () => {
    const failed = {
      path: 'kafka/k1/data.tar',
      component: 'kafka',
      unit: 'kafka',
      host: 'k1',
      code: 'STREAM_CUT',
      reason: 'the connection was lost',
    };
    const partial = fakeArchive([globals], { status: 'partial', failed: [failed] });
    await expect(
      extractArtifacts(archive, { into: directory, artifacts: ['*.sql', 'postgres'] }),
    ).rejects.toMatchObject({
      code: 'ARTIFACT_MISSING',
      message: expect.stringContaining('postgres'),
    });
    await expect(extractArtifacts(partial, { into: directory, artifacts: ['kafka'] })).rejects.toMatchObject({
      code: 'ARTIFACT_MISSING',
      message: expect.stringContaining('the connection was lost'),
    });
    expect(await readdir(directory)).toEqual([]);
  });

  it('refuses files of an artifact that is no tar', async () => {
    await expect(extractArtifacts(archive, { into: directory, files: ['haproxy.cfg'] })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
    expect(await readdir(directory)).toEqual([]);
  });
});

describe('owners', () => {
  const content = tarBytes(
    { name: 'd/', type: '5', mode: 0o750, uid: 1001, gid: 2001 },
    { name: 'd/file', content: 'x', mode: 0o4640, uid: 1002, gid: 2002 },
    { name: 'd/link', type: '2', linkName: '/etc/passwd', uid: 1003, gid: 2003 },
    { name: 'hard', type: '1', linkName: 'd/file', uid: 1002, gid: 2002 },
    { name: 'large', pax: { uid: '3000000000', gid: '3000000001' }, content: 'x' },
  );
  const owned = fakeArchive([{ path: 'a/h/data.tar', format: 'tar', content }]);
  /** Only root may give files away: whoever runs the tests as somebody else sees the refusal instead. */
  const asRoot = (name: string, test: () => Promise<void>): void =>
    it(name, async () => {
      if (process.getuid?.() === 0) await test();
      else await expect(test()).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    });
  const ownersOf = async (to: string): Promise<readonly string[]> =>
    Promise.all(
      ['d', 'd/file', 'd/link', 'hard', 'large'].map(async (name) => {
        const { uid, gid, mode } = await lstat(join(directory, to, 'a/h/data', name));
        return `${uid}:${gid} ${(mode & 0o7777).toString(8)}`;
      }),
    );

  asRoot('are those of the tar when they are asked for, without setuid bits; otherwise ours', async () => {
    const before = await lstat('/etc/passwd');
    await extractArtifacts(owned, { into: join(directory, 'owned'), unpack: true, owners: true });
    expect(await ownersOf('owned')).toEqual([
      '1001:2001 750',
      '1002:2002 640',
      '1003:2003 777',
      '1002:2002 640',
      '3000000000:3000000001 644',
    ]);
    expect((await lstat('/etc/passwd')).uid).toBe(before.uid);
    await extractArtifacts(owned, { into: join(directory, 'ours'), unpack: true });
    expect(await ownersOf('ours')).toEqual(['0:0 750', '0:0 640', '0:0 777', '0:0 640', '0:0 644']);
  });

  asRoot('that no file can have are refused, and nothing is left', async () => {
    const odd = tarBytes({ name: 'a', content: 'x' }, { name: 'b', pax: { uid: '4294967295' } });
    const wrong = fakeArchive([{ path: 'a/h/data.tar', format: 'tar', content: odd }]);
    await expect(
      extractArtifacts(wrong, { into: join(directory, 'out'), unpack: true, owners: true }),
    ).rejects.toMatchObject({ code: 'EXTRACT_UNSUPPORTED', message: expect.stringContaining('b has no owner') });
    expect(await readdir(directory)).toEqual([]);
    await extractArtifacts(wrong, { into: join(directory, 'out'), unpack: true });
  });

  it('need root: refused before anything is read', async () => {
    const { getuid } = process;
    process.getuid = () => 1000;
    try {
      await expect(
        extractArtifacts(owned, { into: join(directory, 'out'), unpack: true, owners: true }),
      ).rejects.toMatchObject({ code: 'OPTION_INVALID', hint: expect.stringContaining('as root') });
    } finally {
      Object.assign(process, { getuid });
    }
    expect(await readdir(directory)).toEqual([]);
  });
});

describe('extracting from a stored archive', () => {
  it('joins parts and unpacks what was in many of them', async () => {
    const store = createMemoryStore();
    const content = randomBytes(50_000);
    const tar = { path: 'a/h/data.tar', format: tarFormat(), content: tarBytes({ name: 'd/file', content }) };
    const name = await publishSample(store, 'lsbackup-a.tar.gz', {
      chunkBytes: 4096,
      artifacts: [{ ...dump, format: bytesFormat }, tar],
    });
    const { archive: stored } = await openNamedOrNewest(store, undefined);
    expect(stored.name).toBe(name);
    expect(stored.metadata.artifacts.every(({ parts }) => parts > 5)).toBe(true);
    await extractArtifacts(stored, { into: directory, unpack: true });
    expect(await readFile(join(directory, dump.path))).toEqual(dump.content);
    expect(await readFile(join(directory, 'a/h/data/d/file'))).toEqual(content);
  });

  it('leaves nothing of an artifact with a damaged part', async () => {
    const store = createMemoryStore();
    const name = await publishSample(store, 'lsbackup-a.tar.gz', {
      chunkBytes: 4096,
      artifacts: [{ ...dump, format: bytesFormat }],
    });
    const content = await buffer(await store.get(name));
    content.writeUInt8(content.readUInt8(200) ^ 1, 200);
    const damaged = await publishBytes(store, 'lsbackup-b.tar.gz', content);
    const { archive: stored } = await openNamedOrNewest(store, damaged);
    await expect(extractArtifacts(stored, { into: directory })).rejects.toMatchObject({ code: 'ARCHIVE_CORRUPT' });
    expect(await readdir(directory)).toEqual([]);
  });
});

describe('an extract that does not finish', () => {
  /** Hands out the first half of the dump, then does `then`. */
  function interrupted(then: () => Promise<void>): Archive {
    async function* half(): AsyncGenerator<Buffer> {
      yield dump.content.subarray(0, 50_000);
      await then();
      yield dump.content.subarray(50_000);
    }
    return {
      ...archive,
      read: (path) => (path === dump.path ? Promise.resolve(Readable.from(half())) : archive.read(path)),
    };
  }

  it('leaves nothing when reading fails, not even the directory it made', async () => {
    const broken = interrupted(() => Promise.reject(new BackupError('ARCHIVE_CORRUPT', 'part 7 is damaged')));
    const into = join(directory, 'a', 'b');
    await expect(extractArtifacts(broken, { into })).rejects.toMatchObject({
      code: 'ARCHIVE_CORRUPT',
      message: 'part 7 is damaged',
    });
    expect(await readdir(directory)).toEqual([]);
  });

  it('leaves a directory that was there, empty', async () => {
    const broken = interrupted(() => Promise.reject(new Error('lost')));
    await expect(extractArtifacts(broken, { into: directory })).rejects.toThrow('lost');
    expect(await readdir(directory)).toEqual([]);
  });

  it('leaves nothing when it is aborted, and gives the reason', async () => {
    const controller = new AbortController();
    const reason = new BackupError('ABORTED', 'SIGINT');
    const aborted = interrupted(() => {
      controller.abort(reason);
      return Promise.resolve();
    });
    await expect(extractArtifacts(aborted, { into: join(directory, 'out'), signal: controller.signal })).rejects.toBe(
      reason,
    );
    expect(await readdir(directory)).toEqual([]);
  });

  it('shows only a dot-name while it runs: a process that is killed leaves nothing that looks whole', async () => {
    const seen: string[] = [];
    const watched = interrupted(async () => {
      seen.push(...(await readdir(directory)));
    });
    await extractArtifacts(watched, { into: directory });
    expect(seen).toEqual([expect.stringMatching(/^\.lsbackup-extract-/)]);
    expect((await readdir(directory)).sort()).toEqual(['haproxy', 'postgresql']);
  });

  it('tells about what a killed one left', async () => {
    await mkdir(join(directory, '.lsbackup-extract-0123'));
    await expect(extractArtifacts(archive, { into: directory })).rejects.toMatchObject({
      code: 'EXTRACT_EXISTS',
      hint: expect.stringContaining('interrupted'),
    });
  });

  it('publishes nothing over what came to stand there meanwhile', async () => {
    const raced = interrupted(() => writeFile(join(directory, 'theirs'), 'theirs'));
    await expect(extractArtifacts(raced, { into: directory })).rejects.toMatchObject({ code: 'EXTRACT_EXISTS' });
    expect(await readdir(directory)).toEqual(['theirs']);
  });
});

describe('any tar at all', () => {
  const piece = fc.constantFrom('a', 'b', 'c', '.', '..', '');
  const path = fc.array(piece, { minLength: 1, maxLength: 4 }).map((pieces) => pieces.join('/'));
  const member: fc.Arbitrary<HandMadeMember> = fc.record({
    name: path,
    type: fc.constantFrom('0', '0', '1', '2', '2', '5'),
    linkName: path,
  });

  it('is refused whole, or written below its root and nowhere else, whatever its links say', async () => {
    let unpacked = 0;
    const property = fc.asyncProperty(fc.array(member, { minLength: 1, maxLength: 6 }), async (members) => {
      const place = await mkdtemp(join(directory, 'p-'));
      const hostile = fakeArchive([{ path: 'x/y/z.tar', format: 'tar', content: tarBytes(...members) }]);
      const refused = await extractArtifacts(hostile, { into: join(place, 'out'), unpack: true }).then(
        () => false,
        (error: unknown) => {
          expect(error).toMatchObject({ code: 'ARCHIVE_HOSTILE' });
          return true;
        },
      );
      expect(await readdir(place)).toEqual(refused ? [] : ['out']);
      if (refused) return;
      unpacked++;
      const root = 'out/x/y/z';
      const expected = new Set(['out', 'out/x', 'out/x/y', root]);
      for (const { name } of members) {
        const pieces = name.split('/').filter((each) => each !== '' && each !== '.');
        for (const count of pieces.keys()) expected.add([root, ...pieces.slice(0, count + 1)].join('/'));
      }
      expect(await treeOf(place)).toEqual([...expected].sort());
    });
    await fc.assert(property, { numRuns: 400 });
    expect(unpacked).toBeGreaterThan(10);
  });
});
