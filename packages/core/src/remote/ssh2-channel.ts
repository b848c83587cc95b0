import type { Readable } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import type { Channel, ChannelReceiver } from './transport.js';

/**
 * A channel of ssh2's. It hands over what it receives packet by packet, before it queues in the channel: ssh2 would keep each packet as a
 * view of the socket's read buffer, a hundred objects to the MiB.
 *
 * ssh2 pushes each packet into its stream and opens the window again at once, or, when push says false, in the stream's next `_read`
 * (client.js CHANNEL_DATA and CHANNEL_EXTENDED_DATA, Channel.js). It shows a lost connection as a clean end (utils.js `onCHANNEL_CLOSE`),
 * after it told that the connection is gone.
 */
export class Ssh2Channel implements Channel {
  readonly #channel: ClientChannel;
  readonly #copied: (packet: Buffer) => void;
  #isOpen = true;
  #hasEnded = false;

  /** `copied` is called with every packet that nobody looks at any more. */
  constructor(channel: ClientChannel, copied: (packet: Buffer) => void) {
    this.#channel = channel;
    this.#copied = copied;
  }

  listen(receiver: ChannelReceiver): void {
    const channel = this.#channel;
    channel.on('error', (error: Error) => receiver.failed(error));
    channel.on('exit', (status: number | null, signal?: string) => receiver.exit(status ?? undefined, signal));
    this.#takeOver(channel, (packet) => {
      this.#isOpen = receiver.output(packet);
    });
    this.#takeOver(channel.stderr, (packet) => receiver.error(packet));
    // It ends with the channel's EOF, which follows all data, and closes with the channel.
    channel.stderr.on('end', () => receiver.ended());
    channel.stderr.on('close', () => receiver.closed());
  }

  /** Not after the channel's end: that would be said on a closed channel. */
  resume(): void {
    this.#isOpen = true;
    if (!this.#hasEnded) this.#channel._read(0);
  }

  write(chunk: Buffer, callback: () => void): void {
    this.#channel.write(chunk, callback);
  }

  end(): void {
    this.#channel.end();
  }

  close(): void {
    this.#channel.end();
    this.#channel.close();
  }

  /** What comes after the end goes on to the stream, which fails. */
  #takeOver(stream: Readable, take: (packet: Buffer) => void): void {
    const push = stream.push.bind(stream);
    stream.push = (packet: Buffer | null) => {
      if (packet !== null && !this.#hasEnded) {
        take(packet);
        this.#copied(packet);
        return this.#isOpen;
      }
      this.#hasEnded = true;
      return push(packet);
    };
    stream.resume();
  }
}
