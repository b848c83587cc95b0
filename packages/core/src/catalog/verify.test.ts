import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { publishBytes, publishSample } from '../../../../test/support/sample-archive.js';
import type { SampleArtifact } from '../../../../test/support/sample-archive.js';
import { tarBytes } from '../../../../test/support/tar-bytes.js';
import { listMembers } from '../archive/members.js';
import { openArchiveFile } from '../archive/reader.js';
import { bytesFormat } from '../formats/bytes.js';
import { jsonFormat } from '../formats/json.js';
import { tarFormat } from '../formats/tar.js';
import { BackupError } from '../model/errors.js';
import type { Format } from '../model/format.js';
import { createMemoryStore } from '../stores/memory.js';
import type { Store } from '../stores/store.js';
import { verifyArchive } from './verify.js';
import type { VerifyOptions, VerifyResult } from './verify.js';

const name = 'lsbackup-a.tar.gz';
const large = randomBytes(40_000);
const artifacts: readonly SampleArtifact[] = [
  { path: 'a/h1/large', format: bytesFormat, content: large },
  { path: 'a/h2/large', format: bytesFormat, content: randomBytes(30_000) },
  {
    path: 'haproxy/lb1/config.tar',
    format: tarFormat(),
    content: tarBytes({ name: 'haproxy.cfg', content: 'x'.repeat(9000) }),
  },
  { path: 'rabbitmq/mq1/definitions.json', format: jsonFormat, content: Buffer.from('{"users":[]}') },
  { path: 'a/h1/empty', format: bytesFormat, content: Buffer.alloc(0) },
];

async function sample(
  changes: { readonly artifacts?: readonly SampleArtifact[]; readonly status?: 'partial' } = {},
): Promise<Store> {
  const store = createMemoryStore();
  const metadata = changes.status === undefined ? {} : { status: changes.status };
  await publishSample(store, name, { artifacts: changes.artifacts ?? artifacts, chunkBytes: 4096, metadata });
  return store;
}

async function verifyBytes(content: Buffer): Promise<VerifyResult> {
  const store = createMemoryStore();
  await publishBytes(store, name, content);
  return verifyArchive(store, name);
}

/** A format with another checker than the content was written with: what a lying or outdated writer looks like. */
const lying = (format: Format): Format => ({ ...bytesFormat, name: format.name });

describe('verifyArchive', () => {
  it('finds a whole archive intact', async () => {
    const store = await sample();
    const seen: number[] = [];
    const result = await verifyArchive(store, name, { onProgress: ({ bytes, total }) => seen.push(bytes / total) });
    expect(result).toEqual({
      name,
      bytes: (await store.stat(name))?.bytes,
      runId: 'run',
      status: 'complete',
      intact: true,
      problems: [],
      artifacts: artifacts.length,
      unchecked: [],
    });
    expect(seen.at(-1)).toBeGreaterThan(0.9);
    expect(seen.every((value) => value <= 1)).toBe(true);
  });

  it('finds a partial one intact too', async () => {
    expect(await verifyArchive(await sample({ status: 'partial' }), name)).toMatchObject({
      intact: true,
      status: 'partial',
    });
  });

  it('reads the stored bytes once, not once more for the formats', async () => {
    const store = await sample({
      artifacts: [{ path: 'a/h1/large', format: bytesFormat, content: randomBytes(1_000_000) }],
    });
    let read = 0;
    const counting: Store = {
      ...store,
      get: async (object, options) => {
        const stream = await store.get(object, options);
        stream.on('data', (piece: Buffer) => (read += piece.length));
        stream.pause();
        return stream;
      },
    };
    expect((await verifyArchive(counting, name)).intact).toBe(true);
    const bytes = (await store.stat(name))?.bytes ?? 0;
    expect(read).toBeGreaterThanOrEqual(bytes * 0.9);
    expect(read).toBeLessThan(bytes * 1.3);
  });

  it('checks formats again: content that matches its hash and is not what it should be', async () => {
    const wrong = [
      {
        path: 'a/h1/cut.tar',
        format: lying(tarFormat()),
        content: tarBytes({ name: 'a', content: 'x'.repeat(9000) }).subarray(0, -1024),
      },
      { path: 'a/h1/fine.tar', format: tarFormat(), content: tarBytes({ name: 'a', content: 'x' }) },
      { path: 'a/h1/cut.json', format: lying(jsonFormat), content: Buffer.from('{"users":[') },
    ];
    const { intact, problems } = await verifyArchive(await sample({ artifacts: wrong }), name);
    expect(intact).toBe(false);
    expect(problems.map(({ entry }) => entry).sort()).toEqual(['a/h1/cut.json', 'a/h1/cut.tar']);
  });

  it('uses the checkers it is given, and says which formats it could not check', async () => {
    const never: Format = { name: 'odd', check: () => ({ write: () => undefined, end: () => refuse() }) };
    const store = await sample({ artifacts: [{ path: 'a/h1/odd', format: lying(never), content: large }] });
    const verify = (options?: VerifyOptions): Promise<VerifyResult> => verifyArchive(store, name, options);
    expect(await verify()).toMatchObject({ intact: true, unchecked: ['odd'] });
    expect(await verify({ formats: [never] })).toMatchObject({
      intact: false,
      unchecked: [],
      problems: [{ entry: 'a/h1/odd', what: 'never right' }],
    });
  });

  it('passes on what is not damage', async () => {
    const store = await sample();
    const failing: Store = { ...store, get: () => Promise.reject(new BackupError('TARGET_UNREACHABLE', 'no route')) };
    await expect(verifyArchive(failing, name)).rejects.toMatchObject({ code: 'TARGET_UNREACHABLE' });
    await expect(verifyArchive(store, 'lsbackup-none.tar.gz')).rejects.toMatchObject({ code: 'ARCHIVE_MISSING' });
    const reason = new BackupError('ABORTED', 'SIGINT');
    await expect(verifyArchive(store, name, { signal: AbortSignal.abort(reason) })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });
});

describe('a damaged archive is never intact, and the problem names an entry', () => {
  interface Place {
    readonly name: string;
    readonly offset: number;
    readonly length: number;
  }
  async function whole(): Promise<{ readonly content: Buffer; readonly members: readonly Place[] }> {
    const store = await sample();
    const members: Place[] = [];
    for await (const member of listMembers(await openArchiveFile(store, name))) members.push(member);
    return { content: await buffer(await store.get(name)), members };
  }
  const at = (content: Buffer, { offset, length }: Place): Buffer => content.subarray(offset, offset + length);
  const without = (content: Buffer, place: Place): Buffer =>
    Buffer.concat([content.subarray(0, place.offset), content.subarray(place.offset + place.length)]);

  function expectProblem(result: VerifyResult): void {
    expect(result.intact).toBe(false);
    expect(result.problems.length).toBeGreaterThan(0);
    for (const { entry, what } of result.problems) {
      expect(entry).not.toBe('');
      expect(what).not.toBe('');
    }
  }

  it('one flipped bit in any member: that member is named', async () => {
    const { content, members } = await whole();
    expect(members.length).toBeGreaterThan(20);
    for (const member of members) {
      for (const offset of [0, Math.floor(member.length / 2), member.length - 1]) {
        const flipped = Buffer.from(content);
        flipped.writeUInt8((flipped.at(member.offset + offset) ?? 0) ^ 0x10, member.offset + offset);
        const result = await verifyBytes(flipped);
        expectProblem(result);
        expect(result.problems.map(({ entry }) => entry)).toContain(member.name);
      }
    }
  });

  it('one flipped bit anywhere', async () => {
    const { content } = await whole();
    const bit = fc.nat(content.length * 8 - 1);
    const property = fc.asyncProperty(bit, async (position) => {
      const flipped = Buffer.from(content);
      flipped.writeUInt8((flipped.at(position >> 3) ?? 0) ^ (1 << (position & 7)), position >> 3);
      expectProblem(await verifyBytes(flipped));
    });
    await fc.assert(property, { numRuns: 60 });
  });

  it('cut anywhere', async () => {
    const { content } = await whole();
    const property = fc.asyncProperty(fc.nat(content.length - 1), async (length) =>
      expectProblem(await verifyBytes(content.subarray(0, length))),
    );
    await fc.assert(property, { numRuns: 60 });
  });

  it('a member dropped, repeated, or swapped with another of its kind', async () => {
    const { content, members } = await whole();
    for (const member of [members[0]!, members[7]!, members.at(-1)!]) {
      expectProblem(await verifyBytes(without(content, member)));
      expectProblem(
        await verifyBytes(
          Buffer.concat([content.subarray(0, member.offset), at(content, member), content.subarray(member.offset)]),
        ),
      );
    }
    const [first, second] = members;
    const rest = content.subarray(second!.offset + second!.length);
    const swapped = Buffer.concat([at(content, second!), at(content, first!), rest]);
    const result = await verifyBytes(swapped);
    expectProblem(result);
    expect(result.problems.map(({ entry }) => entry)).toContain(first!.name);
  });

  it('bytes behind the footer', async () => {
    const { content } = await whole();
    expectProblem(await verifyBytes(Buffer.concat([content, Buffer.alloc(1)])));
    expectProblem(await verifyBytes(Buffer.concat([content, content])));
  });

  it('without a footer, or not an archive at all', async () => {
    const { content } = await whole();
    const result = await verifyBytes(content.subarray(0, -40));
    expectProblem(result);
    expect(result).toMatchObject({ runId: null, status: null, artifacts: 0 });
    expectProblem(await verifyBytes(Buffer.alloc(0)));
    expectProblem(await verifyBytes(randomBytes(100_000)));
  });
});

function refuse(): never {
  throw new BackupError('FORMAT_INVALID', 'never right');
}
