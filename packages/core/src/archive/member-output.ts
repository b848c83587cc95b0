import { createHash } from 'node:crypto';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';

import { abortError, asBackupError, BackupError } from '../model/errors.js';
import { freeMemory } from '../model/memory.js';
import type { Member } from '../model/metadata.js';
import { compressMember } from './gzip.js';
import { textMember, type TextEntry } from './text-member.js';

export interface MemberOutputOptions {
  readonly output: Writable;
  readonly level: number;
  /** Most bytes of compressed members that wait for the output or are being made. */
  readonly compressedBytes: number;
  /** Members being compressed at once. */
  readonly parallel: number;
  /** Modification time of every entry, seconds since the epoch. */
  readonly modified: number;
  readonly signal: AbortSignal;
}

/** An entry in one piece. */
export interface RawEntry {
  readonly name: string;
  /** Tar header, content, padding. */
  readonly raw: Uint8Array;
  /** Called when `raw` is no longer used, however that came. */
  readonly done: () => void;
}

export interface StoredText extends Member {
  readonly contentSha256: string;
}

interface Waiting {
  readonly write: () => Promise<void>;
  /** Begins the compression, if there is one. */
  readonly start?: (() => void) | undefined;
  /** Bytes of budget the compression needs at most. */
  readonly cost: number;
  readonly reject: (error: BackupError) => void;
}

/**
 * Compresses members in parallel and hands them to the output one after another, in the order in which they were submitted. A slow output
 * keeps compressed members within their budget: no new compression starts, so raw buffers stay taken and sources are not read.
 * The first failure (of the output, or an abort) ends everything: each pending and later call rejects with it.
 */
export class MemberOutput {
  readonly #options: MemberOutputOptions;
  readonly #failed = new AbortController();
  /** Submitted and not yet started, then started and not yet stored; together the order of the file. */
  readonly #waiting: Waiting[] = [];
  readonly #started: Waiting[] = [];
  #compressing = 0;
  #budgetInUse = 0;
  #position = 0;
  #writing = false;

  constructor(options: MemberOutputOptions) {
    this.#options = options;
    options.output.on('error', (error) => this.#fail(error));
    options.output.on('close', () => {
      if (!options.output.writableFinished)
        this.#fail(new BackupError('TARGET_IO', 'the target closed the archive before its end'));
    });
    if (options.signal.aborted) this.#abort();
    options.signal.addEventListener('abort', this.#abort, { once: true });
  }

  /** Aborts with the first error when nothing more can be written. */
  get failure(): AbortSignal {
    return this.#failed.signal;
  }

  get bytesWritten(): number {
    return this.#position;
  }

  /** Bytes of compressed members that wait or are being made. */
  get budgetInUse(): number {
    return this.#budgetInUse;
  }

  /** Resolves when the entry's member has been taken by the output. */
  submitEntry(entry: RawEntry): Promise<Member> {
    const cost = entry.raw.length;
    const compressed = deferred<readonly Buffer[]>();
    let started = false;
    const start = (): void => {
      started = true;
      this.#compressing += 1;
      compressMember(entry.raw, this.#options.level)
        .finally(() => {
          this.#compressing -= 1;
          entry.done();
          this.#advance();
        })
        .then(compressed.resolve, (error: unknown) => this.#fail(error));
    };
    const abandoned = (): void => {
      if (!started) entry.done();
    };
    return this.#submit({ start, cost, abandoned }, async () => {
      const pieces = await compressed.promise;
      const length = pieces.reduce((total, piece) => total + piece.length, 0);
      this.#charge(length - cost);
      const member = await this.#store(entry.name, pieces);
      this.#charge(cost - length);
      if (member.length !== length) throw new BackupError('INTERNAL', `${entry.name} was not written whole`);
      return member;
    });
  }

  /** Resolves when the whole entry has been taken by the output. */
  submitText(entry: TextEntry): Promise<StoredText> {
    return this.#submit({ cost: 0 }, () => this.#storeText(entry));
  }

  /** Ends the output; resolves when it has finished. Nothing may be pending. */
  async end(...tail: readonly Buffer[]): Promise<void> {
    for (const bytes of tail) await this.#write(bytes);
    const { output } = this.#options;
    output.end();
    await finished(output, { readable: false, signal: this.failure }).catch((error: unknown) => {
      this.#fail(error);
      throw this.#error();
    });
    this.#options.signal.removeEventListener('abort', this.#abort);
  }

  readonly #abort = (): void => this.#fail(abortError(this.#options.signal));

  #submit<T>(
    work: Pick<Waiting, 'start' | 'cost'> & { readonly abandoned?: () => void },
    write: () => Promise<T>,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.failure.aborted) {
        work.abandoned?.();
        reject(this.#error());
        return;
      }
      this.#waiting.push({
        start: work.start,
        cost: work.cost,
        write: () => write().then(resolve),
        reject: (error) => {
          work.abandoned?.();
          reject(error);
        },
      });
      this.#advance();
    });
  }

  #advance(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#mayStart(next); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#started.push(next);
      this.#charge(next.cost);
      next.start?.();
    }
    if (!this.#writing) void this.#writeStarted();
  }

  #mayStart(next: Waiting): boolean {
    if (this.failure.aborted) return false;
    if (next.start === undefined) return true;
    const fits = this.#budgetInUse === 0 || this.#budgetInUse + next.cost <= this.#options.compressedBytes;
    return fits && this.#compressing < this.#options.parallel;
  }

  async #writeStarted(): Promise<void> {
    this.#writing = true;
    for (let head = this.#started[0]; head !== undefined && !this.failure.aborted; head = this.#started[0]) {
      try {
        await head.write();
      } catch (error) {
        this.#fail(error);
        break;
      }
      this.#charge(-head.cost);
      this.#started.shift();
      this.#advance();
    }
    this.#writing = false;
  }

  #fail(cause: unknown): void {
    if (this.failure.aborted) return;
    this.#options.signal.removeEventListener('abort', this.#abort);
    this.#failed.abort(asBackupError(cause));
    const pending = [...this.#started.splice(0), ...this.#waiting.splice(0)];
    this.#budgetInUse = 0;
    for (const { reject } of pending) reject(this.#error());
  }

  /** After a failure nothing waits any more, so nothing is counted. */
  #charge(bytes: number): void {
    if (!this.failure.aborted) this.#budgetInUse += bytes;
  }

  #error(): BackupError {
    return asBackupError(this.failure.reason);
  }

  async #store(name: string, pieces: readonly Buffer[]): Promise<Member> {
    const offset = this.#position;
    const hash = createHash('sha256');
    for (const piece of pieces) {
      hash.update(piece);
      await this.#write(piece);
    }
    // Not one by one: neighbours may be views of the same memory.
    for (const piece of pieces) freeMemory(piece);
    return { name, offset, length: this.#position - offset, sha256: hash.digest('hex') };
  }

  async #storeText(entry: TextEntry): Promise<StoredText> {
    const { level, modified } = this.#options;
    const offset = this.#position;
    const stored = createHash('sha256');
    const content = createHash('sha256');
    for await (const piece of textMember(entry, { level, modified, onContent: (bytes) => content.update(bytes) })) {
      stored.update(piece);
      await this.#write(piece);
    }
    const length = this.#position - offset;
    return { name: entry.name, offset, length, sha256: stored.digest('hex'), contentSha256: content.digest('hex') };
  }

  /** Resolves when the output has taken the bytes; rejects when it fails first or the run is aborted. */
  #write(bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      const { failure } = this;
      const abort = (): void => reject(this.#error());
      if (failure.aborted) {
        abort();
        return;
      }
      failure.addEventListener('abort', abort, { once: true });
      this.#options.output.write(bytes, (error) => {
        failure.removeEventListener('abort', abort);
        if (error) {
          reject(error);
          return;
        }
        this.#position += bytes.length;
        resolve();
      });
    });
  }
}

function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}
