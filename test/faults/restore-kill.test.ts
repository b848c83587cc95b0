import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { root, startProgram } from '../support/lsbackup.js';
import { makeSynthetic, runSynthetic, setNames, stateOf } from '../support/synthetic-restore.mjs';

let base: string;

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'lsbackup-restore-'));
  await makeSynthetic(join(base, 'run'));
});

afterEach(async () => {
  await rm(base, { recursive: true });
});

type Direction = 'restore' | 'resume' | 'rollback';

/** In a process of its own, which is killed at the point; answers whether it was. */
async function killed(direction: Direction, killAt: number): Promise<boolean> {
  const program = join(root, 'test/support/synthetic-restore.mjs');
  const { finished } = startProgram(process.execPath, [program, direction, join(base, 'run'), String(killAt)]);
  const { status, signal, stderr } = await finished;
  if (signal !== 'SIGKILL' && status !== 0) throw new Error(stderr);
  return signal === 'SIGKILL';
}

async function states(): Promise<readonly string[]> {
  return Promise.all(setNames.map((set) => stateOf(join(base, 'run'), set)));
}

/** A copy of the journal and the data as they are now, which the answer puts back any number of times. Paths stay what they are. */
async function keep(name: string): Promise<() => Promise<void>> {
  const [run, kept] = [join(base, 'run'), join(base, name)];
  const copy = async (from: string, to: string): Promise<void> => {
    // What the killed process had started may still be at work: a name can vanish while it is copied.
    for (let tries = 0; ; tries += 1) {
      await rm(to, { recursive: true, force: true });
      try {
        await cp(from, to, { recursive: true, verbatimSymlinks: true });
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === 20) throw error;
      }
    }
  };
  await copy(run, kept);
  return () => copy(kept, run);
}

async function expectAll(direction: 'resume' | 'rollback', point: number): Promise<void> {
  const { status } = await runSynthetic(direction, join(base, 'run'));
  expect({ point, direction, status, states: await states() }).toEqual({
    point,
    direction,
    status: 'complete',
    states: direction === 'resume' ? allNew : allOld,
  });
}

const allOld = setNames.map(() => 'old');
const allNew = setNames.map(() => 'new');

it('is restored whole, or is as it was, wherever it was killed and whichever way it goes on', async () => {
  const putBack = await keep('untouched');
  const { points, status } = await runSynthetic('restore', join(base, 'run'));
  expect([status, await states()]).toEqual(['complete', allNew]);
  // Of each step: its beginning and end, the ends of prepare and probe, the beginning, the middle and the end of apply.
  expect(points).toBeGreaterThanOrEqual(12 * 7);
  let tried = 0;
  for (let point = 1; point <= points; point += 1) {
    await putBack();
    // The first points come before the plan is in the journal: nothing was begun then.
    if (!(await killed('restore', point))) continue;
    tried += 1;
    const putBackKilled = await keep('killed');
    await expectAll('resume', point);
    await expectAll('rollback', point);
    await putBackKilled();
    await expectAll('rollback', point);
  }
  expect(tried).toBe(points);
}, 900_000);

it('bears being killed again while it goes on, in either direction', async () => {
  const putBack = await keep('untouched');
  for (let point = 5; point < 80; point += 15) {
    for (const [first, second] of [
      ['resume', 'rollback'],
      ['rollback', 'resume'],
      ['rollback', 'rollback'],
      ['resume', 'resume'],
    ] as const) {
      await putBack();
      await killed('restore', point);
      // Somewhere else in each round; where the run is shorter than that it just ends.
      await killed(first, (point * 7) % 60);
      await runSynthetic(second, join(base, 'run'));
      expect({ point, first, second, states: await states() }).toEqual({
        point,
        first,
        second,
        states: second === 'resume' ? allNew : allOld,
      });
    }
  }
}, 900_000);

it('takes a journal that was cut in its last line, and refuses one that is damaged before', async () => {
  await killed('restore', 60);
  const [runId] = await readdir(join(base, 'run/state/restores'));
  const journal = join(base, 'run/state/restores', runId ?? '', 'journal.jsonl');
  const text = await readFile(journal, 'utf8');
  await writeFile(journal, `${text}{"type":"intent","step":"one/st`);
  expect((await runSynthetic('resume', join(base, 'run'))).status).toBe('complete');
  expect(await states()).toEqual(allNew);
  await writeFile(journal, text.replace('"type":"done"', '"type":"d'));
  await expect(runSynthetic('rollback', join(base, 'run'))).rejects.toMatchObject({ code: 'RESTORE_JOURNAL' });
}, 60_000);
