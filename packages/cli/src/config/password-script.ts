import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { abortError, BackupError } from '@lsbackup/core/store';

/** Long enough for a person whom the program asks something. */
const deadlineMilliseconds = 5 * 60_000;
/** More is no password. */
const maximumBytes = 64 * 1024;

/**
 * What a password program prints on standard output. It may ask at the terminal: standard input and error are ours.
 * Errors: USAGE when it cannot be started, fails, prints too much or takes more than five minutes; what `signal` aborts with.
 */
export async function outputOf(file: string, parameters: readonly string[], signal: AbortSignal): Promise<Buffer> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), deadlineMilliseconds);
  const child = spawn(file, parameters, {
    stdio: ['inherit', 'pipe', 'inherit'],
    signal: AbortSignal.any([signal, late.signal]),
  });
  try {
    const ended = once(child, 'close');
    const [output] = await Promise.all([collect(child.stdout, file), ended]);
    const [status, killedBy] = (await ended) as [number | null, NodeJS.Signals | null];
    if (status !== 0) throw failed(file, `it ended with ${status === null ? String(killedBy) : `status ${status}`}`);
    return output;
  } catch (error) {
    child.kill('SIGKILL');
    if (signal.aborted) throw abortError(signal);
    if (error instanceof BackupError) throw error;
    if ((error as Error).name === 'AbortError') throw failed(file, 'it took more than five minutes', error);
    throw failed(file, (error as Error).message, error);
  } finally {
    clearTimeout(timer);
  }
}

async function collect(stream: AsyncIterable<Buffer>, file: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of stream) {
    length += piece.length;
    if (length > maximumBytes) throw failed(file, 'it prints more than 64 KiB');
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function failed(file: string, why: string, cause?: unknown): BackupError {
  return new BackupError('USAGE', `the password program ${file} failed: ${why}`, {
    hint: 'A password file that is no program must not be executable.',
    cause,
  });
}
