import { availableParallelism } from 'node:os';
import type { Writable } from 'node:stream';

import type { ByHand } from '../model/by-hand.js';
import { abortError, asBackupError, BackupError } from '../model/errors.js';
import { metadataSchema, type Member, type Metadata } from '../model/metadata.js';
import type { AddBytesRequest, AddRequest, ArchiveWriter, WrittenArtifact } from './archive.js';
import { BufferReservation, RecycledBuffers, unpooledBuffer } from './buffers.js';
import { checksumLines, checksumsName, metadataName, restoreTextName, type Sums } from './checksums.js';
import { endOfTarMember, footerMember } from './gzip.js';
import { Intake, takeSource, type TakenIn } from './intake.js';
import { maximumPartBytes } from './limits.js';
import { MemberOutput, type StoredText } from './member-output.js';
import { failedName, partLines, type PartTable } from './part-table.js';
import { restoreText, type RestoreTextInfo } from './restore-text.js';

const mebibyte = 1024 * 1024;
/** What the whole run may use for data; the rest of it is for SSH windows and the store's parts. */
export const defaultMemory = 80 * mebibyte;
const rawShare = 48 / 128;
const compressedShare = 32 / 128;
const defaultChunkBytes = 4 * mebibyte;
const defaultLevel = 4;
/** Enough to keep every core busy while one member is written; each one in flight costs up to twice a chunk. */
const mostParallel = 4;

export interface ArchiveWriterOptions {
  readonly output: Writable;
  /** When it aborts, every pending call rejects with its reason and nothing more is written. */
  readonly signal: AbortSignal;
  /** For RESTORE.txt; `startedAt`, in whole seconds, is every entry's modification time and must be what metadata says. */
  readonly info: RestoreTextInfo;
  /** Bytes of the run's whole budget; 80 MiB unless set. Raw buffers get three eighths of it, compressed members a quarter. */
  readonly memory?: number;
  /** gzip level; 4 unless set. */
  readonly level?: number;
  /** Content bytes of a part; 4 MiB unless set, a quarter of it when more than five streams run. At most 64 MiB. */
  readonly chunkBytes?: number;
  /** Members being compressed at once; one more than cores, at most 4, unless set. */
  readonly parallel?: number;
}

/**
 * Writes an archive in the `tar.gz` container to `output`.
 * Errors: PLAN_MEMORY when the memory is not enough for the buffers of one stream.
 */
export function createArchiveWriter(options: ArchiveWriterOptions): ArchiveWriter {
  return new TarGzWriter(options);
}

class TarGzWriter implements ArchiveWriter {
  readonly buffers: RecycledBuffers;
  readonly #members: MemberOutput;
  readonly #chunkBytes: number;
  readonly #modified: number;
  readonly #info: RestoreTextInfo;
  readonly #usedPaths = new Set<string>();
  readonly #complete: (TakenIn & { readonly format: string })[] = [];
  readonly #otherMembers: Member[] = [];
  #pending = 0;

  constructor(options: ArchiveWriterOptions) {
    const memory = options.memory ?? defaultMemory;
    this.#chunkBytes = options.chunkBytes ?? defaultChunkBytes;
    if (!Number.isInteger(this.#chunkBytes) || this.#chunkBytes < 1 || this.#chunkBytes > maximumPartBytes)
      throw new BackupError('INTERNAL', `a chunk cannot have ${String(this.#chunkBytes)} bytes`);
    this.buffers = new RecycledBuffers({ bytes: Math.floor(memory * rawShare), chunkBytes: this.#chunkBytes });
    this.#info = options.info;
    this.#modified = Math.floor(options.info.startedAt.getTime() / 1000);
    this.#members = new MemberOutput({
      output: options.output,
      level: options.level ?? defaultLevel,
      compressedBytes: Math.floor(memory * compressedShare),
      parallel: options.parallel ?? Math.min(mostParallel, availableParallelism() + 1),
      modified: this.#modified,
      signal: options.signal,
    });
  }

  get bytesWritten(): number {
    return this.#members.bytesWritten;
  }

  get memoryInUse(): number {
    return this.buffers.inUse + this.#members.budgetInUse;
  }

  async add(request: AddRequest): Promise<WrittenArtifact> {
    const { reservation, source } = request;
    try {
      if (!(reservation instanceof BufferReservation))
        throw new BackupError('INTERNAL', 'the reservation is not from this writer');
      const signal = AbortSignal.any([request.signal, this.#members.failure]);
      const acquire = () => reservation.acquire(signal);
      return await this.#take(request, async (intake) => {
        await takeSource(intake, source, { acquire, signal });
        return intake.complete(acquire);
      });
    } finally {
      source.destroy();
      reservation.close();
    }
  }

  addBytes(request: AddBytesRequest): Promise<WrittenArtifact> {
    return this.#take(request, async (intake) => {
      for (let start = 0; start < request.content.length; start += this.#chunkBytes) {
        if (request.signal.aborted) throw abortError(request.signal);
        const chunk = request.content.subarray(start, start + this.#chunkBytes);
        await intake.take(chunk, () => Promise.resolve(unpooledBuffer(chunk.length)));
        await intake.stored();
      }
      return intake.complete(() => Promise.resolve(unpooledBuffer(0)));
    });
  }

  async finish(
    describe: (written: { readonly members: readonly Member[] }) => Metadata,
    byHand: readonly ByHand[] = [],
  ): Promise<Metadata> {
    if (this.#pending > 0)
      throw new BackupError('INTERNAL', 'the archive cannot be finished while artifacts are being added');
    // Two artifacts may be told of their end in another order than that of the file.
    this.#complete.sort((a, b) => a.member.offset - b.member.offset);
    const restore = await this.#text(restoreTextName, () => restoreText(this.#info, this.#complete, byHand));
    await this.#text(checksumsName, () => checksumLines(this.#complete.map(sumsOf), restore.contentSha256));
    const metadata = this.#checked(describe({ members: [...this.#otherMembers] }));
    const text = `${JSON.stringify(metadata, undefined, 1)}\n`;
    const { offset, length, sha256 } = await this.#members.submitText({ name: metadataName, pieces: () => [text] });
    await this.#members.end(endOfTarMember, footerMember({ offset, length, sha256 }));
    return metadata;
  }

  async #take(
    { path, format, onBytes }: Pick<AddRequest, 'path' | 'format' | 'onBytes'>,
    feed: (intake: Intake) => Promise<TakenIn>,
  ): Promise<WrittenArtifact> {
    if (this.#usedPaths.has(path)) throw new BackupError('INTERNAL', `${path} is in the archive already`);
    this.#usedPaths.add(path);
    this.#pending += 1;
    const intake = new Intake({ path, format, members: this.#members, modified: this.#modified, onBytes });
    try {
      const taken = await feed(intake);
      this.#complete.push({ ...taken, format: format.name });
      if (taken.catalogue !== undefined) this.#otherMembers.push(taken.catalogue);
      return writtenOf(taken);
    } catch (cause) {
      const error = asBackupError(cause);
      intake.leave();
      await this.#note(path, error, intake.parts);
      throw error;
    } finally {
      this.#pending -= 1;
    }
  }

  /** What is left of a failed artifact. Where the archive itself has failed there is nowhere to write it, and the first error says enough. */
  async #note(path: string, error: BackupError, parts: PartTable): Promise<void> {
    if (this.#members.failure.aborted) return;
    const reason = `${error.code}: ${error.message}`.split(/[\r\n]+/).map((line) => `# ${line}\n`);
    const note = this.#text(failedName(path), function* () {
      yield* reason;
      yield* partLines(path, parts);
    });
    await note.catch(() => undefined);
  }

  async #text(name: string, pieces: () => Iterable<string>): Promise<StoredText> {
    const stored = await this.#members.submitText({ name, pieces });
    const { offset, length, sha256 } = stored;
    this.#otherMembers.push({ name, offset, length, sha256 });
    return stored;
  }

  /** A metadata that the reader would refuse, or that forgets an artifact, must not be published. */
  #checked(metadata: Metadata): Metadata {
    const parsed = metadataSchema.safeParse(metadata);
    if (!parsed.success)
      throw new BackupError('INTERNAL', 'the metadata does not fit its own schema', { cause: parsed.error });
    const described = new Map(metadata.artifacts.map((record) => [record.path, record]));
    for (const { path, sha256 } of this.#complete) {
      if (described.get(path)?.sha256 !== sha256)
        throw new BackupError('INTERNAL', `the metadata does not describe ${path}`);
    }
    if (described.size !== this.#complete.length || metadata.artifacts.length !== described.size)
      throw new BackupError('INTERNAL', 'the metadata describes artifacts that are not in the archive');
    return metadata;
  }
}

function writtenOf({ path, bytes, sha256, parts, member }: TakenIn): WrittenArtifact {
  return { path, bytes, sha256, parts, member };
}

function sumsOf(taken: TakenIn): Sums {
  const { path, parts, contentSha256, partHashes } = taken;
  return { path, parts, contentSha256, partSha256: (index) => partHashes.toString('hex', index * 32, index * 32 + 32) };
}
