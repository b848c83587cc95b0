import { exitStatuses } from '@lsbackup/core/store';
import type { RestoredUnit, RestoreResult } from '@lsbackup/core';
import { errorFields } from '../base/failure.js';
import type { Outcome } from '../base/run-command.js';
import { counted, indented, printable } from './text.js';

/** How a restore, or its rollback, ended. */
export function restoreOutcome(
  result: RestoreResult,
  run: {
    readonly archive: string;
    readonly direction: 'restore' | 'rollback';
    /** Of the plan; unset: what is not restored is not told. */
    readonly units?: readonly RestoredUnit[];
  },
): Outcome {
  const { runId, sets, kept } = result;
  const left = run.units?.filter((unit) => unit.sets.length === 0);
  const missed = left?.filter(({ isMissed }) => isMissed === true) ?? [];
  const status = result.status === 'complete' && missed.length > 0 ? 'partial' : result.status;
  return {
    summary: {
      status: run.direction === 'rollback' && status === 'complete' ? 'rolled back' : status,
      runId,
      archive: run.archive,
      sets: sets.map(({ error, ...set }) => ({ ...set, error: error ? errorFields(error) : null })),
      ...(left && {
        notRestored: left.map(({ component, unit, reason, isMissed }) => ({ component, unit, reason, isMissed })),
      }),
      kept,
    },
    text: printable(
      [headText(result, run), ...setTexts(result, run), ...leftTexts(left ?? []), ...keptTexts(result, run)].join('\n'),
    ),
    exitStatus: exitStatusOf({ status, sets }),
    isStopped: isStopped(result),
  };
}

/** Of a restore that failed as a whole: that of what went wrong first. */
function exitStatusOf({ status, sets }: Pick<RestoreResult, 'status' | 'sets'>): number {
  if (status === 'complete') return exitStatuses.complete;
  if (status === 'partial') return exitStatuses.partial;
  if (sets.some((set) => set.status === 'undo failed')) return exitStatuses.failed;
  return sets.find((set) => set.status === 'undone')?.error?.exitStatus ?? exitStatuses.failed;
}

/** Sets were not done because the run was aborted. What could not be undone is worse than that. */
function isStopped({ sets }: RestoreResult): boolean {
  const isStuck = sets.some(({ status }) => status === 'undo failed');
  return !isStuck && sets.some(({ status, error }) => status === 'not begun' || error?.code === 'ABORTED');
}

function headText({ status, sets, runId }: RestoreResult, { direction }: { readonly direction: string }): string {
  const good = sets.filter((set) => set.status === (direction === 'restore' ? 'done' : 'undone')).length;
  const verb = direction === 'restore' ? 'Restored' : 'Undone';
  if (status === 'complete') return `${verb}: ${counted(good, 'set')} (restore ${runId})`;
  return `${verb} ${good} of ${counted(sets.length, 'set')} (restore ${runId})`;
}

const meanings: Readonly<Record<string, string>> = {
  undone: 'failed, and is as it was before',
  'not begun': 'not begun, as it was before',
  'undo failed': 'FAILED, AND COULD NOT BE UNDONE',
  done: 'not undone',
};

function setTexts({ sets, runId }: RestoreResult, { direction }: { readonly direction: string }): readonly string[] {
  const bad = sets.filter((set) => set.status !== (direction === 'restore' ? 'done' : 'undone'));
  const stuck = bad.some((set) => set.status === 'undo failed');
  return [
    ...bad.map(({ set, status, error }) => `  ${set}: ${meanings[status] ?? status}: ${error?.reason ?? ''}`),
    ...(stuck ? [`Try again when the cause is gone: lsbackup restore --rollback ${runId}`] : []),
  ];
}

function leftTexts(left: readonly RestoredUnit[]): readonly string[] {
  const listed = (title: string, units: readonly RestoredUnit[]): readonly string[] =>
    units.length === 0
      ? []
      : [title, ...units.map(({ component, unit, reason }) => `  ${component} ${unit}: ${reason ?? ''}`)];
  return [
    ...listed(
      'NOT RESTORED, though it was meant to be:',
      left.filter(({ isMissed }) => isMissed === true),
    ),
    ...listed(
      'Not restored:',
      left.filter(({ isMissed }) => isMissed !== true),
    ),
  ];
}

function keptTexts({ kept, runId }: RestoreResult, { direction }: { readonly direction: string }): readonly string[] {
  if (kept.length === 0 || direction !== 'restore') return [];
  return [
    'The old data is kept:',
    ...kept.map(({ host, what }) => indented(`${host}: ${what}`)),
    `To go back: lsbackup restore --rollback ${runId}. To remove it: lsbackup restore --drop-old ${runId}.`,
  ];
}
