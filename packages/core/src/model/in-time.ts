import { abortError, type BackupError } from './errors.js';

export interface TimeLimit {
  readonly seconds: number;
  /** The run's, which ends the wait too. */
  readonly signal: AbortSignal;
  /** What it means that the time is over. */
  readonly late: () => BackupError;
}

/**
 * The answer, or a rejection as soon as the time is over or the run is aborted, also where who is asked does not heed the signal given.
 * Not `AbortSignal.timeout`: `AbortSignal.any` holds its sources weakly, and Node 20 forgets a timeout that nobody else holds with the
 * next garbage collection, so that it never comes.
 */
export async function inTime<Answer>(
  { seconds, signal: run, late }: TimeLimit,
  ask: (signal: AbortSignal) => Promise<Answer>,
): Promise<Answer> {
  const timeOver = new AbortController();
  const timer = setTimeout(() => timeOver.abort(late()), seconds * 1000);
  const signal = AbortSignal.any([run, timeOver.signal]);
  let onAbort!: () => void;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(abortError(signal));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([aborted, ask(signal)]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}
