import { builtInComponents } from '../components/index.js';
import { BackupError } from '../model/errors.js';
import { silentLogger } from '../model/logger.js';
import { lockHosts } from './host-locks.js';
import { findKind } from './kinds.js';
import { markHost } from './marked-host.js';
import type { Work } from './work.js';

/** Removes what the steps of a run that is done have kept; what is gone already is no error. Answers what was removed, for people. */
export async function dropOldData({ services, journal, access, signal, emit }: Work): Promise<readonly string[]> {
  const components = services.components ?? builtInComponents;
  const log = services.logger ?? silentLogger;
  const { plan } = journal;
  const open = plan.steps.find(({ id }) => ['begun', 'reverting'].includes(journal.progressOf(id).state));
  if (open !== undefined)
    throw new BackupError('RESTORE_RUN', `restore ${plan.runId} is not finished: ${open.title}`, {
      hint: 'Finish it first with --resume, or undo it with --rollback.',
    });
  const hosts = [...new Set(plan.steps.map(({ host }) => host))];
  const locks = await lockHosts(hosts, { runId: plan.runId, reach: (host) => access.remote(host), signal, log });
  try {
    const dropped: string[] = [];
    for (const step of plan.steps) {
      const kind = findKind(components, step);
      const progress = journal.progressOf(step.id);
      if (kind.old === undefined || (progress.state !== 'done' && progress.state !== 'dropping')) continue;
      const params = kind.params.parse(step.params);
      const undo = kind.undo.parse(progress.undo);
      const what = kind.old.describe(params, undo);
      await journal.record({ type: 'dropping', step: step.id });
      await kind.old.drop(
        {
          runId: plan.runId,
          remote: async (host) => markHost(await access.remote(host), plan.runId),
          read: () => Promise.reject(new BackupError('INTERNAL', 'nothing is read while old data is removed')),
          warn: (warning) => emit({ type: 'warning', ...warning }),
          signal,
          log,
        },
        params,
        undo,
      );
      await journal.record({ type: 'dropped', step: step.id });
      if (what !== undefined) dropped.push(`${step.host}: ${what}`);
    }
    return dropped;
  } finally {
    await locks.release();
  }
}
