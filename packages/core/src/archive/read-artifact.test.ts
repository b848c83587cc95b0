import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import type { Store } from '../stores/store.js';
import type { Archive, ByteRange } from './archive.js';
import { openArchive } from './reader.js';
import { addContent, addStream, archiveName, collector, finish, storeOf, testWriter } from './sample.test-support.js';

const large = randomBytes(20_500);
const small = randomBytes(700);
let bytes: Buffer;
let archive: Archive;

beforeAll(async () => {
  const { output, bytes: written } = collector();
  const writer = testWriter(output);
  const artifacts = [
    await addStream(writer, 'c/h/large', Readable.from([large], { objectMode: false })),
    await addContent(writer, 'c/h/small', small),
    await addContent(writer, 'c/h/empty', Buffer.alloc(0)),
  ];
  await finish(writer, artifacts);
  bytes = written();
  archive = await openArchive(storeOf(bytes), archiveName);
});

const read = async (path: string, ranges: readonly ByteRange[], from = archive): Promise<Buffer> =>
  buffer(await from.read(path, { ranges }));

describe('reading ranges of an artifact', () => {
  it.each([
    ['c/h/large', large],
    ['c/h/small', small],
  ])('%s: any of them, in any number, are the bytes that lie there', async (path, content) => {
    const cuts = fc.uniqueArray(fc.integer({ min: 0, max: content.length }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(cuts, async (points) => {
        const ends = points.toSorted((a, b) => a - b);
        const ranges = ends.flatMap((start, index) =>
          index % 2 === 0 && index + 1 < ends.length ? [{ start, end: ends[index + 1] ?? 0 }] : [],
        );
        const expected = Buffer.concat(ranges.map(({ start, end }) => content.subarray(start, end)));
        expect((await read(path, ranges)).equals(expected)).toBe(true);
      }),
      { numRuns: 60, examples: [[[0, content.length]], [[0, 1, 2, 3]], [[]]] },
    );
  });

  it('takes ranges side by side', async () => {
    const ranges = [500, 600, 1000, 1500].map((start) => ({ start, end: start + 100 }));
    const expected = Buffer.concat(ranges.map(({ start, end }) => large.subarray(start, end)));
    expect(await read('c/h/large', ranges)).toEqual(expected);
    expect(
      await read(
        'c/h/large',
        [0, 1000, 2000].map((start) => ({ start, end: start + 1000 })),
      ),
    ).toEqual(large.subarray(0, 3000));
  });

  it('reads the table and the parts that hold them, each once, and nothing else', async () => {
    const { store, read: places } = counting(bytes);
    const counted = await openArchive(store, archiveName);
    places.length = 0;
    const ranges = [
      { start: 3100, end: 3200 },
      { start: 3300, end: 3400 },
      { start: 9990, end: 10_010 },
    ];
    expect((await read('c/h/large', ranges, counted)).length).toBe(220);
    expect(places).toHaveLength(4);
    const stored = places.reduce((sum, { start, end }) => sum + end - start, 0);
    expect(stored).toBeLessThan(3 * 1200 + 2500);
  });

  it('refuses a damaged part that holds some of them, and no other', async () => {
    const damaged = Buffer.from(bytes);
    damaged[300] = (damaged[300] ?? 0) ^ 1;
    const broken = await openArchive(storeOf(damaged), archiveName);
    expect(await read('c/h/large', [{ start: 5000, end: 6000 }], broken)).toEqual(large.subarray(5000, 6000));
    await expect(read('c/h/large', [{ start: 0, end: 1 }], broken)).rejects.toMatchObject({
      code: 'ARCHIVE_CORRUPT',
      message: expect.stringContaining('c/h/large.part-000000001'),
    });
  });

  it.each([
    ['that is empty', [{ start: 5, end: 5 }]],
    ['that ends before it begins', [{ start: 5, end: 4 }]],
    ['before the begin', [{ start: -1, end: 4 }]],
    ['behind the end', [{ start: 0, end: 20_501 }]],
    ['that is no number', [{ start: 0, end: Number.NaN }]],
    [
      'over another',
      [
        { start: 0, end: 10 },
        { start: 9, end: 20 },
      ],
    ],
  ])('refuses one %s', async (_, ranges) => {
    await expect(read('c/h/large', ranges)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });

  it('says that there is no such artifact', async () => {
    await expect(read('c/h/none', [])).rejects.toMatchObject({ code: 'ARTIFACT_MISSING' });
  });
});

describe('one artifact of a large archive', () => {
  const mebibyte = 2 ** 20;
  const noise = randomBytes(4 * mebibyte);
  /** Bytes and reads that opening an archive of this much else and reading an artifact of 512 KiB take. */
  async function costOf(otherMebibytes: number): Promise<{ archive: number; bytes: number; reads: number }> {
    const { output, bytes: written } = collector();
    const writer = testWriter(output, { chunkBytes: mebibyte / 8, memory: 16 * mebibyte, level: 0 });
    const others = function* () {
      for (let left = otherMebibytes / 2; left > 0; left -= 4) yield noise;
    };
    const wanted = noise.subarray(mebibyte, 1.5 * mebibyte);
    await finish(writer, [
      await addStream(writer, 'c/h/before', Readable.from(others(), { objectMode: false })),
      await addStream(writer, 'c/h/wanted', Readable.from([wanted], { objectMode: false })),
      await addStream(writer, 'c/h/behind', Readable.from(others(), { objectMode: false })),
    ]);
    const { store, read: places } = counting(written());
    const opened = await openArchive(store, archiveName);
    expect((await buffer(await opened.read('c/h/wanted'))).equals(wanted)).toBe(true);
    const sum = places.reduce((total, { start, end }) => total + end - start, 0);
    return { archive: opened.bytes, bytes: sum, reads: places.length };
  }

  it('takes less than 2 % of its bytes, and no more where there is more else', async () => {
    const [small, large] = [await costOf(32), await costOf(128)];
    expect(large.archive).toBeGreaterThan(128 * mebibyte);
    expect(large.bytes / large.archive).toBeLessThan(0.006);
    expect(large.reads).toBe(small.reads);
    expect(Math.abs(large.bytes - small.bytes)).toBeLessThan(1000);
  });
});

/** A store of the archive that tells which bytes were asked for. */
function counting(content: Buffer): { readonly store: Pick<Store, 'stat' | 'get'>; readonly read: ByteRange[] } {
  const store = storeOf(content);
  const read: ByteRange[] = [];
  return {
    read,
    store: {
      stat: store.stat,
      get: (name, options = {}) => {
        read.push(options.range ?? { start: 0, end: content.length });
        return store.get(name, options);
      },
    },
  };
}
