import pLimit from 'p-limit';
import { abortError, BackupError } from '../model/errors.js';
import type { SetOutcome } from './api.js';
import { runSet, type SetServices, type StepSet, undoSet } from './run-set.js';

/** Each has a stream and some questions on its host's connection, which takes few sessions at once. */
const setsAtOnce = 4;

/** All sets, side by side where their steps allow. A set whose predecessor did not end well is not begun. */
export async function runSets(sets: readonly StepSet[], services: SetServices): Promise<readonly SetOutcome[]> {
  const limit = pLimit(setsAtOnce);
  const settled = new Map<string, Promise<SetOutcome>>();
  for (const set of inOrder(sets)) {
    const before = outcomesOf(predecessors(set, sets), settled);
    const outcome = Promise.all(before).then(async (outcomes) => {
      const failed = outcomes.find((each) => each.status !== 'done');
      const result = failed === undefined ? await limit(() => unlessAborted(set, services)) : notBegun(set, failed.set);
      services.emit({ type: 'set', outcome: result });
      return result;
    });
    outcome.catch(() => undefined);
    settled.set(set.name, outcome);
  }
  return allOf(settled.values());
}

/** All sets that were begun, those first that others were waiting for last. */
export async function undoSets(sets: readonly StepSet[], services: SetServices): Promise<readonly SetOutcome[]> {
  const limit = pLimit(setsAtOnce);
  const settled = new Map<string, Promise<SetOutcome>>();
  for (const set of inOrder(sets).toReversed()) {
    const after = outcomesOf(
      sets.filter((other) => predecessors(other, sets).includes(set)),
      settled,
    );
    const outcome = Promise.all(after).then(async (outcomes) => {
      const stuck = outcomes.find((each) => each.status !== 'undone');
      const result = stuck === undefined ? await limit(() => undoSet(set, services)) : notUndone(set, stuck.set);
      services.emit({ type: 'set', outcome: result });
      return result;
    });
    outcome.catch(() => undefined);
    settled.set(set.name, outcome);
  }
  return allOf(settled.values());
}

function outcomesOf(
  sets: readonly StepSet[],
  settled: ReadonlyMap<string, Promise<SetOutcome>>,
): Promise<SetOutcome>[] {
  return sets.flatMap(({ name }) => settled.get(name) ?? []);
}

/** Waits for all, then throws the first error: nothing goes on behind the caller's back. */
async function allOf(work: Iterable<Promise<SetOutcome>>): Promise<readonly SetOutcome[]> {
  const results = await Promise.allSettled(work);
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

function unlessAborted(set: StepSet, services: SetServices): Promise<SetOutcome> {
  const isBegun = set.steps.some(({ id }) => services.journal.progressOf(id).state !== 'untouched');
  const { name, component } = set;
  if (services.signal.aborted && !isBegun)
    return Promise.resolve({ set: name, component, status: 'not begun', error: abortError(services.signal) });
  return runSet(set, services);
}

function notBegun({ name, component }: StepSet, because: string): SetOutcome {
  const error = new BackupError('RESTORE_FAILED', `${name}: not begun, because ${because} did not end well`, {
    component,
  });
  return { set: name, component, status: 'not begun', error };
}

function notUndone({ name, component }: StepSet, because: string): SetOutcome {
  const text = `${name}: not undone, because ${because}, which builds on it, is not`;
  return { set: name, component, status: 'undo failed', error: new BackupError('RESTORE_FAILED', text, { component }) };
}

/** The sets that have the steps which a set's own steps come after. */
function predecessors(set: StepSet, sets: readonly StepSet[]): readonly StepSet[] {
  const after = new Set(set.steps.flatMap((step) => step.after));
  return sets.filter((other) => other !== set && other.steps.some(({ id }) => after.has(id)));
}

/** Sets such that each stands behind those it comes after. Errors: INTERNAL for a cycle. */
export function inOrder(sets: readonly StepSet[]): readonly StepSet[] {
  const ordered: StepSet[] = [];
  let waiting = [...sets];
  while (waiting.length > 0) {
    const ready = waiting.filter((set) => predecessors(set, waiting).length === 0);
    if (ready.length === 0)
      throw new BackupError(
        'INTERNAL',
        `restore sets wait for each other: ${waiting.map(({ name }) => name).join(', ')}`,
      );
    ordered.push(...ready);
    waiting = waiting.filter((set) => !ready.includes(set));
  }
  return ordered;
}
