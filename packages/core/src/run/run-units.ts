import type { ArchiveWriter } from '../archive/archive.js';
import type { AnyComponent } from '../components/component.js';
import { abortError, BackupError } from '../model/errors.js';
import type { BackupOptions, PlannedUnit } from './api.js';
import { type FinishedUnit, unitStatus } from './describe.js';
import type { DiscoveredUnit } from './discover.js';
import type { Ledger } from './ledger.js';
import type { RunProgress } from './progress.js';
import { createScheduler } from './scheduler.js';
import { memoryLimit, type Session } from './session.js';
import { runUnit, type UnitOutcome, type UnitServices } from './unit-scope.js';

/** Also what a run has that sets none. */
const mostStreamsPerHost = 2;
/** Of the ten sessions sshd allows on a connection (sshd_config, MaxSessions), what is left beside locks, ledgers and helper commands. */
const channelsPerHost = 4;
/** What may be held of one open channel: a piece that is being read, one that waits, and the 2 MiB that its window then allows (remote/exit-gate.ts). */
const bytesPerChannel = 4 * 1024 * 1024;
/** Of the budget; the archive's buffers and compressed members have the rest. */
const channelShare = 3 / 8;
const defaultCleanUpSeconds = 60;
/** Node's timers end at 24 days, and fire at once beyond. */
const mostCleanUpSeconds = 86_400;

/** All units, in parallel where `after` allows: a component starts when those it names have settled, however they ended. */
export async function runUnits(
  { session, options }: { readonly session: Session; readonly options: BackupOptions },
  shared: { readonly ledger: Ledger; readonly writer: ArchiveWriter; readonly progress: RunProgress },
  discovered: readonly DiscoveredUnit[],
): Promise<FinishedUnit[]> {
  const { writer } = shared;
  shared.progress.expect(discovered.reduce((sum, { planned }) => sum + planned.artifacts.length, 0));
  const services: UnitServices = {
    ...shared,
    runId: session.runId,
    cluster: options.cluster,
    scheduler: createScheduler({
      buffers: writer.buffers,
      streams: Math.max(2, Math.floor((memoryLimit(options) * channelShare) / bytesPerChannel)),
      streamsPerHost: Math.min(options.limits?.streamsPerHost ?? mostStreamsPerHost, mostStreamsPerHost),
      channelsPerHost,
    }),
    remote: session.remote,
    options: session.options,
    signal: session.signal,
    log: session.log,
    cleanUpSeconds: Math.min(options.limits?.cleanUp ?? defaultCleanUpSeconds, mostCleanUpSeconds),
  };
  const settled = new Map<string, Promise<FinishedUnit[]>>();
  for (const component of inOrder(session.components))
    settled.set(component.name, runComponent(session, services, component, { discovered, settled }));
  const finished = (await Promise.all(settled.values())).flat();
  if (session.signal.aborted) throw abortError(session.signal);
  return finished;
}

/** Components such that each stands behind those it comes after. Errors: INTERNAL for a cycle, which is a mistake of whoever declared them. */
function inOrder(components: readonly AnyComponent[]): AnyComponent[] {
  const ordered: AnyComponent[] = [];
  let waiting = [...components];
  while (waiting.length > 0) {
    const names = new Set(waiting.map((component) => component.name));
    const ready = waiting.filter((component) => !component.after.some((name) => names.has(name)));
    if (ready.length === 0)
      throw new BackupError('INTERNAL', `components wait for each other: ${[...names].join(', ')}`);
    ordered.push(...ready);
    waiting = waiting.filter((component) => !ready.includes(component));
  }
  return ordered;
}

async function runComponent(
  session: Session,
  services: UnitServices,
  component: AnyComponent,
  run: { readonly discovered: readonly DiscoveredUnit[]; readonly settled: ReadonlyMap<string, Promise<unknown>> },
): Promise<FinishedUnit[]> {
  const own = run.discovered.filter((unit) => unit.component === component);
  if (own.length === 0) return [];
  await Promise.all(component.after.map((name) => run.settled.get(name) ?? Promise.resolve()));
  return Promise.all(
    own.map(async ({ planned, unit, error }) => {
      const tell = (
        status: 'started' | ReturnType<typeof unitStatus>,
        why: { readonly reason?: string | undefined; readonly error?: BackupError | undefined } = {},
      ): void =>
        session.emit({
          type: 'component',
          component: component.name,
          unit: planned.name,
          status,
          ...(why.reason === undefined ? {} : { reason: why.reason }),
          ...(why.error === undefined ? {} : { error: why.error }),
        });
      if (!unit) {
        const finished = { planned };
        tell(unitStatus(finished), { reason: planned.reason, error });
        return finished;
      }
      tell('started');
      const outcome = await runUnit(services, component, unit);
      tellWarnings(session, planned, outcome);
      if (outcome.error && !services.signal.aborted) session.emit({ type: 'error', error: outcome.error });
      tell(outcome.status, { reason: outcome.error?.message, error: outcome.error });
      return { planned, outcome };
    }),
  );
}

/** What did not stop the backup but belongs in front of whoever reads its output: a database that was left out, a file that grew. */
function tellWarnings(session: Session, planned: PlannedUnit, outcome: UnitOutcome): void {
  const [host, ...others] = planned.hosts;
  const where = { component: planned.component, ...(host === undefined || others.length > 0 ? {} : { host }) };
  const ofArtifacts = outcome.artifacts.flatMap(({ path, warnings }) =>
    warnings.map(({ code, message }) => ({ code, message: `${path}: ${message}` })),
  );
  for (const { code, message } of [...outcome.warnings, ...ofArtifacts])
    session.emit({ type: 'warning', code, message, ...where });
}
