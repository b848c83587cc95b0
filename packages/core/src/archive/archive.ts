import type { Readable } from 'node:stream';
import type { ByHand } from '../model/by-hand.js';
import type { Format } from '../model/format.js';
import type { ArtifactRecord, Member, Metadata } from '../model/metadata.js';

/**
 * Writes one archive (docs/format.md) to one output, members in order of arrival. It never learns whether the archive is published:
 * that is the store's commit.
 */
export interface ArchiveWriter {
  /** Compressed bytes handed to the output so far. */
  readonly bytesWritten: number;
  /** Bytes of the budget in use now: raw buffers that are being filled or compressed, and compressed members that wait for the output. */
  readonly memoryInUse: number;
  /**
   * Streams one artifact in. Resolves when every member of it, its table included, has been handed to the output; the last chunk
   * is withheld until `source` has ended and the format check has passed. When the source errors, the check fails or `signal` aborts, nothing
   * of it counts: a `.FAILED` note that lists the abandoned parts is written and the call rejects with that first error.
   * When the output fails, every pending call rejects with the output's first error. A path is used once, also when it failed.
   */
  add(request: AddRequest): Promise<WrittenArtifact>;
  /** The same for a small artifact whose bytes are here already; it needs no reservation. */
  addBytes(request: AddBytesRequest): Promise<WrittenArtifact>;
  /** Parts and the like that hold memory for a stream; taken by the scheduler, before a stream is opened. */
  readonly buffers: BufferPool;
  /**
   * Writes RESTORE.txt, SHA256SUMS, metadata.json (as `metadata` builds it from what was written), the end-of-tar member and the footer, and ends the
   * output. Call it once, after every `add` has settled. The metadata must name exactly the artifacts that were written. `byHand` are the sections of
   * RESTORE.txt that say more than how an artifact is taken out.
   */
  finish(
    describe: (written: { readonly members: readonly Member[] }) => Metadata,
    byHand?: readonly ByHand[],
  ): Promise<Metadata>;
}

export interface AddRequest {
  readonly path: string;
  readonly format: Format;
  readonly source: Readable;
  readonly signal: AbortSignal;
  /** Made by `buffers.tryReserve`; `add` closes it. */
  readonly reservation: Reservation;
  /** Called with each chunk's length as it arrives. */
  readonly onBytes?: (bytes: number) => void;
}

export interface AddBytesRequest {
  readonly path: string;
  readonly format: Format;
  readonly content: Uint8Array;
  readonly signal: AbortSignal;
}

export type WrittenArtifact = Pick<ArtifactRecord, 'path' | 'bytes' | 'sha256' | 'parts' | 'member'>;

/** Raw buffers, recycled, from one budget. Each reservation is sure of two, so any mix of admitted streams makes progress. */
export interface BufferPool {
  /**
   * All `streams` reservations or none; `undefined` when they do not fit now. Synchronous, so that a scheduler can combine it with its own limits.
   * After a refusal the pool holds back what goes beyond each stream's two buffers, so that the same call succeeds later.
   * `hold`: a host is held by the streams (a lock, a freeze), so they come first when buffers are short.
   */
  tryReserve(streams: number, options?: { readonly hold?: boolean }): readonly Reservation[] | undefined;
  /** Most streams that could ever be reserved at once. */
  readonly maximumStreams: number;
  /** Called whenever something was given back, so that a waiting scheduler can try again. */
  onRelease(listener: () => void): void;
}

export interface Reservation {
  close(): void;
}

/** An archive at a store whose footer and metadata have been read and checked. */
export interface Archive {
  readonly name: string;
  readonly bytes: number;
  readonly metadata: Metadata;
  /**
   * The artifact's content, checked part by part against the recorded hashes. With `ranges` what lies in them, one after another, and only the
   * parts that hold some of it are read. Errors: ARTIFACT_MISSING, ARCHIVE_CORRUPT, OPTION_INVALID (ranges that cannot be).
   */
  read(path: string, options?: ReadOptions): Promise<Readable>;
  /** Whether the archive says where in this tar artifact each file lies: not all writers did, and small artifacts need none. */
  hasCatalogue(path: string): boolean;
  /**
   * Gives `onLine` the lines of the catalogue (docs/format.md). What it was given counts only once this has resolved.
   * Errors: ARTIFACT_MISSING (no catalogue), ARCHIVE_CORRUPT, those of the store and of `onLine`.
   */
  readCatalogue(path: string, options: ReadCatalogueOptions): Promise<TextDigest>;
}

export interface ReadCatalogueOptions {
  /** A line without its line feed. */
  readonly onLine: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface TextDigest {
  /** Of the content. */
  readonly bytes: number;
  readonly sha256: string;
}

export interface ReadOptions {
  readonly signal?: AbortSignal;
  /** Ascending, none empty, none over another, all inside the content. */
  readonly ranges?: readonly ByteRange[];
}

/** Bytes of an artifact's content; `end` is the first that is not wanted. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}
