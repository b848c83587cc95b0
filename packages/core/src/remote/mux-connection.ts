import net from 'node:net';
import type { Socket } from 'node:net';
import { types } from 'node:util';
import { freeMemory } from '../model/memory.js';
import { MuxChannel } from './mux-channel.js';
import { encode, MessageReader, MessageSplitter } from './ssh-messages.js';
import type { ForwardAddress, OpenCallback } from './transport.js';

/** Messages and version of the protocol between ssh and its master (PROTOCOL.mux and mux.c of OpenSSH, which has proxies since 7.4). */
const muxHello = 0x00000001;
const muxProxy = 0x1000000f;
const muxIsProxy = 0x8000000f;
const muxVersion = 4;

/**
 * The control socket of an ssh master as a proxy client: the master passes messages of SSH's connection protocol on in both directions
 * and translates the numbers of channels. So refusals, ends, exit statuses and windows are the server's own, not what a second ssh would
 * print about them. One connection for all channels: a master that loses a client while its channel is being opened ends altogether.
 */
export class MuxConnection {
  readonly #socket: Socket;
  readonly #splitter = new MessageSplitter();
  readonly #channels = new Map<number, MuxChannel>();
  readonly #listeners = new Set<(cause: Error | undefined) => void>();
  #nextId = 0;
  #state: 'new' | 'greeted' | 'ready' | 'lost' = 'new';
  #cause: Error | undefined;
  #isReady: () => void = () => undefined;
  /** Resolves when channels can be opened; rejects when that will never be. */
  readonly ready: Promise<void>;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.ready = new Promise((resolve, reject) => {
      this.#isReady = resolve;
      this.onLost((cause) => reject(cause ?? new Error('ssh closes its control socket')));
    });
    socket.on('error', (error) => (this.#cause ??= error));
    socket.on('data', (chunk: Buffer) => this.#received(chunk));
    socket.on('close', () => this.#lost());
    socket.write(encode(encode(muxHello, muxVersion)));
    socket.write(encode(encode(muxProxy, 0)));
  }

  session(line: string, callback: OpenCallback): void {
    this.#open('session', Buffer.alloc(0), this.#channel(line, callback));
  }

  /** RFC 4254, section 7.2; for a Unix socket PROTOCOL of OpenSSH, section 2.4. */
  forward(to: ForwardAddress, callback: OpenCallback): void {
    const channel = this.#channel(undefined, callback);
    if ('socket' in to) this.#open('direct-streamlocal@openssh.com', encode(to.socket, '', 0), channel);
    else this.#open('direct-tcpip', encode(to.host, to.port, '127.0.0.1', 0), channel);
  }

  onLost(listener: (cause: Error | undefined) => void): void {
    if (this.#state === 'lost') listener(this.#cause);
    else this.#listeners.add(listener);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #channel(line: string | undefined, callback: OpenCallback): MuxChannel {
    return new MuxChannel((type, fields, data) => this.#send(type, fields, data), line, callback);
  }

  #open(type: string, details: Buffer, channel: MuxChannel): void {
    if (this.#state === 'lost') {
      channel.lost(new Error('the connection is gone'));
      return;
    }
    const id = this.#nextId;
    this.#nextId += 1;
    this.#channels.set(id, channel);
    channel.open(id, type, details);
  }

  #send(type: number, fields: Buffer, data?: { readonly bytes: Buffer; readonly sent: () => void }): void {
    const head = Buffer.allocUnsafe(6);
    head.writeUInt32BE(2 + fields.length + (data?.bytes.length ?? 0));
    // The length of the padding, which there is none of.
    head.writeUInt8(0, 4);
    head.writeUInt8(type, 5);
    this.#socket.cork();
    this.#socket.write(head);
    this.#socket.write(fields);
    if (data)
      this.#socket.write(data.bytes, (error) => {
        if (!error) data.sent();
      });
    this.#socket.uncork();
  }

  #received(chunk: Buffer): void {
    try {
      for (const message of this.#splitter.push(chunk)) this.#message(message);
    } catch (error) {
      this.#socket.destroy(types.isNativeError(error) ? error : new Error(String(error)));
    }
    // Whoever received something has copied what it keeps.
    freeMemory(chunk);
  }

  #message(message: Buffer): void {
    if (this.#state === 'new') this.#greeted(new MessageReader(message));
    else if (this.#state === 'greeted') this.#answered(new MessageReader(message));
    else this.#passOn(message);
  }

  #passOn(message: Buffer): void {
    const type = message.readUInt8(1);
    const reader = new MessageReader(message, 2);
    const id = reader.uint32();
    if (this.#channels.get(id)?.receive(type, reader)) this.#channels.delete(id);
  }

  #greeted(message: MessageReader): void {
    const [type, version] = [message.uint32(), message.uint32()];
    if (type !== muxHello || version !== muxVersion)
      throw new Error(`ssh speaks version ${version} of its control protocol, not ${muxVersion}`);
    this.#state = 'greeted';
  }

  #answered(message: MessageReader): void {
    if (message.uint32() !== muxIsProxy) throw new Error('ssh does not pass on what comes through its control socket');
    this.#state = 'ready';
    this.#isReady();
  }

  #lost(): void {
    this.#state = 'lost';
    for (const listener of this.#listeners) listener(this.#cause);
    this.#listeners.clear();
    const error = new Error('the connection is gone', { cause: this.#cause });
    for (const channel of this.#channels.values()) channel.lost(error);
    this.#channels.clear();
  }
}

/**
 * Connects to the control socket of a master that is logged in. Rejects with the socket's error, with what is wrong with the master's
 * answer, or with the signal's reason.
 */
export async function connectMux(socketPath: string, signal: AbortSignal): Promise<MuxConnection> {
  signal.throwIfAborted();
  const connection = new MuxConnection(net.connect(socketPath));
  const onAbort = (): void => connection.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await connection.ready;
    return connection;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
