import { spawn } from 'node:child_process';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { once } from 'node:events';

/**
 * Waits for the end of its standard input, which comes when this program says so, or ends, however that happens. Then it ends the process
 * group, in the second after by force, and removes the directory. Arguments: the process group, the directory or nothing.
 */
const script = `
end() {
  kill -s TERM -- "-$1" || return
  for time in 1 2 3 4 5 6 7 8 9 10; do
    sleep 0.1
    kill -s 0 -- "-$1" || return
  done
  kill -s KILL -- "-$1"
}
read -r word
end "$1" 2>/dev/null
[ -z "$2" ] || rm -rf -- "$2"`;

/** A process of this machine that ends with all it started when it is told to, and when this program ends, however that happens. */
export interface GuardedProcess {
  readonly child: ChildProcess;
  /** Ends what is left of the process group, and removes the directory. Resolves when that is done; never rejects. */
  readonly end: () => Promise<void>;
}

/**
 * Starts a program as the leader of a process group, and beside it a small shell that outlives this program and ends the group.
 * `directory` is removed then. `end` is to be called at once when the program has ended: its number may soon be another's. Rejects with
 * the system's error when either cannot be started; then nothing runs.
 */
export async function startGuarded(
  program: string,
  argv: readonly string[],
  { stdio, directory = '' }: { readonly stdio: StdioOptions; readonly directory?: string },
): Promise<GuardedProcess> {
  // In sessions of their own: an interrupt at our terminal must not reach them.
  const child = spawn(program, [...argv], { stdio, detached: true });
  const { pid } = child;
  try {
    // Together, so that the end of the program is not missed meanwhile.
    const [guard] = await Promise.all([pid === undefined ? undefined : startGuard(pid, directory), started(child)]);
    const end = async (): Promise<void> => {
      guard?.child.stdin?.end();
      await guard?.ended;
      // It did not come to its end: somebody killed it. As long as the program runs, the number is its own.
      const guardWasKilled = guard !== undefined && guard.child.signalCode !== null;
      if (guardWasKilled && pid !== undefined && isRunning(child)) killGroup(pid);
    };
    return { child, end };
  } catch (error) {
    if (pid !== undefined) killGroup(pid);
    throw error;
  }
}

async function startGuard(
  group: number,
  directory: string,
): Promise<{ readonly child: ChildProcess; readonly ended: Promise<void> }> {
  const child = spawn('/bin/sh', ['-c', script, 'lsbackup', String(group), directory], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  await started(child);
  return { child, ended: new Promise((resolve) => child.once('close', () => resolve())) };
}

function isRunning({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}

/** Without it the streams of the child may be missing (child_process.js of Node: EMFILE). */
async function started(child: ChildProcess): Promise<void> {
  await once(child, 'spawn');
  for (const emitter of [child, child.stdin]) emitter?.on('error', () => undefined);
}

function killGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}
