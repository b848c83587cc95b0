import { BackupError } from '../model/errors.js';
import { lastLines, type CommandPlace } from './command-errors.js';
import { hintNotBegun } from './shell-errors.js';

/** How far a command had come. */
export interface StreamProgress {
  /** Of its output. */
  readonly bytes: number;
  /** Its standard error. */
  readonly said: string;
}

/** STREAM_CUT: no more will come, and nobody said that this was all. */
export function streamCut(
  place: CommandPlace,
  { bytes, said }: StreamProgress,
  why: string,
  cause?: Error,
): BackupError {
  const { host, what } = place;
  const text = `${host}: ${why} after ${bytes} bytes of ${what}; nothing was kept for this stream.${standardError(said)}`;
  return new BackupError('STREAM_CUT', text, { host, cause, retryable: true });
}

/** STREAM_STALLED: nothing came for so many seconds. */
export function streamStalled(place: CommandPlace, { bytes, said }: StreamProgress, seconds: number): BackupError {
  const { host, what } = place;
  const text = `${host}: ${what} sent nothing for ${String(seconds)} s after ${String(bytes)} bytes${standardError(said)}`;
  return new BackupError('STREAM_STALLED', text, { host, retryable: true });
}

/** COMMAND_TIMEOUT: it did not end, or not even begin, within so many seconds. */
export function commandTimeout(
  place: CommandPlace,
  { begun, said }: { readonly begun: boolean; readonly said: string },
  seconds: number,
): BackupError {
  const { host, what } = place;
  const text = `${host}: ${what} did not ${begun ? 'end' : 'begin'} within ${String(seconds)} s${standardError(said)}`;
  const hint = begun ? undefined : hintNotBegun(place);
  return new BackupError('COMMAND_TIMEOUT', text, { host, retryable: true, hint });
}

/** STREAM_BANNER: the login shell printed what is not the command's. */
export function streamBanner({ host, what, login }: CommandPlace, noise: string): BackupError {
  const printed = lastLines(noise.slice(0, 200));
  return new BackupError(
    'STREAM_BANNER',
    `${host}: the output of ${what} did not begin; the login shell printed: ${printed}`,
    {
      host,
      hint: `The shell start files of ${login} on ${host} must print nothing when the shell is not interactive.`,
    },
  );
}

/** ABORTED: there is no more input, and it was not all. */
export function inputBroken({ host, what }: CommandPlace, cause: Error): BackupError {
  return new BackupError('ABORTED', `${host}: the input of ${what} broke off: ${cause.message}`, { host, cause });
}

/** ABORTED: nobody takes the output any more. */
export function readerStopped({ host, what }: CommandPlace, cause: Error | undefined): BackupError {
  return new BackupError('ABORTED', `${host}: the reader of ${what} stopped before its end`, { host, cause });
}

function standardError(said: string): string {
  const text = said.trim();
  return text === '' ? '' : ` Standard error: ${lastLines(text)}`;
}
