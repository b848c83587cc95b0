import type { Archive } from '../archive/archive.js';
import { builtInComponents } from '../components/index.js';
import type { AnyComponent } from '../components/component.js';
import type { StepContext } from '../components/restore.js';
import { BackupError } from '../model/errors.js';
import type { RemoteHost } from '../remote/remote-host.js';
import { silentLogger } from '../model/logger.js';
import type { KeptData, RestoreEvent, RestoreResult, RestoreServices, SetOutcome } from './api.js';
import { openAccess, type HostAccess } from './host-access.js';
import { fence } from './host-fence.js';
import { type HostLocks, lockHosts } from './host-locks.js';
import type { Journal } from './journal.js';
import { findKind } from './kinds.js';
import { markHost, setMark } from './marked-host.js';
import type { SetServices, StepSet } from './run-set.js';
import { runSets, undoSets } from './run-sets.js';
import { stepSets } from './step-sets.js';

export interface Work {
  readonly services: RestoreServices;
  readonly journal: Journal;
  /** Where steps read from; undefined: nothing is read, because all is undone. */
  readonly archive: Archive | undefined;
  /** Connections for doing. */
  readonly access: HostAccess;
  /** Hosts that cannot be had, and why: what is on them fails with that, all else goes on. */
  readonly lacking: ReadonlyMap<string, BackupError>;
  readonly signal: AbortSignal;
  readonly emit: (event: RestoreEvent) => void;
}

/** Does or undoes the sets of a journal's plan, with its hosts locked. Errors: HOST_LOCKED, RESTORE_JOURNAL; all else is in the result. */
export async function work(job: Work, direction: 'do' | 'undo'): Promise<RestoreResult> {
  const { journal, access, signal } = job;
  const { plan } = journal;
  const components = job.services.components ?? builtInComponents;
  const log = job.services.logger ?? silentLogger;
  const sets = stepSets(plan.steps, plan.units);
  const hosts = [...new Set(plan.steps.map(({ host }) => host))].filter((name) => !job.lacking.has(name));
  const locks = await lockHosts(hosts, { runId: plan.runId, reach: (name) => access.remote(name), signal, log });
  const undoing = openAccess({ ...job.services, signal: undefined, emit: () => undefined });
  try {
    const services = setServices(job, { components, sets, undoing, locks });
    const outcomes = direction === 'do' ? await runSets(sets, services) : await undoSets(sets, services);
    return resultOf(job, outcomes, { components, direction });
  } finally {
    await locks.release();
    await undoing[Symbol.asyncDispose]();
  }
}

function setServices(
  { journal, archive, access, lacking, signal, emit, services }: Work,
  {
    components,
    sets,
    undoing,
    locks,
  }: {
    readonly components: readonly AnyComponent[];
    readonly sets: readonly StepSet[];
    readonly undoing: HostAccess;
    readonly locks: HostLocks;
  },
): SetServices {
  const { runId } = journal.plan;
  const markOf = (set: StepSet): string => setMark(runId, sets.indexOf(set));
  const reach = (hosts: HostAccess, name: string): Promise<RemoteHost> => {
    const why = lacking.get(name);
    return why === undefined ? hosts.remote(name) : Promise.reject(why);
  };
  const contextOn =
    (hosts: HostAccess) =>
    (set: StepSet, inner: AbortSignal): StepContext => ({
      runId,
      remote: async (host) => markHost(await reach(hosts, host), markOf(set)),
      read: async (path) => {
        if (archive === undefined) throw new BackupError('INTERNAL', `${path} is read while everything is undone`);
        return archive.read(path, { signal: inner });
      },
      warn: (warning) => emit({ type: 'warning', component: set.component, ...warning }),
      signal: inner,
      log: (services.logger ?? silentLogger).child({ component: set.component, set: set.name }),
    });
  return {
    journal,
    kindOf: (step) => findKind(components, step),
    doing: contextOn(access),
    undoing: contextOn(undoing),
    takeBack: async (set) => {
      const never = new AbortController();
      const names = [...new Set(set.steps.map(({ host }) => host))];
      await locks.renew(names, (name) => reach(undoing, name));
      await Promise.all(names.map(async (name) => fence(await reach(undoing, name), markOf(set), never.signal)));
    },
    signal,
    emit,
  };
}

function resultOf(
  { journal }: Work,
  sets: readonly SetOutcome[],
  { components, direction }: { readonly components: readonly AnyComponent[]; readonly direction: 'do' | 'undo' },
): RestoreResult {
  const wanted = direction === 'do' ? 'done' : 'undone';
  const good = sets.filter(({ status }) => status === wanted).length;
  const isStuck = sets.some(({ status }) => status === 'undo failed');
  const status = good === sets.length ? 'complete' : good > 0 && !isStuck ? 'partial' : 'failed';
  return { runId: journal.plan.runId, status, sets, kept: keptData(journal, components) };
}

/** Old data of steps that are done. */
function keptData(journal: Journal, components: readonly AnyComponent[]): readonly KeptData[] {
  return journal.plan.steps.flatMap((step) => {
    const progress = journal.progressOf(step.id);
    const { old, params, undo } = findKind(components, step);
    if (old === undefined || progress.state !== 'done') return [];
    const what = old.describe(params.parse(step.params), undo.parse(progress.undo));
    return what === undefined ? [] : [{ host: step.host, step: step.id, what }];
  });
}
