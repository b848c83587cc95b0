import type { Socket } from 'node:net';
import type { Channel, ChannelReceiver } from './transport.js';

/** A socket of this machine as a channel. It must allow half-open connections. */
export class SocketChannel implements Channel {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  listen(receiver: ChannelReceiver): void {
    const socket = this.#socket;
    socket.on('data', (packet: Buffer) => {
      if (!receiver.output(packet)) socket.pause();
    });
    socket.on('end', () => receiver.ended());
    socket.on('error', (error) => receiver.failed(error));
    socket.on('close', () => receiver.closed());
  }

  resume(): void {
    this.#socket.resume();
  }

  write(chunk: Buffer, callback: () => void): void {
    this.#socket.write(chunk, () => callback());
  }

  end(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }
}
