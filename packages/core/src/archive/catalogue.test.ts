import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';

import { tarBytes } from '../../../../test/support/tar-bytes.js';
import { tarFormat } from '../formats/tar.js';
import { escapePiece } from '../model/names.js';
import type { ArchiveWriter, WrittenArtifact } from './archive.js';
import { joinShards } from './join-shards.test-support.js';
import { openArchive } from './reader.js';
import {
  archiveName,
  collector,
  failingSource,
  finish,
  never,
  problemsOf,
  storeOf,
  testWriter,
} from './sample.test-support.js';

const large = tarBytes({ name: 'a', content: 'x'.repeat(3000) }, { name: 'b', content: 'y' });
const small = tarBytes();
const catalogue = ['0\t3584\t0\t644\t0\t0\t1700000000\t3000\ta\t', '3584\t1024\t0\t644\t0\t0\t1700000000\t1\tb\t'];

function addTar(writer: ArchiveWriter, path: string, source: Readable): Promise<WrittenArtifact> {
  const [reservation] = writer.buffers.tryReserve(1) ?? [];
  if (reservation === undefined) throw new Error('no buffers');
  return writer.add({ path, format: tarFormat(), source, reservation, signal: never });
}

async function archiveOf(host: string): Promise<Buffer> {
  const { output, bytes } = collector();
  const writer = testWriter(output, { chunkBytes: 1500 });
  const failed = addTar(writer, `c/${host}/cut.tar`, failingSource(large));
  await expect(failed).rejects.toMatchObject({ code: 'COMMAND_FAILED' });
  await finish(writer, [
    await addTar(writer, `c/${host}/large.tar`, Readable.from([large], { objectMode: false })),
    await addTar(writer, `c/${host}/small.tar`, Readable.from([small])),
  ]);
  return bytes();
}

async function linesOf(bytes: Buffer, path: string): Promise<readonly string[]> {
  const lines: string[] = [];
  const archive = await openArchive(storeOf(bytes), archiveName);
  await archive.readCatalogue(path, { onLine: (line) => lines.push(line) });
  return lines;
}

describe('the catalogue in an archive', () => {
  it('lies behind the table of a tar in parts, among the other members, and no reader must know it', async () => {
    const bytes = await archiveOf('h1');
    const archive = await openArchive(storeOf(bytes), archiveName);
    expect(archive.metadata.requires).toEqual([]);
    const member = archive.metadata.members.find(({ name }) => name === 'c/h1/large.tar.entries');
    const table = archive.metadata.artifacts.find(({ path }) => path === 'c/h1/large.tar')?.member;
    expect(member?.offset).toBeGreaterThan(table?.offset ?? Infinity);
    expect(archive.hasCatalogue('c/h1/large.tar')).toBe(true);
    expect(await linesOf(bytes, 'c/h1/large.tar')).toEqual(catalogue);
    expect(await problemsOf(bytes)).toEqual([]);
  });

  it('is not there of a tar that is one entry, or that failed', async () => {
    const bytes = await archiveOf('h1');
    const archive = await openArchive(storeOf(bytes), archiveName);
    const { metadata } = archive;
    expect(archive.hasCatalogue('c/h1/small.tar')).toBe(false);
    expect(metadata.members.map(({ name }) => name).filter((name) => name.endsWith('.entries'))).toHaveLength(1);
    await expect(linesOf(bytes, 'c/h1/small.tar')).rejects.toMatchObject({ code: 'ARTIFACT_MISSING' });
  });

  it('needs no change when archives are joined', async () => {
    const joined = await joinShards(await archiveOf('h1'), await archiveOf('h2'));
    expect(await problemsOf(joined)).toEqual([]);
    const archive = await openArchive(storeOf(joined), archiveName);
    for (const host of ['h1', 'h2']) {
      expect(await linesOf(joined, `c/${host}/large.tar`)).toEqual(catalogue);
      expect(await buffer(await archive.read(`c/${host}/large.tar`))).toEqual(large);
    }
  });

  it('is found out when a bit of it is wrong, by verify and by who reads it', async () => {
    const bytes = await archiveOf('h1');
    const archive = await openArchive(storeOf(bytes), archiveName);
    const { offset = 0 } = archive.metadata.members.find(({ name }) => name.endsWith('.entries')) ?? {};
    bytes[offset + 30] = (bytes[offset + 30] ?? 0) ^ 1;
    await expect(linesOf(bytes, 'c/h1/large.tar')).rejects.toMatchObject({ code: 'ARCHIVE_CORRUPT' });
    expect(await problemsOf(bytes)).toMatchObject([{ entry: 'c/h1/large.tar.entries' }]);
    expect(await buffer(await archive.read('c/h1/large.tar'))).toEqual(large);
  });

  it('has a name that no artifact gets', () => {
    expect(escapePiece('large.tar.entries')).toBe('large.tar%2Eentries');
    expect(escapePiece('entries')).toBe('entries');
  });
});
