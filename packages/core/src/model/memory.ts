import type { Readable } from 'node:stream';
import { types } from 'node:util';
import { MessageChannel, type MessagePort } from 'node:worker_threads';

/**
 * Bytes of the pieces that are allocated and freed without end: all have one size, so that each gets what another has given back. A little
 * more than 1 MiB, for a gzip header and trailer around that much.
 */
export const pieceBytes = 1024 * 1024 + 8 * 1024;

const givenBy = new WeakMap<Uint8Array, Readable>();
/** How many readers each stream that gives away has ever had. */
const readers = new WeakMap<Readable, number>();

let closedPort: MessagePort | undefined;

/**
 * Gives the memory of a large Buffer back at once. Left to V8 it stays until the next search for garbage, tens of MiB later, beside its
 * successors. The Buffer, and every other view of its memory, is empty from here on.
 * A small Buffer may share its memory with strangers (`Buffer.poolSize`): it is left alone.
 *
 * What is transferred to a port that is closed is detached from its sender and dropped
 * (https://html.spec.whatwg.org/multipage/web-messaging.html#message-port-post-message-steps); `ArrayBuffer.prototype.transfer` needs Node.js 22.
 */
export function freeMemory(bytes: Uint8Array): void {
  const memory = bytes.buffer;
  if (!types.isArrayBuffer(memory) || memory.byteLength <= Buffer.poolSize) return;
  closedPort ??= makeClosedPort();
  closedPort.postMessage(undefined, [memory]);
}

/** Of a new stream: from here on it is known who reads it, and its chunks can be given away. */
export function countReaders(stream: Readable): void {
  readers.set(stream, 0);
  stream.on('newListener', (event: unknown) => {
    if (event === 'data' || event === 'readable') readers.set(stream, (readers.get(stream) ?? 0) + 1);
  });
}

/** Says of a chunk that nobody but the reader of this stream will hold its memory. */
export function giveAway(chunk: Buffer, stream: Readable): void {
  givenBy.set(chunk, stream);
}

/**
 * Frees a chunk that the only reader of a stream has copied, if the stream gave it away. Of any other, and where somebody else reads or has read
 * the stream or it came through another, somebody may hold the memory: it is left alone.
 */
export function freeGiven(chunk: Uint8Array, stream: Readable): void {
  if (givenBy.get(chunk) !== stream || readers.get(stream) !== 1) return;
  givenBy.delete(chunk);
  freeMemory(chunk);
}

function makeClosedPort(): MessagePort {
  const { port1 } = new MessageChannel();
  port1.close();
  return port1;
}
