import { setTimeout as delay } from 'node:timers/promises';
import type { Client, ClientChannel } from 'ssh2';
import type { Dialled } from './dial.js';
import { Ssh2Channel } from './ssh2-channel.js';
import { refusalReason, RefusedError } from './transport.js';
import type { ForwardAddress, OpenCallback, Transport } from './transport.js';

/** Seconds for the server to end the connection when asked. */
const closeTimeout = 5;

/** An SSH connection of this process's own. */
export class Ssh2Transport implements Transport {
  readonly login: string;
  readonly fingerprint: string;
  readonly isDoubtful: boolean;
  readonly isRemote = true;
  readonly #dialled: Dialled;
  readonly #client: Client;
  #isLost = false;

  constructor(dialled: Dialled) {
    this.login = dialled.username;
    this.fingerprint = dialled.fingerprint;
    this.isDoubtful = dialled.isDoubtful;
    this.#dialled = dialled;
    this.#client = dialled.client;
    dialled.onLost(() => (this.#isLost = true));
  }

  session(line: string, callback: OpenCallback): void {
    this.#client.exec(line, this.#adapt(callback));
  }

  forward(to: ForwardAddress, callback: OpenCallback): void {
    const adapted = this.#adapt(callback);
    if ('socket' in to) this.#client.openssh_forwardOutStreamLocal(to.socket, adapted);
    else this.#client.forwardOut('127.0.0.1', 0, to.host, to.port, adapted);
  }

  onLost(listener: (cause: Error | undefined) => void): void {
    this.#dialled.onLost(listener);
  }

  async close(): Promise<void> {
    if (this.#isLost) return;
    const gone = new Promise<void>((resolve) => this.onLost(() => resolve()));
    this.#client.end();
    const timer = new AbortController();
    await Promise.race([gone, delay(closeTimeout * 1000, undefined, { signal: timer.signal }).catch(() => undefined)]);
    timer.abort();
    this.#dialled.cut();
  }

  /** ssh2 gives its errors a `reason`, the number of RFC 4254, when the server refused the channel. */
  #adapt(callback: OpenCallback): (error: Error | undefined, channel: ClientChannel) => void {
    const { received } = this.#dialled;
    return (error, channel) => {
      if (error === undefined) callback(undefined, new Ssh2Channel(channel, (packet) => received.copied(packet)));
      else callback('reason' in error ? new RefusedError(error.message, refusalReason(error.reason), error) : error);
    };
  }
}
