import { BackupError } from '../model/errors.js';
import { encode, messageTypes } from './ssh-messages.js';
import type { MessageReader } from './ssh-messages.js';
import { refusalReason, RefusedError } from './transport.js';
import type { Channel, ChannelReceiver, OpenCallback } from './transport.js';

/** Bytes that the server may send before we let it send more. The same as ssh2's, so that both transports hold as much. */
const maximumWindow = 2 * 1024 * 1024;
const maximumPacket = 32 * 1024;

/** Sends one message: its type, its fields, and bytes that follow. */
export type SendMessage = (
  type: number,
  fields: Buffer,
  data?: { readonly bytes: Buffer; readonly sent: () => void },
) => void;

/** One channel of SSH's connection protocol (RFC 4254, section 5), from this side. */
export class MuxChannel implements Channel {
  readonly #send: SendMessage;
  readonly #line: string | undefined;
  readonly #callback: OpenCallback;
  #receiver: ChannelReceiver | undefined;
  #remoteId: number | undefined;
  #localWindow = maximumWindow;
  #mayReceive = true;
  #remoteWindow = 0;
  #remotePacket = 0;
  #writes: { bytes: Buffer; readonly callback: () => void }[] = [];
  #isEnding = false;
  #sentEof = false;
  #sentClose = false;
  #receivedEof = false;

  /** A channel in which the line runs; without a line one that is open as soon as the server says so. */
  constructor(send: SendMessage, line: string | undefined, callback: OpenCallback) {
    this.#send = send;
    this.#line = line;
    this.#callback = callback;
  }

  /** Asks the server to open it. */
  open(id: number, type: string, details: Buffer): void {
    const fields = Buffer.concat([encode(type, id, maximumWindow, maximumPacket), details]);
    this.#send(messageTypes.channelOpen, fields);
  }

  /** Takes a message for this channel. True when it was the last. */
  receive(type: number, message: MessageReader): boolean {
    switch (type) {
      case messageTypes.channelOpenConfirmation:
        this.#opened(message);
        return false;
      case messageTypes.channelOpenFailure:
        this.#refused(message);
        return true;
      case messageTypes.channelSuccess:
        this.#callback(undefined, this);
        return false;
      case messageTypes.channelFailure:
        this.close();
        this.#callback(new RefusedError('the server does not run the command', undefined));
        return false;
      case messageTypes.channelData:
        this.#received(message.bytes(), (packet, receiver) => (this.#mayReceive = receiver.output(packet)));
        return false;
      case messageTypes.channelExtendedData:
        message.uint32();
        this.#received(message.bytes(), (packet, receiver) => receiver.error(packet));
        return false;
      case messageTypes.channelWindowAdjust:
        this.#remoteWindow += message.uint32();
        this.#pump();
        return false;
      case messageTypes.channelRequest:
        this.#requested(message);
        return false;
      case messageTypes.channelEof:
        this.#ended();
        return false;
      case messageTypes.channelClose:
        this.#ended();
        this.close();
        this.#receiver?.closed();
        return true;
      default:
        return false;
    }
  }

  /** The connection is gone. */
  lost(error: Error): void {
    this.#sentClose = true;
    if (this.#receiver) this.#receiver.closed();
    else this.#callback(error);
  }

  listen(receiver: ChannelReceiver): void {
    this.#receiver = receiver;
  }

  resume(): void {
    this.#mayReceive = true;
    this.#widen();
  }

  write(chunk: Buffer, callback: () => void): void {
    this.#writes.push({ bytes: chunk, callback });
    this.#pump();
  }

  end(): void {
    this.#isEnding = true;
    this.#pump();
  }

  close(): void {
    this.#writes = [];
    if (this.#sentClose) return;
    this.#sentClose = true;
    this.#send(messageTypes.channelClose, encode(this.#id()));
  }

  #opened(message: MessageReader): void {
    this.#remoteId = message.uint32();
    this.#remoteWindow = message.uint32();
    this.#remotePacket = message.uint32();
    if (this.#line === undefined) this.#callback(undefined, this);
    else this.#send(messageTypes.channelRequest, encode(this.#remoteId, 'exec', true, this.#line));
  }

  #refused(message: MessageReader): void {
    const reason = refusalReason(message.uint32());
    this.#callback(new RefusedError(message.text(), reason));
  }

  #received(packet: Buffer, take: (packet: Buffer, receiver: ChannelReceiver) => void): void {
    this.#localWindow -= packet.length;
    if (this.#receiver) take(packet, this.#receiver);
    this.#widen();
  }

  /** Lets the server send on once half of what it might send has come. */
  #widen(): void {
    if (!this.#mayReceive || this.#sentClose || this.#receivedEof || this.#localWindow > maximumWindow / 2) return;
    this.#send(messageTypes.channelWindowAdjust, encode(this.#id(), maximumWindow - this.#localWindow));
    this.#localWindow = maximumWindow;
  }

  /** A request that wants an answer is sshd asking whether we are still here (ClientAliveInterval); any answer will do. */
  #requested(message: MessageReader): void {
    const name = message.text();
    const wantsReply = message.boolean();
    if (name === 'exit-status') this.#receiver?.exit(message.uint32(), undefined);
    if (name === 'exit-signal') this.#receiver?.exit(undefined, `SIG${message.text()}`);
    if (wantsReply && !this.#sentClose) this.#send(messageTypes.channelFailure, encode(this.#id()));
  }

  #ended(): void {
    if (this.#receivedEof) return;
    this.#receivedEof = true;
    this.#receiver?.ended();
  }

  /** Sends what the server's window has room for, then, if asked to, that there is no more. */
  #pump(): void {
    if (this.#sentClose || this.#sentEof) return;
    for (let next = this.#writes[0]; next !== undefined && this.#remoteWindow > 0; next = this.#writes[0]) {
      const bytes = next.bytes.subarray(0, Math.min(this.#remoteWindow, this.#remotePacket));
      this.#remoteWindow -= bytes.length;
      next.bytes = next.bytes.subarray(bytes.length);
      const isLast = next.bytes.length === 0;
      if (isLast) this.#writes.shift();
      this.#send(messageTypes.channelData, encode(this.#id(), bytes.length), {
        bytes,
        sent: isLast ? next.callback : () => undefined,
      });
    }
    if (!this.#isEnding || this.#writes.length > 0) return;
    this.#sentEof = true;
    this.#send(messageTypes.channelEof, encode(this.#id()));
  }

  #id(): number {
    if (this.#remoteId === undefined) throw new BackupError('INTERNAL', 'a channel was used before it was open');
    return this.#remoteId;
  }
}
