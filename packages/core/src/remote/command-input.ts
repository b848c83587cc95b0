import { Writable } from 'node:stream';
import type { Channel } from './transport.js';

const inputBuffer = 64 * 1024;

export interface InputOwner {
  /** `over`: the command has ended well. `lost`: nothing can reach it any more, or nothing shall. */
  readonly state: () => 'open' | 'over' | 'lost';
  readonly broken: (cause: Error) => void;
  /** Nothing may be sent before `begin`: what reads it until then is not the command. */
  readonly waits: boolean;
}

/** Standard input of a command on a channel. */
export class CommandInput {
  readonly stream: Writable;
  #callback: ((error?: Error | null) => void) | undefined;
  #waits: boolean;
  #held: (() => void) | undefined;

  constructor(channel: Channel, owner: InputOwner) {
    this.#waits = owner.waits;
    this.stream = new Writable({
      highWaterMark: inputBuffer,
      write: (chunk: Buffer, _encoding, callback) => {
        // A command that ended well has taken what it needed. The pause lets other events in: a source may never run dry.
        if (owner.state() === 'over') return void setImmediate(callback);
        this.#callback = callback;
        this.#whenBegun(() => {
          if (owner.state() === 'open') channel.write(chunk, () => this.release());
        });
      },
      final: (callback) => {
        this.#whenBegun(() => {
          channel.end();
          callback();
        });
      },
      // Input that broke off must not look like input that ended: whoever owns it ends the command before its standard input is closed.
      destroy: (error, callback) => {
        if (error && owner.state() !== 'over') owner.broken(error);
        callback(error);
      },
    });
    // Without a listener an error that comes while nobody listens would be thrown.
    this.stream.on('error', () => undefined);
  }

  /** The command reads now. */
  begin(): void {
    this.#waits = false;
    const held = this.#held;
    this.#held = undefined;
    held?.();
  }

  /** Calls back for a chunk that is under way. A channel may never do so for what it could not send, and whoever feeds the command must not wait for it. */
  release(): void {
    const callback = this.#callback;
    this.#callback = undefined;
    callback?.();
  }

  /** A stream writes or ends one thing at a time, so there is never more than one to hold. */
  #whenBegun(send: () => void): void {
    if (this.#waits) this.#held = send;
    else send();
  }
}
