import { asBackupError, BackupError } from '../model/errors.js';
import type { RestoreEvent } from './api.js';
import { Journal, type RecordedRun, restoreRuns } from './journal.js';

/**
 * Refuses to go on with or to undo what a later restore has changed since: its kept data is what this run made, and undone in the wrong order both would mix.
 * Only runs with a journal on this machine are known. Errors: RESTORE_RUN.
 */
export async function refuseLaterRuns(
  stateDirectory: string,
  run: RecordedRun,
  { sets, emit }: { readonly sets: ReadonlySet<string>; readonly emit: (event: RestoreEvent) => void },
): Promise<void> {
  const { runId, startedAt } = run.plan;
  const own = touched(run, (set) => sets.has(set));
  const candidates = (await restoreRuns(stateDirectory)).filter(
    (other) => other !== runId && secondOf(other) >= secondOf(runId),
  );
  for (const later of candidates.toReversed()) {
    const other = await readOther(stateDirectory, later, emit);
    if (other === undefined || other.plan.startedAt < startedAt) continue;
    const both = [...touched(other, (set) => isChanged(other, set))].find(([place]) => own.has(place));
    if (both !== undefined)
      throw new BackupError('RESTORE_RUN', `${both[1]} was restored again since, by ${later}`, {
        hint: `Undo that one first: lsbackup restore --rollback ${later}`,
      });
  }
}

/** When a run began, as its id has it. */
function secondOf(runId: string): string {
  return runId.split('-')[0] ?? '';
}

/** What a later run has begun and not undone. */
function isChanged(run: RecordedRun, set: string): boolean {
  return run.plan.steps.some(
    (step) => step.set === set && !['untouched', 'reverted'].includes(run.progressOf(step.id).state),
  );
}

/** Sets by what they are and on which machine: hosts of two clusters may have the same names. */
function touched({ plan }: RecordedRun, isMeant: (set: string) => boolean): ReadonlyMap<string, string> {
  const machines = new Map(plan.hosts.map(({ name, machineId }) => [name, machineId]));
  const steps = plan.steps.filter(({ set }) => isMeant(set));
  return new Map(steps.map(({ set, host }) => [JSON.stringify([set, machines.get(host)]), set]));
}

async function readOther(
  stateDirectory: string,
  runId: string,
  emit: (event: RestoreEvent) => void,
): Promise<RecordedRun | undefined> {
  try {
    return await Journal.read(stateDirectory, runId);
  } catch (error) {
    const { code, message } = asBackupError(error);
    // Of a run that was killed before its plan was written, nothing was begun.
    if (code === 'RESTORE_RUN') return undefined;
    emit({ type: 'warning', code, message: `whether ${runId} restored the same is not known: ${message}` });
    return undefined;
  }
}
