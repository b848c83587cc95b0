import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';

/** Takes a stream piece by piece, each of a length that is asked for. */
export class SequentialReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: Readable) {
    this.#chunks = (stream as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  /** The next `length` bytes, fewer only at the end of the stream. */
  async read(length: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    await this.#take(length, (piece) => pieces.push(piece));
    const [only] = pieces;
    return only !== undefined && pieces.length === 1 ? only : Buffer.concat(pieces);
  }

  /** SHA-256 of the next `length` bytes, which are not kept. */
  async digest(length: number): Promise<string> {
    const hash = createHash('sha256');
    await this.#take(length, (piece) => hash.update(piece));
    return hash.digest('hex');
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #take(length: number, use: (piece: Buffer) => void): Promise<void> {
    let left = length;
    while (left > 0) {
      if (this.#rest.length === 0) {
        const next = await this.#chunks.next();
        if (next.done === true) return;
        this.#rest = next.value;
      }
      const piece = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(piece.length);
      left -= piece.length;
      use(piece);
    }
  }
}
