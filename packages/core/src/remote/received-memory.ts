import type { Client } from 'ssh2';
import { freeMemory } from '../model/memory.js';

/** Far more than the authentication code of a packet. */
const authenticationBytes = 1024;

/**
 * Gives the memory of what a connection has received back as soon as it has been read. Left to V8, tens of MiB of it lie about between two
 * searches for garbage, now more, now less: the peak of a run is that of the worst moment, and a longer run has a worse one.
 *
 * ssh2 parses a chunk of the socket at once, but holds views of it where it will need them again: in a key exchange, and of a packet whose
 * authentication code is in the next chunk. It tells by its debug lines what it has found. So a chunk is freed after the next one, if both
 * held nothing but output of channels that copy it; where ssh2 says anything else, or its lines change, the chunk is left to V8. Should
 * something hold a freed chunk all the same it holds nothing, and the connection fails over a packet that is not authentic.
 */
export class ReceivedMemory {
  #previous: { readonly chunk: Buffer; readonly copied: boolean } | undefined;
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
    this.#packets.push(packet);
  }

  /** From here on; after ssh2 has begun to listen itself. */
  watch(client: Client): void {
    const { _sock: socket } = client as unknown as { readonly _sock?: NodeJS.ReadableStream };
    socket?.on('data', (chunk: Buffer) => this.#parsed(chunk));
  }

  #parsed(chunk: Buffer): void {
    const copied = this.#isOutput && this.#announced === this.#packets.length;
    const previous = this.#previous;
    // A packet from several chunks, or one that was decrypted elsewhere, has memory of its own.
    for (const { buffer } of this.#packets)
      if (buffer !== chunk.buffer && buffer !== previous?.chunk.buffer) freeMemory(new Uint8Array(buffer));
    if (copied && previous?.copied === true && chunk.length >= authenticationBytes) freeMemory(previous.chunk);
    this.#previous = { chunk, copied };
    this.#packets = [];
    this.#announced = 0;
    this.#isOutput = true;
  }
}
