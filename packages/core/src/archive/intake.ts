import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { abortError, asBackupError, BackupError } from '../model/errors.js';
import type { Format } from '../model/format.js';
import { freeGiven } from '../model/memory.js';
import type { Member } from '../model/metadata.js';
import type { WrittenArtifact } from './archive.js';
import type { ChunkBuffer } from './buffers.js';
import type { MemberOutput } from './member-output.js';
import { catalogueName, partLines, partName, PartTable, tableName } from './part-table.js';

export interface IntakeOptions {
  readonly path: string;
  readonly format: Format;
  readonly members: MemberOutput;
  /** Seconds since the epoch. */
  readonly modified: number;
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** What is known of a complete artifact besides what metadata says: enough to write its lines of SHA256SUMS. */
export interface TakenIn extends WrittenArtifact {
  /** Of its entry, or of its table's content. */
  readonly contentSha256: string;
  /** SHA-256 of each part's content, 32 bytes each. */
  readonly partHashes: Buffer;
  /** Where its catalogue lies, if it has one. */
  readonly catalogue?: Member | undefined;
}

/** Turns the bytes of one artifact into parts. The caller feeds it, then either completes it or leaves it: then its parts are abandoned. */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #check;
  readonly #whole = createHash('sha256');
  /** Of the current part; undefined for the first, whose hash is that of the whole so far. */
  #partHash: Hash | undefined;
  #buffer: ChunkBuffer | undefined;
  #bytes = 0;
  #submitted = 0;
  #lastPart: Promise<void> = Promise.resolve();
  /** The parts that are stored. */
  readonly parts = new PartTable();

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#check = options.format.check();
  }

  /**
   * Copies the chunk into buffers and keeps no reference to it. Full buffers go on their way when more arrives, never before.
   * Errors: FORMAT_INVALID of the check, those of `acquire`.
   */
  async take(chunk: Uint8Array, acquire: () => Promise<ChunkBuffer>): Promise<void> {
    this.#check.write(chunk);
    this.#options.onBytes?.(chunk.length);
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#buffer?.full === true) this.#submitPart(this.#buffer);
      this.#buffer ??= await acquire();
      const piece = this.#buffer.fill(rest);
      this.#whole.update(piece);
      this.#partHash?.update(piece);
      this.#bytes += piece.length;
      rest = rest.subarray(piece.length);
    }
  }

  /**
   * After the source's end: checks the format's end mark and only then lets the last chunk go. Resolves when everything is stored.
   * Errors: FORMAT_INVALID.
   */
  async complete(acquire: () => Promise<ChunkBuffer>): Promise<TakenIn> {
    this.#check.end();
    this.#buffer ??= await acquire();
    if (this.#submitted === 0) return this.#storeSingle(this.#buffer);
    this.#submitPart(this.#buffer);
    const { path, members } = this.#options;
    const table = members.submitText({ name: tableName(path), pieces: () => partLines(path, this.parts) });
    const [{ contentSha256, ...member }, catalogue] = await Promise.all([table, this.#catalogue(), this.#lastPart]);
    const written = this.#written(member, this.parts.length);
    return { ...written, contentSha256, partHashes: hashesOf(this.parts), catalogue };
  }

  /** Behind the table; only of an artifact in parts, because a single entry is read whole anyway. */
  async #catalogue(): Promise<Member | undefined> {
    const pieces = this.#check.catalogue?.()?.pieces;
    if (pieces === undefined) return undefined;
    const name = catalogueName(this.#options.path);
    const { offset, length, sha256 } = await this.#options.members.submitText({ name, pieces });
    return { name, offset, length, sha256 };
  }

  /** Resolves when the parts on their way are stored. */
  stored(): Promise<void> {
    return this.#lastPart;
  }

  /** Gives back what is not on its way. */
  leave(): void {
    this.#buffer?.release();
    this.#buffer = undefined;
  }

  async #storeSingle(buffer: ChunkBuffer): Promise<TakenIn> {
    this.#buffer = undefined;
    const { path, members, modified } = this.#options;
    const raw = buffer.entry({ name: path, modified });
    const member = await members.submitEntry({ name: path, raw, done: () => buffer.release() });
    const written = this.#written(member, 0);
    return { ...written, contentSha256: written.sha256, partHashes: Buffer.alloc(0) };
  }

  #submitPart(buffer: ChunkBuffer): void {
    this.#buffer = undefined;
    const { path, members, modified } = this.#options;
    const name = partName(path, this.#submitted);
    this.#submitted += 1;
    const bytes = buffer.bytes;
    const sha256 = (this.#partHash ?? this.#whole.copy()).digest('hex');
    this.#partHash = createHash('sha256');
    const raw = buffer.entry({ name, modified });
    this.#lastPart = members
      .submitEntry({ name, raw, done: () => buffer.release() })
      .then(({ offset, length, sha256: storedSha256 }) => {
        this.parts.append({ bytes, sha256, offset, length, storedSha256 });
      });
    // Stored in order, and what fails one fails all that follow: whoever waits for the last hears of it.
    this.#lastPart.catch(() => undefined);
  }

  #written(member: Member, parts: number): WrittenArtifact {
    return { path: this.#options.path, bytes: this.#bytes, sha256: this.#whole.digest('hex'), parts, member };
  }
}

/** For a source that was destroyed to end what it runs on a host: somewhat more than that may take (remote/exit-gate.ts). */
const closeSeconds = 20;

/**
 * Feeds a whole source, and frees the chunks that it gives away (model/memory.ts). The signal destroys the source with its reason, and the
 * first error wins. After a failure the source has been closed.
 */
export async function takeSource(
  intake: Intake,
  source: Readable,
  options: { acquire: () => Promise<ChunkBuffer>; signal: AbortSignal },
): Promise<void> {
  const { acquire, signal } = options;
  const abort = (): void => void source.destroy(abortError(signal));
  // Whatever ends the loop below is reported from there; what the source says after that comes too late to be a cause.
  source.on('error', () => undefined);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    const take = async (chunk: unknown): Promise<void> => {
      if (!(chunk instanceof Uint8Array)) throw new BackupError('INTERNAL', 'an artifact source must yield bytes');
      await intake.take(chunk, acquire);
      freeGiven(chunk, source);
    };
    await takeChunks(source, take, signal);
    if (signal.aborted) throw abortError(signal);
  } catch (error) {
    source.destroy();
    await closed(source);
    throw signal.aborted ? abortError(signal) : sourceError(error);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/**
 * Calls `take` for one chunk after another until the source's end, as they came: `for await` would copy those that wait into one.
 * Returns, or throws, when no `take` is under way any more.
 */
async function takeChunks(
  source: Readable,
  take: (chunk: unknown) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let underWay = Promise.resolve();
  let failure: { readonly error: unknown } | undefined;
  const failed = new Promise<void>((resolve) => {
    source.on('data', (chunk: unknown) => {
      source.pause();
      underWay = take(chunk).then(
        () => void source.resume(),
        (error: unknown) => {
          failure ??= { error };
          resolve();
        },
      );
    });
  });
  try {
    await Promise.race([finished(source, { writable: false, signal }), failed]);
  } finally {
    await underWay;
  }
  // A stream may have ended before the failure of its last chunk was known.
  if (failure !== undefined) throw failure.error;
}

async function closed(source: Readable): Promise<void> {
  if (source.closed) return;
  const deadline = AbortSignal.timeout(closeSeconds * 1000);
  await once(source, 'close', { signal: deadline }).catch(() => undefined);
}

function sourceError(error: unknown): BackupError {
  const closed =
    typeof error === 'object' && error !== null && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';
  return closed
    ? new BackupError('STREAM_CUT', 'the stream was closed before its end', { cause: error })
    : asBackupError(error);
}

function hashesOf(parts: PartTable): Buffer {
  const hashes = Buffer.allocUnsafeSlow(parts.length * 32);
  let offset = 0;
  for (const part of parts) offset += hashes.write(part.sha256, offset, 'hex');
  return hashes;
}
