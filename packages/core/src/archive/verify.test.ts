import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { beforeAll, describe, expect, it } from '@jest/globals';

import type { Member } from '../model/metadata.js';
import { listMembers } from './members.js';
import { openArchiveFile } from './reader.js';
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
import { verifyArchive } from './verify.js';

/** Bytes that do not compress, the same in every run. */
function noise(length: number, seed: string): Buffer {
  const blocks: Buffer[] = [];
  for (let index = 0; index * 32 < length; index += 1)
    blocks.push(
      createHash('sha256')
        .update(`${seed}${String(index)}`)
        .digest(),
    );
  return Buffer.concat(blocks).subarray(0, length);
}

const large = noise(450, 'large');
let bytes: Buffer;
let members: readonly Member[];

beforeAll(async () => {
  const { output, bytes: collected } = collector();
  const writer = testWriter(output, { chunkBytes: 200 });
  const written = [
    await addContent(writer, 'sample/h1/small', Buffer.from('small')),
    await addStream(writer, 'sample/h1/large', Readable.from([large], { objectMode: false })),
  ];
  await expect(addStream(writer, 'sample/h1/broken', failingSource(noise(450, 'broken')))).rejects.toMatchObject({
    code: 'COMMAND_FAILED',
  });
  await finish(writer, written);
  bytes = collected();
  const archive = await openArchiveFile(storeOf(bytes), archiveName);
  const recorded: Member[] = [];
  for await (const member of listMembers(archive)) recorded.push(member);
  members = [...recorded, { name: 'metadata.json', ...archive.metadataMember }];
});

const range = (start: number, end: number, step = 1): number[] =>
  Array.from({ length: Math.ceil((end - start) / step) }, (_, index) => start + index * step);
const slice = (member: Member): Buffer => bytes.subarray(member.offset, member.offset + member.length);
const named = (name: string): Member => {
  const found = members.find((member) => member.name === name);
  if (found === undefined) throw new Error(name);
  return found;
};
const entryAt = (position: number): string =>
  members.find(({ offset, length }) => position >= offset && position < offset + length)?.name ?? '';

describe('verifyArchive', () => {
  it('finds nothing wrong with a sound archive and lists its members in file order', async () => {
    expect(await problemsOf(bytes)).toEqual([]);
    expect(members.map(({ name }) => name)).toEqual([
      'sample/h1/small',
      'sample/h1/large.part-000000001',
      'sample/h1/large.part-000000002',
      'sample/h1/large.part-000000003',
      'sample/h1/large.parts',
      'sample/h1/broken.part-000000001',
      'sample/h1/broken.part-000000002',
      'sample/h1/broken.FAILED',
      'RESTORE.txt',
      'SHA256SUMS',
      'metadata.json',
    ]);
    let position = 0;
    for (const { offset, length } of members) {
      expect(offset).toBe(position);
      position += length;
    }
  });

  it('hands out the content of each artifact once, and none of a failed one', async () => {
    const content = new Map<string, Buffer>();
    const onContent = (artifact: string, piece: Buffer): void =>
      void content.set(artifact, Buffer.concat([content.get(artifact) ?? Buffer.alloc(0), piece]));
    const { problems, members: count } = await verifyArchive(storeOf(bytes), archiveName, {
      onProblem: () => undefined,
      onContent,
    });
    expect(problems).toBe(0);
    expect(count).toBe(members.length - 1);
    expect([...content]).toEqual([
      ['sample/h1/small', Buffer.from('small')],
      ['sample/h1/large', large],
    ]);
  });

  it('finds one flipped bit in any byte and names the entry', async () => {
    // Every byte of the tail and of gzip headers and trailers, a sample of what is between.
    const edges = members.flatMap(({ offset, length }) => [
      ...range(offset, offset + 12),
      ...range(offset + length - 8, offset + length),
    ]);
    const tail = range(named('metadata.json').offset + named('metadata.json').length, bytes.length);
    for (const position of new Set([...edges, ...tail, ...range(0, bytes.length, 37)])) {
      const damaged = Buffer.from(bytes);
      damaged[position] = (damaged[position] ?? 0) ^ (1 << (position % 8));
      const problems = await problemsOf(damaged);
      const names = problems.map(({ entry }) => entry);
      const expected = entryAt(position);
      if (expected === '') expect(['footer', 'end of tar', 'metadata.json']).toContain(names[0]);
      else expect(names).toContain(expected);
    }
  });

  it('finds a cut at any place and names where it is', async () => {
    for (let length = 0; length < bytes.length; length += 97) {
      const problems = await problemsOf(bytes.subarray(0, length));
      expect(problems[0]).toMatchObject({ entry: 'footer' });
    }
    const { offset, length } = named('sample/h1/large.part-000000002');
    expect((await problemsOf(bytes.subarray(0, offset + length - 20))).map(({ entry }) => entry)).toContain(
      'sample/h1/large.part-000000002',
    );
  });

  it('names a dropped member, wherever it is', async () => {
    for (const member of members.slice(0, -1)) {
      const cut = Buffer.concat([bytes.subarray(0, member.offset), bytes.subarray(member.offset + member.length)]);
      expect((await problemsOf(cut)).map(({ entry }) => entry)).toContain(member.name);
    }
  });

  it('names the member behind which another is repeated', async () => {
    for (const [index, member] of members.slice(0, -1).entries()) {
      const end = member.offset + member.length;
      const longer = Buffer.concat([bytes.subarray(0, end), slice(member), bytes.subarray(end)]);
      const next = members[index + 1]?.name;
      expect((await problemsOf(longer)).map(({ entry }) => entry)).toContain(
        next === 'metadata.json' ? 'footer' : next,
      );
    }
  });

  it('names both of two swapped members', async () => {
    const first = named('sample/h1/large.part-000000001');
    const second = named('sample/h1/large.part-000000002');
    const swapped = Buffer.concat([
      bytes.subarray(0, first.offset),
      slice(second),
      slice(first),
      bytes.subarray(second.offset + second.length),
    ]);
    expect(swapped.length).toBe(bytes.length);
    expect((await problemsOf(swapped)).map(({ entry }) => entry)).toEqual(
      expect.arrayContaining([first.name, second.name]),
    );
  });

  it('finds bytes after the footer', async () => {
    for (const tail of [Buffer.alloc(1), Buffer.alloc(512), bytes.subarray(bytes.length - 147)]) {
      const problems = await problemsOf(Buffer.concat([bytes, tail]));
      expect(problems[0]).toMatchObject({ entry: 'footer' });
    }
  });
});
