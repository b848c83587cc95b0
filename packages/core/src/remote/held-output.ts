import type { Readable } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import { BackupError } from '../model/errors.js';
import { pieceBytes } from '../model/memory.js';

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

export interface Diverted {
  /** Lets the host send on. Not after the channel's end: that would be said on a closed channel. */
  reopen(): void;
}

/**
 * Hands over what a channel receives packet by packet, before it queues in the channel. `output` and `error` copy what they keep: after
 * them the packet is `done`. While `output` says false the host may use up the window (2 MiB, Channel.js MAX_WINDOW), also with standard
 * error, and gets no more until `reopen` is called. Both streams emit `end` as ever, but possibly while the caller still holds output.
 *
 * ssh2 pushes each packet into its stream and opens the window again at once, or, when push says false, in the stream's next `_read`
 * (client.js CHANNEL_DATA and CHANNEL_EXTENDED_DATA, Channel.js).
 */
export function divert(
  channel: ClientChannel,
  take: {
    readonly output: (packet: Buffer) => boolean;
    readonly error: (packet: Buffer) => void;
    readonly done: (packet: Buffer) => void;
  },
): Diverted {
  let open = true;
  const output = replacePush(channel, (packet) => {
    open = take.output(packet);
    take.done(packet);
    return open;
  });
  replacePush(channel.stderr, (packet) => {
    take.error(packet);
    take.done(packet);
    return open;
  });
  return {
    reopen: () => {
      open = true;
      if (!output.ended) channel._read(0);
    },
  };
}

/** What comes after the end goes on to the stream, which fails. */
function replacePush(stream: Readable, take: (packet: Buffer) => boolean): { readonly ended: boolean } {
  const push = stream.push.bind(stream);
  const state = { ended: false };
  stream.push = (packet: Buffer | null) => {
    if (packet !== null && !state.ended) return take(packet);
    state.ended = true;
    return push(packet);
  };
  stream.resume();
  return state;
}
