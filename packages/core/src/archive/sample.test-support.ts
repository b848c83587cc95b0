import { setMaxListeners } from 'node:events';
import { Readable, Writable } from 'node:stream';

import { bytesFormat } from '../formats/bytes.js';
import { BackupError } from '../model/errors.js';
import type { Member, Metadata } from '../model/metadata.js';
import type { Store } from '../stores/store.js';
import type { ArchiveWriter, WrittenArtifact } from './archive.js';
import type { ArchiveProblem } from './verify.js';
import { verifyArchive } from './verify.js';
import { createArchiveWriter, type ArchiveWriterOptions } from './writer.js';

export const startedAt = new Date('2024-05-06T07:08:09.000Z');
export const never = new AbortController().signal;
setMaxListeners(0, never);
export const archiveName = 'lsbackup-sample-20240506T070809Z.tar.gz';

/** Keeps what it is given, one chunk for each write. */
export function collector(): { readonly output: Writable; readonly bytes: () => Buffer } {
  const chunks: Buffer[] = [];
  const output = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      chunks.push(Buffer.from(chunk));
      callback();
    },
  });
  return { output, bytes: () => Buffer.concat(chunks) };
}

export function testWriter(output: Writable, options: Partial<ArchiveWriterOptions> = {}): ArchiveWriter {
  const info = { cluster: 'sample', startedAt, tool: { name: 'lsbackup', version: '0' } };
  return createArchiveWriter({ output, signal: never, info, chunkBytes: 1000, memory: 1024 * 1024, ...options });
}

export function addStream(writer: ArchiveWriter, path: string, source: Readable): Promise<WrittenArtifact> {
  const [reservation] = writer.buffers.tryReserve(1) ?? [];
  if (reservation === undefined) throw new Error('no buffers');
  return writer.add({ path, format: bytesFormat, source, reservation, signal: never });
}

export function addContent(writer: ArchiveWriter, path: string, content: Uint8Array): Promise<WrittenArtifact> {
  return writer.addBytes({ path, format: bytesFormat, content, signal: never });
}

/** Yields the pieces, then fails. */
export function failingSource(...pieces: readonly Buffer[]): Readable {
  return Readable.from(
    (function* () {
      yield* pieces;
      throw new BackupError('COMMAND_FAILED', 'exit status 2');
    })(),
    { objectMode: false },
  );
}

export function metadataOf(artifacts: readonly WrittenArtifact[], members: readonly Member[]): Metadata {
  const at = startedAt.toISOString();
  return {
    format: 'lsbackup-v1',
    requires: [],
    tool: { name: 'lsbackup', version: '0' },
    runId: 'run',
    startedAt: at,
    finishedAt: at,
    status: 'complete',
    cluster: { name: 'sample', inventorySha256: '0'.repeat(64) },
    hosts: [],
    components: [],
    artifacts: artifacts.map((artifact) => ({
      ...artifact,
      component: 'sample',
      unit: 'h1',
      host: 'h1',
      format: 'bytes',
      startedAt: at,
      finishedAt: at,
      warnings: [],
    })),
    failed: [],
    members: [...members],
    uncoveredGroups: [],
  };
}

export async function finish(writer: ArchiveWriter, artifacts: readonly WrittenArtifact[]): Promise<Metadata> {
  return writer.finish(({ members }) => metadataOf(artifacts, members));
}

/** A store that has this one archive. */
export function storeOf(bytes: Buffer): Pick<Store, 'stat' | 'get'> {
  return {
    stat: (name) =>
      Promise.resolve(name === archiveName ? { name, bytes: bytes.length, modified: startedAt } : undefined),
    get: (_name, { range } = {}) =>
      Promise.resolve(Readable.from([bytes.subarray(range?.start, range?.end)], { objectMode: false })),
  };
}

export async function problemsOf(bytes: Buffer): Promise<readonly ArchiveProblem[]> {
  const problems: ArchiveProblem[] = [];
  await verifyArchive(storeOf(bytes), archiveName, { onProblem: (problem) => problems.push(problem) });
  return problems;
}
