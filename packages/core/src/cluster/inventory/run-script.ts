import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable } from 'node:stream';

import { BackupError } from '../../model/errors.js';
import { systemReason } from '../../model/system-errors.js';

/** A script that writes more is no inventory. */
const maximumOutput = 64 * 1024 * 1024;
/** Of standard error only the end is of interest. */
const keptErrors = 16 * 1024;

type Script = ChildProcessByStdio<null, Readable, Readable>;

/**
 * Runs an inventory script as Ansible does, in the working directory unless another is given and with the environment of this process, and
 * gives what it printed. It has no standard input, so that it cannot wait for an answer. When `signal` aborts, the script is killed with everything
 * it started. Throws INVENTORY_SCRIPT when it cannot be started, ends with another status than 0, is killed or prints too much; the
 * message has the last line of its standard error.
 */
export async function runScript(
  file: string,
  parameters: readonly string[],
  { signal, directory }: { readonly signal: AbortSignal; readonly directory?: string | undefined },
): Promise<Buffer> {
  signal.throwIfAborted();
  const script = spawn(file, parameters, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const ended = endOf(script);
  const stop = (): void => {
    kill(script);
  };
  signal.addEventListener('abort', stop, { once: true });
  const errors = lastBytes(script.stderr);
  try {
    const output = await allBytes(script.stdout, file);
    const status = await ended;
    signal.throwIfAborted();
    if (status === 0) return output;
    throw failure(
      file,
      `ended with ${typeof status === 'number' ? `exit status ${status}` : `signal ${status}`}`,
      await errors,
    );
  } catch (error) {
    kill(script);
    await Promise.allSettled([ended, errors]);
    signal.throwIfAborted();
    if (error instanceof BackupError) throw error;
    throw new BackupError('INVENTORY_SCRIPT', `the inventory script ${file} cannot be run: ${systemReason(error)}`, {
      cause: error,
    });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Its exit status, or the signal that ended it. */
function endOf(script: Script): Promise<number | string> {
  const ended = new Promise<number | string>((resolve, reject) => {
    script.once('error', reject);
    script.once('exit', (status, signal) => {
      resolve(status ?? signal ?? 'unknown');
    });
  });
  // It is awaited after the output; until then a script that could not be started is no unhandled rejection.
  ended.catch(() => undefined);
  return ended;
}

/** With all processes of its group; what has left the group keeps only its output, which is not read any more. */
function kill(script: Script): void {
  script.stdout.destroy();
  script.stderr.destroy();
  if (script.pid === undefined) return;
  try {
    process.kill(-script.pid, 'SIGKILL');
  } catch {
    // All of them have ended.
  }
}

async function allBytes(stream: Readable, file: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of stream as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > maximumOutput) throw failure(file, 'printed more than 64 MiB', '');
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

async function lastBytes(stream: Readable): Promise<string> {
  let last = Buffer.alloc(0);
  try {
    for await (const piece of stream as AsyncIterable<Buffer>)
      last = Buffer.concat([last, piece]).subarray(-keptErrors);
  } catch {
    // It was killed: what it said until then is all there is.
  }
  return last.toString('utf8');
}

function failure(file: string, what: string, errors: string): BackupError {
  const line = errors.trimEnd().split('\n').at(-1)?.trim() ?? '';
  const said = line === '' ? 'it said nothing on standard error' : `its last line on standard error: ${line}`;
  return new BackupError('INVENTORY_SCRIPT', `the inventory script ${file} ${what}; ${said}`, {
    hint: `Run \`${file} --list\` and correct it; what it prints must be JSON.`,
  });
}
