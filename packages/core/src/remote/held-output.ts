import { BackupError } from '../model/errors.js';
import { pieceBytes } from '../model/memory.js';

/**
 * What a host has sent and nobody has asked for yet, in few large pieces: a hundred packets to the MiB would live long enough to be found
 * only by a search of the whole heap.
 */
export class HeldOutput {
  readonly #pieces: Buffer[] = [];
  /** Bytes used of the last piece. */
  #filled = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Copies the chunk. */
  add(chunk: Buffer): void {
    this.#bytes += chunk.length;
    for (let rest = chunk; rest.length > 0;) {
      let piece = this.#pieces.at(-1);
      if (piece === undefined || this.#filled === pieceBytes) {
        piece = Buffer.allocUnsafeSlow(pieceBytes);
        this.#pieces.push(piece);
        this.#filled = 0;
      }
      const copied = rest.copy(piece, this.#filled);
      this.#filled += copied;
      rest = rest.subarray(copied);
    }
  }

  /** The oldest bytes, alone in their memory. Only while some are held. */
  take(): Buffer {
    const piece = this.#pieces.shift();
    if (piece === undefined) throw new BackupError('INTERNAL', 'no output is held');
    const chunk = this.#pieces.length === 0 ? piece.subarray(0, this.#filled) : piece;
    this.#bytes -= chunk.length;
    return chunk;
  }

  clear(): void {
    this.#pieces.length = 0;
    this.#bytes = 0;
  }
}
