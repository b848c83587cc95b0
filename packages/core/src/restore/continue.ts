import type { Archive } from '../archive/archive.js';
import { abortError, BackupError } from '../model/errors.js';
import type { RestoreEvent, RestoreResult, RestoreServices } from './api.js';
import { dropOldData } from './drop-old.js';
import { type HostAccess, openAccess } from './host-access.js';
import { fence } from './host-fence.js';
import { Journal, type JournaledPlan } from './journal.js';
import { claimRun } from './run-claim.js';
import { work } from './work.js';

/** What the journal of an earlier restore says, for whoever wants to show or finish it. Errors: RESTORE_RUN, RESTORE_JOURNAL. */
export async function readRestore(stateDirectory: string, runId: string): Promise<JournaledPlan> {
  await using journal = await Journal.open(stateDirectory, runId);
  return journal.plan;
}

export interface ContinueOptions extends RestoreServices {
  readonly runId: string;
}

/**
 * Goes on with a restore whose process ended: does what is not done. The archive must be the one that was planned with. Errors: RESTORE_RUN, RESTORE_JOURNAL, RUN_ACTIVE,
 * RESTORE_HOST (a host is another machine now), HOST_LOCKED, the hosts' own.
 */
export function resumeRestore(options: ContinueOptions & { readonly archive: Archive }): Promise<RestoreResult> {
  return onJournal(options, (journal, access) => {
    const { archive } = journal.plan;
    if (options.archive.metadata.runId !== archive.runId)
      throw new BackupError(
        'RESTORE_RUN',
        `${options.archive.name} is not the archive that restore ${options.runId} began with`,
        {
          hint: `That was ${archive.name}, written by the backup ${archive.runId}.`,
        },
      );
    return work({ ...jobOf(options, journal, access), archive: options.archive }, 'do');
  });
}

/** Puts everything back as it was before the restore, also when it had ended well; what was written since is lost. Errors: as `resumeRestore`. */
export function rollbackRestore(options: ContinueOptions): Promise<RestoreResult> {
  return onJournal(options, (journal, access) => {
    refuseDropped(journal);
    return work(jobOf(options, journal, access), 'undo');
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
  return onJournal(options, (journal, access) => dropOldData(jobOf(options, journal, access)));
}

function jobOf(services: ContinueOptions, journal: Journal, access: HostAccess): Parameters<typeof work>[0] {
  return { services, journal, archive: undefined, access, signal: signalOf(services), emit: emitOf(services) };
}

function signalOf({ signal }: ContinueOptions): AbortSignal {
  return signal ?? new AbortController().signal;
}

function emitOf({ onEvent }: ContinueOptions): (event: RestoreEvent) => void {
  return onEvent ?? ((): void => undefined);
}

/** With the run claimed, its hosts the same machines, and nothing of it running on them any more. */
async function onJournal<T>(
  options: ContinueOptions,
  task: (journal: Journal, access: HostAccess) => Promise<T>,
): Promise<T> {
  const signal = signalOf(options);
  if (signal.aborted) throw abortError(signal);
  const emit = emitOf(options);
  await using journal = await Journal.open(options.stateDirectory, options.runId);
  emit({ type: 'started', runId: options.runId });
  const claim = await claimRun(journal.directory, options.runId);
  try {
    await using access = openAccess({ ...options, signal, emit });
    await Promise.all(journal.plan.hosts.map((host) => takeHost(access, host, { runId: options.runId, signal })));
    return await task(journal, access);
  } finally {
    await claim.release();
  }
}

async function takeHost(
  access: HostAccess,
  { name, machineId }: JournaledPlan['hosts'][number],
  { runId, signal }: { readonly runId: string; readonly signal: AbortSignal },
): Promise<void> {
  const remote = await access.remote(name);
  if (remote.facts.machineId !== machineId)
    throw new BackupError('RESTORE_HOST', `${name} is not the machine that restore ${runId} began on`, { host: name });
  await fence(remote, runId, signal);
}
