import { Duplex } from 'node:stream';
import type { Channel } from './transport.js';

/**
 * A forwarded connection as a stream that behaves like a socket: a lost transport destroys it with an error instead of ending it, and
 * `destroy` closes it.
 */
export class ForwardedSocket extends Duplex {
  readonly #channel: Channel;
  #gone = false;
  #callback: ((error?: Error | null) => void) | undefined;

  constructor(channel: Channel) {
    super({ readableHighWaterMark: 64 * 1024, writableHighWaterMark: 64 * 1024 });
    this.#channel = channel;
    // A connection that is lost while nobody uses the socket is no uncaught exception: the next use fails.
    this.on('error', () => undefined);
    channel.listen({
      output: (packet) => this.destroyed || this.push(Buffer.from(packet)),
      error: () => undefined,
      exit: () => undefined,
      ended: () => {
        if (!this.destroyed) this.push(null);
      },
      failed: (error) => void this.destroy(error),
      closed: () => this.#closed(),
    });
  }

  lost(error: Error): void {
    if (this.#gone) return;
    this.#gone = true;
    this.destroy(error);
  }

  override _read(): void {
    this.#channel.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (this.#gone) {
      callback();
      return;
    }
    this.#callback = callback;
    this.#channel.write(chunk, () => this.#release());
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#channel.end();
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    // What still comes is thrown away: a channel may count as closed only when its data has been taken.
    this.#channel.resume();
    this.#channel.close();
    callback(error);
  }

  #closed(): void {
    this.#gone = true;
    this.#release();
    if (!this.writableFinished) this.end();
  }

  #release(): void {
    const callback = this.#callback;
    this.#callback = undefined;
    callback?.();
  }
}
