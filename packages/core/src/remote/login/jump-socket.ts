import { Duplex } from 'node:stream';
import type { ClientChannel } from 'ssh2';

/** What a connection through a jump host ends with when the connection to that host does. */
export class JumpLostError extends Error {}

/** For messages about a lost connection: that it was lost on the way, if it was. */
export function lostWhere(cause: unknown): string {
  return cause instanceof JumpLostError ? ` (${cause.message})` : '';
}

/**
 * A connection through a jump host, for ssh2 to log in over. ssh2's own channel would end without an error when the connection to the
 * jump host is lost, and would not close when it is destroyed.
 */
export class JumpSocket extends Duplex {
  readonly #channel: ClientChannel;
  #isGone = false;

  constructor(channel: ClientChannel) {
    super({ allowHalfOpen: false });
    this.#channel = channel;
    // It may be lost before ssh2 listens; what is written then fails.
    this.on('error', () => undefined);
    channel.on('data', (chunk: Buffer) => {
      if (!this.destroyed && !this.push(chunk)) channel.pause();
    });
    channel.on('end', () => this.destroyed || this.push(null));
    channel.on('error', (error: Error) => this.destroy(error));
    channel.on('close', () => {
      this.#isGone = true;
      this.end();
    });
  }

  lost(why: string): void {
    if (!this.#isGone) this.destroy(new JumpLostError(why));
    this.#isGone = true;
  }

  override _read(): void {
    this.#channel.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (this.#isGone) callback();
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
