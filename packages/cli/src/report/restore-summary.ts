import { exitStatuses } from '@lsbackup/core/store';
import type { RestoreResult } from '@lsbackup/core';
import { errorFields } from '../base/failure.js';
import type { Outcome } from '../base/run-command.js';
import { counted, indented, printable } from './text.js';

/** How a restore, or its rollback, ended. */
export function restoreOutcome(
  result: RestoreResult,
  run: { readonly archive: string; readonly direction: 'restore' | 'rollback' },
): Outcome {
  const { runId, status, sets, kept } = result;
  return {
    summary: {
      status: run.direction === 'rollback' && status === 'complete' ? 'rolled back' : status,
      runId,
      archive: run.archive,
      sets: sets.map(({ error, ...set }) => ({ ...set, error: error ? errorFields(error) : null })),
      kept,
    },
    text: printable([headText(result, run), ...setTexts(result, run), ...keptTexts(result, run)].join('\n')),
    exitStatus: exitStatusOf(result),
  };
}

/** Of a restore that failed as a whole: that of what went wrong first. */
function exitStatusOf({ status, sets }: RestoreResult): number {
  if (status === 'complete') return exitStatuses.complete;
  if (status === 'partial') return exitStatuses.partial;
  if (sets.some((set) => set.status === 'undo failed')) return exitStatuses.failed;
  return sets.find((set) => set.status === 'undone')?.error?.exitStatus ?? exitStatuses.failed;
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

function keptTexts({ kept, runId }: RestoreResult, { direction }: { readonly direction: string }): readonly string[] {
  if (kept.length === 0 || direction !== 'restore') return [];
  return [
    'The old data is kept:',
    ...kept.map(({ host, what }) => indented(`${host}: ${what}`)),
    `To go back: lsbackup restore --rollback ${runId}. To remove it: lsbackup restore --drop-old ${runId}.`,
  ];
}
