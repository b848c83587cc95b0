import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { shellOnHost } from './cluster-host.js';
import { type Finished, type JsonLine, jsonLines, startLsbackup } from './lsbackup.js';

/** Restores of one test, with journals of their own. */
export class RestoreRuns {
  readonly #state: string;

  constructor(state: string) {
    this.#state = state;
  }

  /** `lsbackup restore` with these arguments, to its end. */
  run(...args: readonly string[]): Promise<Finished> {
    return startLsbackup(['restore', ...args], { XDG_STATE_HOME: this.#state }).finished;
  }

  /** Does something as soon as the restore has told its `count`th step event; answers how it ended and whether that came. */
  async during(
    args: readonly string[],
    count: number,
    act: (kill: () => void) => Promise<void> | void,
  ): Promise<Finished & { readonly acted: boolean }> {
    const { child, finished } = startLsbackup(['restore', ...args, '--json'], { XDG_STATE_HOME: this.#state });
    let text = '';
    let seen = 0;
    let acting: Promise<void> | undefined;
    child.stdout?.on('data', (chunk: string) => {
      text += chunk;
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        if ((JSON.parse(line) as JsonLine).type !== 'step') continue;
        seen += 1;
        if (seen === count) acting = Promise.resolve(act(() => child.kill('SIGKILL')));
      }
    });
    const ended = await finished;
    await acting;
    return { ...ended, acted: acting !== undefined };
  }

  /** The last run's id. */
  async lastRun(): Promise<string> {
    const runs = await readdir(join(this.#state, 'lsbackup/restores'));
    return runs.sort().at(-1) ?? '';
  }
}

export function summaryOf(finished: Finished): JsonLine {
  const [summary] = jsonLines(finished.stdout).filter((line) => line.type === 'summary');
  if (summary === undefined) throw new Error(`no summary in ${finished.stdout}\n${finished.stderr}`);
  return summary;
}

/**
 * Names, kinds, modes, owners, sizes, times, link targets and contents of everything in these trees; directories without times.
 * A tree that is not there is told as absent.
 */
export async function manifest(host: string, ...paths: readonly string[]): Promise<string> {
  return shellOnHost(
    host,
    `for path in ${paths.join(' ')}; do
      if ! test -e "$path"; then echo "$path absent"; continue; fi
      find "$path" -type d -printf '%p %y %m %U %G\\n' , ! -type d -printf '%p %y %m %U %G %s %T@ %l\\n'
      find "$path" -type f -exec sha256sum {} +
    done 2>&1 | sort`,
  );
}
