import { abortError, asBackupError, BackupError } from '../model/errors.js';
import { createRunId } from '../run/session.js';
import type { RestoreOptions, RestorePlan, RestoreResult } from './api.js';
import { silentLogger } from '../model/logger.js';
import { openAccess } from './host-access.js';
import { Journal } from './journal.js';
import { planRestore } from './plan.js';
import { claimRun } from './run-claim.js';
import { work } from './work.js';

/** A restore that is planned and not begun. Disposing of it closes its connections. */
export interface PreparedRestore extends AsyncDisposable {
  readonly plan: RestorePlan;
  /**
   * Does it. `irreversible` names the components whose steps that cannot be undone are wanted. Resolves also where sets failed and were undone; their errors
   * are in the result. Errors, with nothing touched: RESTORE_UNCONFIRMED, HOST_LOCKED, HOST_PREFLIGHT, RESTORE_JOURNAL; with the journal left for `resumeRestore` and
   * `rollbackRestore`: RESTORE_JOURNAL.
   */
  apply(confirmed?: { readonly irreversible?: readonly string[] }): Promise<RestoreResult>;
}

/**
 * Looks at the archive and the hosts, verifies every byte that is needed and plans; nothing is changed before `apply`. Errors: as `planRestore`, NO_HOST_REACHED,
 * ABORTED.
 */
export async function prepareRestore(options: RestoreOptions): Promise<PreparedRestore> {
  const startedAt = new Date();
  const runId = createRunId(startedAt);
  const signal = options.signal ?? new AbortController().signal;
  if (signal.aborted) throw abortError(signal);
  const emit = options.onEvent ?? ((): void => undefined);
  emit({ type: 'started', runId });
  const access = openAccess({ ...options, signal, emit });
  try {
    const plan = await planRestore(options, { runId, remote: (host) => access.remote(host), signal, emit });
    emit({ type: 'plan', plan });
    return {
      plan,
      apply: async ({ irreversible = [] } = {}) => {
        requireConfirmed(plan, irreversible);
        await using journal = await begin(options, plan, startedAt);
        const claim = await claimRun(journal.directory, { runId, log: options.logger ?? silentLogger });
        try {
          return await work(
            { services: options, journal, archive: options.archive, access, lacking: new Map(), signal, emit },
            'do',
          );
        } finally {
          await claim.release();
        }
      },
      [Symbol.asyncDispose]: () => access[Symbol.asyncDispose](),
    };
  } catch (error) {
    await access[Symbol.asyncDispose]();
    throw firstCause(signal, error);
  }
}

function requireConfirmed(plan: RestorePlan, irreversible: readonly string[]): void {
  const missing = plan.irreversible.filter((component) => !irreversible.includes(component));
  if (missing.length === 0) return;
  throw new BackupError('RESTORE_UNCONFIRMED', `there are steps that cannot be undone: ${missing.join(', ')}`, {
    hint: 'Name each of these components to confirm it.',
  });
}

function begin(options: RestoreOptions, plan: RestorePlan, startedAt: Date): Promise<Journal> {
  const target = new Set(plan.steps.map(({ host }) => host));
  const machines = new Map(plan.hosts.map(({ target: name, machineId }) => [name, machineId]));
  return Journal.create(options.stateDirectory, {
    runId: plan.runId,
    startedAt: startedAt.toISOString(),
    archive: { name: plan.archive, runId: options.archive.metadata.runId },
    hosts: [...target].map((name) => ({ name, machineId: machines.get(name) ?? '' })),
    units: plan.units,
    steps: plan.steps,
    context: options.context ?? null,
  });
}

/** A run that was stopped fails with the reason it was stopped for, whatever broke in consequence. */
function firstCause(signal: AbortSignal, error: unknown): BackupError {
  return signal.aborted ? abortError(signal) : asBackupError(error);
}
