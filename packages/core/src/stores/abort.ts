import type { Readable, Writable } from 'node:stream';
import { abortError } from '../model/errors.js';

/** Throws what an aborted signal stands for. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortError(signal);
}

/** The stream fails with what the signal stands for when it aborts. */
export function destroyOnAbort(stream: Readable | Writable, signal: AbortSignal | undefined): void {
  if (signal === undefined) return;
  const stop = (): void => {
    stream.destroy(abortError(signal));
  };
  if (signal.aborted) stop();
  else {
    signal.addEventListener('abort', stop, { once: true });
    stream.once('close', () => signal.removeEventListener('abort', stop));
  }
}
