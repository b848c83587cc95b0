import type { Client } from 'ssh2';
import { freeMemory } from '../model/memory.js';

/** Far more than the authentication code of a packet. */
const authenticationBytes = 1024;

/**
 * Gives the memory of what a connection has received back as soon as it has been read. Left to V8, tens of MiB of it lie about between two
 * searches for garbage, now more, now less: the peak of a run is that of the worst moment, and a longer run has a worse one.
 *
 * ssh2 parses a chunk of the socket at once, but views of it stay where they are needed again: in a key exchange, in a channel that nobody
 * has read, and for a packet whose authentication code is in the next chunks. Its debug lines tell what it has found. So a chunk is freed
 * when enough has come after it, if until then ssh2 told of nothing but output, all of which was copied. Where it says anything else, or its
 * lines change, the chunk is left to V8.
 */
export class ReceivedMemory {
  /** The last chunk that was not too small, and whether nothing else came in it and since. */
  #last: { readonly chunk: Buffer; readonly onlyCopied: boolean } | undefined;
  #isWatching = false;
  #packets: Buffer[] = [];
  #announced = 0;
  #isOutput = true;

  /** For ssh2's `debug` option. */
  readonly debug = (line: string): void => {
    if (/^Inbound: CHANNEL_(?:EXTENDED_)?DATA \(/.test(line)) this.#announced += 1;
    else if (!line.startsWith('Outbound: ')) this.#isOutput = false;
  };

  /** A packet of output that nobody looks at any more. */
  copied(packet: Buffer): void {
    if (this.#isWatching) this.#packets.push(packet);
  }

  /** From here on; after ssh2 has begun to listen itself. The socket is a private property of ssh2's: without it nothing is freed. */
  watch(client: Client): void {
    const { _sock: socket } = client as unknown as { readonly _sock?: NodeJS.ReadableStream };
    if (socket === undefined) return;
    this.#isWatching = true;
    socket.on('data', (chunk: Buffer) => this.#parsed(chunk));
  }

  #parsed(chunk: Buffer): void {
    const onlyCopied = this.#isOutput && this.#announced === this.#packets.length;
    const last = this.#last;
    // A packet that was put together from several chunks, or decrypted elsewhere, has memory of its own.
    for (const { buffer } of this.#packets)
      if (buffer !== chunk.buffer && buffer !== last?.chunk.buffer) freeMemory(new Uint8Array(buffer));
    this.#packets = [];
    this.#announced = 0;
    this.#isOutput = true;
    if (last !== undefined && chunk.length < authenticationBytes) {
      this.#last = { chunk: last.chunk, onlyCopied: last.onlyCopied && onlyCopied };
      return;
    }
    if (last?.onlyCopied === true && onlyCopied) freeMemory(last.chunk);
    this.#last = { chunk, onlyCopied };
  }
}
