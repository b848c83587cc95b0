import { Duplex } from 'node:stream';
import type { ClientChannel } from 'ssh2';

/**
 * A forwarded connection as a stream that behaves like a socket: a lost SSH connection destroys it with an error, where ssh2's own
 * channel would just end, and `destroy` closes it, where ssh2's drops the error and never closes.
 */
export class ForwardedSocket extends Duplex {
  readonly #channel: ClientChannel;
  #gone = false;

  constructor(channel: ClientChannel) {
    super({ readableHighWaterMark: 64 * 1024, writableHighWaterMark: 64 * 1024 });
    this.#channel = channel;
    // A connection that is lost while nobody uses the socket is no uncaught exception: the next use fails.
    this.on('error', () => undefined);
    channel.on('data', (chunk: Buffer) => {
      if (!this.destroyed && !this.push(chunk)) channel.pause();
    });
    channel.on('end', () => {
      if (!this.destroyed) this.push(null);
    });
    channel.on('error', (error: Error) => this.destroy(error));
    channel.on('close', () => {
      this.#gone = true;
      if (!this.writableFinished) this.end();
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
    if (this.#gone) callback();
    else this.#channel.write(chunk, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#channel.end();
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    // What still comes is thrown away: ssh2 counts a channel as closed only when its data has been taken.
    this.#channel.resume();
    this.#channel.end();
    this.#channel.close();
    callback(error);
  }
}
