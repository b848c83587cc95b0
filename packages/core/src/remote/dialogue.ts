import type { Command, RemoteHost, RemoteProcess } from './remote-host.js';
import { abortError, asBackupError, BackupError } from '../model/errors.js';

/** For a session to become free on the connection, and for the command to start. */
const startSeconds = 120;

/** Questions and one-line answers with a remote command that stays alive. */
export interface Dialogue {
  /** Sends a line and waits for the next line of the answer. Errors: the command's own, COMMAND_TIMEOUT, or the abort reason. */
  ask(line: string, options: { readonly signal: AbortSignal; readonly seconds: number }): Promise<string>;
  /** Waits for a line without asking. */
  next(options: { readonly signal: AbortSignal; readonly seconds: number }): Promise<string>;
  /** Closes standard input and waits for the command's good end. */
  end(seconds: number): Promise<void>;
  /** Resolves when the command has ended, however it did: also with its connection. */
  readonly ended: Promise<void>;
}

export interface DialogueOptions {
  readonly what: string;
  readonly signal: AbortSignal;
  /** For a command that can be done without (RemoteHost.start). */
  readonly giveWay?: () => void;
}

/**
 * Starts the command. The signal ends the wait for that and never the command itself, which may be what cleans up after a cancellation.
 * Errors: those of `start`, COMMAND_TIMEOUT after 120 s, or the abort reason.
 */
export async function openDialogue(
  remote: RemoteHost,
  command: Command,
  { what, signal, giveWay }: DialogueOptions,
): Promise<Dialogue> {
  const starting = remote.start(command, giveWay && { giveWay });
  try {
    return dialogueWith(await within(starting, what, { signal, seconds: startSeconds }), what);
  } catch (error) {
    // One that starts too late is ended as any other; where that fails, the connection's end does it.
    starting.then((process) => dialogueWith(process, what).end(startSeconds)).catch(() => undefined);
    throw asBackupError(error);
  }
}

function dialogueWith(process: RemoteProcess, what: string): Dialogue {
  const lines = readLines(process)[Symbol.asyncIterator]();

  async function next(options: { readonly signal: AbortSignal; readonly seconds: number }): Promise<string> {
    const result = await within(lines.next(), what, options);
    if (result.done === true) {
      await process.exit;
      throw new BackupError('COMMAND_FAILED', `${what}: the remote command ended early`);
    }
    return result.value;
  }

  return {
    next,
    ask: async (line, options) => {
      process.stdin.write(`${line}\n`);
      return next(options);
    },
    end: async (seconds) => {
      process.stdin.end();
      const never = new AbortController();
      await within(process.exit, what, { signal: never.signal, seconds });
    },
    ended: process.exit.then(
      () => undefined,
      () => undefined,
    ),
  };
}

async function* readLines(process: RemoteProcess): AsyncGenerator<string, void> {
  let rest = '';
  for await (const chunk of process.stdout) {
    rest += (chunk as Buffer).toString('utf8');
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

async function within<T>(work: Promise<T>, what: string, limit: { signal: AbortSignal; seconds: number }): Promise<T> {
  const { signal, seconds } = limit;
  let stop: () => void = () => undefined;
  const limited = new Promise<never>((_resolve, reject) => {
    const timer = setTimeout(
      () => reject(new BackupError('COMMAND_TIMEOUT', `${what}: no answer within ${seconds} s`)),
      seconds * 1000,
    );
    const aborted = (): void => reject(abortError(signal));
    if (signal.aborted) aborted();
    signal.addEventListener('abort', aborted, { once: true });
    stop = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
    };
  });
  try {
    return await Promise.race([work, limited]);
  } finally {
    stop();
  }
}
