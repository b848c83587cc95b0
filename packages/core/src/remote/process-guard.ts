import { spawn } from 'node:child_process';
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

/** Ends processes of this machine, also when this program is killed. */
export interface ProcessGuard {
  /** Resolves when all of it is done. Never rejects. */
  end(): Promise<void>;
}

/**
 * Starts a small shell that outlives this program and ends the process group with this number, and what it left behind, after it.
 * `directory` is removed then. To be ended at once when the leader of the group has ended: its number may soon be another's.
 */
export function guardProcesses(group: number, directory = ''): ProcessGuard {
  const child = spawn('/bin/sh', ['-c', script, 'lsbackup', String(group), directory], {
    stdio: ['pipe', 'ignore', 'ignore'],
    // An interrupt at the terminal must not reach it.
    detached: true,
  });
  for (const emitter of [child, child.stdin]) emitter.on('error', () => undefined);
  const ended = once(child, 'close').then(
    () => undefined,
    () => undefined,
  );
  return {
    end() {
      child.stdin.end();
      return ended;
    },
  };
}
