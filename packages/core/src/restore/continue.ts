import type { Archive } from '../archive/archive.js';
import type { Step } from '../components/restore.js';
import { abortError, asBackupError, BackupError } from '../model/errors.js';
import { silentLogger } from '../model/logger.js';
import type { RestoreEvent, RestoreResult, RestoreServices } from './api.js';
import { dropOldData } from './drop-old.js';
import { type HostAccess, openAccess } from './host-access.js';
import { fence } from './host-fence.js';
import { findRun, Journal, type JournaledPlan } from './journal.js';
import { claimRun } from './run-claim.js';
import { refuseLaterRuns } from './later-runs.js';
import { work, type Work } from './work.js';

/** What the journal of an earlier restore says, for whoever wants to show or finish it. Errors: RESTORE_RUN, RESTORE_JOURNAL. */
export async function readRestore(stateDirectory: string, runId: string): Promise<JournaledPlan> {
  return (await Journal.read(stateDirectory, runId)).plan;
}

export interface ContinueOptions extends RestoreServices {
  readonly runId: string;
}

/**
 * Goes on with a restore whose process ended: does what is not done. The archive must be the one that was planned with. Errors: RESTORE_RUN, RESTORE_JOURNAL, RUN_ACTIVE,
 * RESTORE_HOST (a host is another machine now), HOST_LOCKED, the hosts' own.
 */
export function resumeRestore(options: ContinueOptions & { readonly archive: Archive }): Promise<RestoreResult> {
  return onJournal(options, async (continued) => {
    const { archive, steps } = continued.journal.plan;
    if (options.archive.metadata.runId !== archive.runId)
      throw new BackupError(
        'RESTORE_RUN',
        `${options.archive.name} is not the archive that restore ${options.runId} began with`,
        {
          hint: `That was ${archive.name}, written by the backup ${archive.runId}.`,
        },
      );
    const open = steps.filter(
      ({ id }) => !['done', 'dropping', 'dropped'].includes(continued.journal.progressOf(id).state),
    );
    await refuseLater(options, continued, open);
    return work({ ...jobOf(options, continued), archive: options.archive }, 'do');
  });
}

/** Puts everything back as it was before the restore, also when it had ended well; what was written since is lost. Errors: as `resumeRestore`. */
export function rollbackRestore(options: ContinueOptions): Promise<RestoreResult> {
  return onJournal(options, async (continued) => {
    const { journal } = continued;
    refuseDropped(journal);
    const begun = journal.plan.steps.filter(
      ({ id }) => !['untouched', 'reverted'].includes(journal.progressOf(id).state),
    );
    await refuseLater(options, continued, begun);
    return work(jobOf(options, continued), 'undo');
  });
}

/** Before anything is undone: half of it would be worse. */
function refuseDropped(journal: Journal): void {
  const { plan } = journal;
  const dropped = plan.steps.find(({ id }) => ['dropping', 'dropped'].includes(journal.progressOf(id).state));
  if (dropped === undefined) return;
  throw new BackupError('RESTORE_RUN', `restore ${plan.runId} cannot be undone: its old data was removed (--drop-old)`);
}

/** Removes the old data that a restore kept. Afterwards it cannot be rolled back. Errors: as `resumeRestore`; RESTORE_RUN while sets are not done. */
export function dropRestored(options: ContinueOptions): Promise<readonly string[]> {
  return onJournal(options, (continued) => {
    const [reason] = continued.lacking.values();
    if (reason !== undefined) throw reason;
    return dropOldData(jobOf(options, continued));
  });
}

function refuseLater(options: ContinueOptions, { journal }: Continued, steps: readonly Step[]): Promise<void> {
  const sets = new Set(steps.map(({ set }) => set));
  return refuseLaterRuns(options.stateDirectory, journal, { sets, emit: emitOf(options) });
}

function jobOf(services: ContinueOptions, continued: Continued): Work {
  return { services, ...continued, archive: undefined, signal: signalOf(services), emit: emitOf(services) };
}

function signalOf({ signal }: ContinueOptions): AbortSignal {
  return signal ?? new AbortController().signal;
}

function emitOf({ onEvent }: ContinueOptions): (event: RestoreEvent) => void {
  return onEvent ?? ((): void => undefined);
}

/** What a task has: the journal of its run, the hosts, and those that cannot be had. */
interface Continued {
  readonly journal: Journal;
  readonly access: HostAccess;
  readonly lacking: ReadonlyMap<string, BackupError>;
}

/** With the run claimed, its hosts the same machines, and nothing of it running on them any more. */
async function onJournal<T>(options: ContinueOptions, task: (continued: Continued) => Promise<T>): Promise<T> {
  const { stateDirectory, runId } = options;
  const signal = signalOf(options);
  if (signal.aborted) throw abortError(signal);
  const emit = emitOf(options);
  // Claimed first: what is opened for writing may be cut at its last whole line.
  const claim = await claimRun(await findRun(stateDirectory, runId), { runId, log: options.logger ?? silentLogger });
  try {
    await using journal = await Journal.open(stateDirectory, runId);
    emit({ type: 'started', runId });
    await using access = openAccess({ ...options, signal, emit });
    const lacking = await takeHosts(access, journal.plan, signal);
    return await task({ journal, access, lacking });
  } finally {
    await claim.release();
  }
}

/** Answers the hosts that cannot be had, and why. Errors: the first reason, where that is all of them, or the run was aborted. */
async function takeHosts(
  access: HostAccess,
  { hosts, runId }: JournaledPlan,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, BackupError>> {
  const results = await Promise.allSettled(hosts.map((host) => takeHost(access, host, { runId, signal })));
  if (signal.aborted) throw abortError(signal);
  const lacking = hosts.flatMap(({ name }, index): [string, BackupError][] => {
    const result = results[index];
    return result?.status === 'rejected' ? [[name, asBackupError(result.reason, { host: name })]] : [];
  });
  const [first] = lacking;
  if (first !== undefined && lacking.length === hosts.length) throw first[1];
  return new Map(lacking);
}

async function takeHost(
  access: HostAccess,
  { name, machineId }: JournaledPlan['hosts'][number],
  { runId, signal }: { readonly runId: string; readonly signal: AbortSignal },
): Promise<void> {
  const remote = await access.remote(name);
  if (remote.facts.machineId !== machineId)
    throw new BackupError('RESTORE_HOST', `${name} is not the machine that restore ${runId} began on`, {
      host: name,
      hint: 'Nothing is done on it. What the restore kept is on the machine that it began on.',
    });
  await fence(remote, runId, signal);
}
