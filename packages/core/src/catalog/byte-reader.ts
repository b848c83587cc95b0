import { BackupError } from '../model/errors.js';

/** Reads a stream of known length by exact numbers of bytes, whatever its chunks are. Holds one chunk at a time. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #bytes: number;
  #chunk: Buffer = Buffer.alloc(0);
  /** Bytes of the stream handed out so far. */
  offset = 0;

  constructor(source: AsyncIterable<Uint8Array>, bytes: number) {
    this.#source = source[Symbol.asyncIterator]();
    this.#bytes = bytes;
  }

  /** Bytes that are still to come. */
  get remaining(): number {
    return this.#bytes - this.offset;
  }

  /** The next `count` bytes. Errors: ARCHIVE_CORRUPT when the stream ends before. */
  async exactly(count: number): Promise<Buffer> {
    if (count > this.remaining) throw cut();
    const pieces: Buffer[] = [];
    for await (const piece of this.upTo(count)) pieces.push(piece);
    return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
  }

  /** The next `count` bytes in pieces as they come; a piece is valid until the next one is asked for. Errors: ARCHIVE_CORRUPT. */
  async *upTo(count: number): AsyncGenerator<Buffer, void, undefined> {
    let missing = count;
    while (missing > 0) {
      if (this.#chunk.length === 0) await this.#fill();
      const piece = this.#chunk.subarray(0, missing);
      this.#chunk = this.#chunk.subarray(piece.length);
      this.offset += piece.length;
      missing -= piece.length;
      yield piece;
    }
  }

  async skip(count: number): Promise<void> {
    let missing = count;
    while (missing > 0) {
      if (this.#chunk.length === 0) await this.#fill();
      const length = Math.min(missing, this.#chunk.length);
      this.#chunk = this.#chunk.subarray(length);
      this.offset += length;
      missing -= length;
    }
  }

  /** Errors: ARCHIVE_CORRUPT when there is more than the stream should have. Reads on to the very end, where the source reports its own checks. */
  async expectEnd(): Promise<void> {
    if (this.#chunk.length > 0) throw tooLong(this.#bytes);
    for (;;) {
      const next = await this.#source.next();
      if (next.done === true) return;
      if (next.value.length > 0) throw tooLong(this.#bytes);
    }
  }

  /** Lets the source go, also in the middle. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #fill(): Promise<void> {
    const next = await this.#source.next();
    if (next.done === true) throw cut();
    this.#chunk = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
  }
}

function cut(): BackupError {
  return new BackupError('ARCHIVE_CORRUPT', 'the tar stream is cut');
}

function tooLong(bytes: number): BackupError {
  return new BackupError('ARCHIVE_CORRUPT', `there is more content than the ${bytes} bytes the archive records`);
}
