import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { joinShards } from './join-shards.test-support.js';
import { openArchive } from './reader.js';
import {
  addContent,
  addStream,
  archiveName,
  collector,
  failingSource,
  finish,
  problemsOf,
  storeOf,
  testWriter,
} from './sample.test-support.js';

/** An archive with one artifact of each length, and with one that failed after a few parts. */
async function shardOf(name: string, lengths: readonly number[]): Promise<Buffer> {
  const { output, bytes } = collector();
  const writer = testWriter(output);
  const failing = addStream(writer, `c/${name}/failed`, failingSource(Buffer.alloc(3500, name)));
  const refused = expect(failing).rejects.toMatchObject({ code: 'COMMAND_FAILED' });
  const written = await Promise.all(
    lengths.map((length, index) => {
      const path = `c/${name}/${String(index)}`;
      const content = contentOf(name, length);
      return index % 2 === 0 ? addContent(writer, path, content) : addStream(writer, path, Readable.from([content]));
    }),
  );
  await refused;
  await finish(writer, written);
  return bytes();
}

function contentOf(name: string, length: number): Buffer {
  return Buffer.alloc(length, `${name} of ${String(length)} `);
}

const lengths = fc.array(fc.integer({ min: 0, max: 6000 }), { maxLength: 6 });

describe('two shards of one run', () => {
  it('joined, with offsets rebased and a new tail, are an archive of both', async () => {
    await fc.assert(
      fc.asyncProperty(lengths, lengths, async (first, second) => {
        const shards = { h1: first, h2: second };
        const joined = await joinShards(await shardOf('h1', first), await shardOf('h2', second));
        expect(await problemsOf(joined)).toEqual([]);
        const archive = await openArchive(storeOf(joined), archiveName);
        expect(archive.metadata.artifacts).toHaveLength(first.length + second.length);
        for (const [name, each] of Object.entries(shards))
          for (const [index, length] of each.entries()) {
            const content = await buffer(await archive.read(`c/${name}/${String(index)}`));
            expect(content.equals(contentOf(name, length))).toBe(true);
          }
      }),
      { numRuns: 20 },
    );
  });

  it('with an artifact of the same name cannot be joined', async () => {
    const shard = await shardOf('h1', [10]);
    await expect(joinShards(shard, shard)).rejects.toMatchObject({ code: 'ARCHIVE_CORRUPT' });
  });
});
