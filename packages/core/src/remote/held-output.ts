import type { ClientChannel } from 'ssh2';
import { BackupError } from '../model/errors.js';
import { giveAway, pieceBytes } from '../model/memory.js';

/**
 * What a host has sent and nobody has asked for yet, in few large pieces. ssh2 would keep each packet as a view of the socket's read
 * buffer: a hundred objects to the MiB, which live long enough to be found only by a search of the whole heap.
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

  /** The oldest bytes, whose memory is given away (model/memory.ts). Only while some are held. */
  take(): Buffer {
    const piece = this.#pieces.shift();
    if (piece === undefined) throw new BackupError('INTERNAL', 'no output is held');
    const chunk = this.#pieces.length === 0 ? piece.subarray(0, this.#filled) : piece;
    this.#bytes -= chunk.length;
    giveAway(chunk);
    return chunk;
  }

  clear(): void {
    this.#pieces.length = 0;
    this.#bytes = 0;
  }
}

/** ssh2's receive window for a channel (Channel.js, MAX_WINDOW). */
export const windowBytes = 2 * 1024 * 1024;

/**
 * Hands over a channel's output packet by packet, before it queues in the channel. When `take` says false the host may use up its window, at
 * most `windowBytes` more, and no more than that until `reopen` is called. The channel emits `end` as ever, but possibly while the
 * caller still holds output.
 *
 * ssh2 pushes each packet into the channel and opens the window again at once, or, when push says false, in the channel's next
 * `_read` (client.js CHANNEL_DATA, Channel.js).
 */
export function divertOutput(
  channel: ClientChannel,
  take: (packet: Buffer) => boolean,
): { readonly reopen: () => void } {
  const push = channel.push.bind(channel);
  channel.push = (packet: Buffer | null) => (packet === null ? push(packet) : take(packet));
  channel.resume();
  return { reopen: () => channel._read(0) };
}
