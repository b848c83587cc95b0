import { types } from 'node:util';
import { MessageChannel, type MessagePort } from 'node:worker_threads';

let closedPort: MessagePort | undefined;

/**
 * Gives the memory of a large Buffer back at once. Left to V8 it stays until the next search for garbage, tens of MiB later, beside its
 * successors. The Buffer, and every other view of its memory, is empty from here on.
 * A small Buffer may share its memory with strangers (`Buffer.poolSize`): it is left alone.
 *
 * What is transferred to a port that is closed is detached from its sender and dropped
 * (https://html.spec.whatwg.org/multipage/web-messaging.html#message-port-post-message-steps); `ArrayBuffer.prototype.transfer` needs Node.js 22.
 */
export function freeMemory(bytes: Buffer): void {
  const memory = bytes.buffer;
  if (!types.isArrayBuffer(memory) || memory.byteLength <= Buffer.poolSize) return;
  closedPort ??= makeClosedPort();
  closedPort.postMessage(undefined, [memory]);
}

function makeClosedPort(): MessagePort {
  const { port1 } = new MessageChannel();
  port1.close();
  return port1;
}
