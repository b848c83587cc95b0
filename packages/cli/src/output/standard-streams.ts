// For its side effect: it listens to errors of standard output, and throws them, as soon as it is loaded. That must be before `guard`.
import '@oclif/core/command';

/** Standard output or standard error: whoever reads it may go away, and a disk it is written to may be full. */
export interface GuardedStream {
  /** The first error of writing; from then on nothing more is written. */
  readonly failure: NodeJS.ErrnoException | undefined;
  write(text: string): void;
  /** Takes note of an error that came another way than by `write`. */
  fail(error: NodeJS.ErrnoException): void;
  /** Resolves when all that was written has been taken, writing has failed, or nobody took it for an hour. */
  flush(): Promise<void>;
}

/** As long as somebody may leave a pager open; a reader that hangs must not keep the program for ever. */
const flushMilliseconds = 3_600_000;

/** A stream whose errors are kept instead of thrown: what cannot be said is no reason to leave a run without its clean-up. */
export function guard(stream: NodeJS.WriteStream, deadline = flushMilliseconds): GuardedStream {
  let failure: NodeJS.ErrnoException | undefined;
  const fail = (error: NodeJS.ErrnoException): void => {
    failure ??= error;
  };
  stream.removeAllListeners('error').on('error', fail);
  return {
    get failure() {
      return failure;
    },
    write: (text) => {
      if (failure === undefined) stream.write(text);
    },
    fail,
    flush: async () => {
      if (failure !== undefined) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(() => {
          fail(new Error('nobody reads it'));
          resolve();
        }, deadline);
        stream.write('', (error) => {
          clearTimeout(timer);
          if (error) fail(error);
          resolve();
        });
      });
    },
  };
}

export const standardOutput = guard(process.stdout);
export const standardError = guard(process.stderr);

/** An error of writing to a pipe, file or terminal, as opposed to one of reading what is written there. */
export function isWriteError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && error.syscall === 'write';
}

/**
 * Waits until all output has been taken, and returns the exit status: `status`, but 1 instead of 0 when standard output could not be
 * written. A reader that has enough (EPIPE) is none of that.
 */
export async function flushOutput(status: number): Promise<number> {
  await standardOutput.flush();
  const { failure } = standardOutput;
  const lost = failure !== undefined && failure.code !== 'EPIPE';
  if (lost) standardError.write(`Error: standard output cannot be written: ${failure.message}\n`);
  await standardError.flush();
  return status === 0 && lost ? 1 : status;
}
