import type { ArchiveWriter } from '../archive/archive.js';
import { createArchiveWriter } from '../archive/writer.js';
import { openArchive } from '../archive/reader.js';
import { thisController } from '../controller/controller.js';
import type { Host } from '../cluster/cluster.js';
import type { AnyComponent } from '../components/component.js';
import { abortError, asBackupError, BackupError } from '../model/errors.js';
import { escapePiece } from '../model/names.js';
import type { HostRecord, Metadata } from '../model/metadata.js';
import type { Store, Upload } from '../stores/store.js';
import type { BackupOptions, BackupResult, Plan, PlannedUnit } from './api.js';
import { describeRun, type FinishedUnit, unitStatus } from './describe.js';
import type { DiscoveredUnit } from './discover.js';
import { createLedger, type Ledger } from './ledger.js';
import { createProgress, type RunProgress } from './progress.js';
import { createScheduler } from './scheduler.js';
import {
  compactTimestamp,
  connectAll,
  createRunId,
  createSession,
  makePlan,
  memoryLimit,
  type Session,
} from './session.js';
import { runUnit, type UnitOutcome, type UnitServices } from './unit-scope.js';

const coreVersion = '0.1.0';
const defaultStreamsPerHost = 2;
/** Of the ten sessions sshd allows on a connection (sshd_config, MaxSessions), what is left beside locks, ledgers and helper commands. */
const channelsPerHost = 4;
/** What ssh2 may hold for one open channel: its 2 MiB receive window and as much again on the way. */
const bytesPerChannel = 4 * 1024 * 1024;
/** Of the budget; the archive's buffers and compressed members have the rest. */
const channelShare = 3 / 8;
const defaultCleanUpSeconds = 60;

/**
 * Backs up every selected component of a cluster into one archive at the target.
 *
 * Resolves for a complete and for a partial archive, after it was published and its tail read back. Throws a BackupError when nothing was
 * published: usage and configuration errors (no host was touched), NO_HOST_REACHED, NOTHING_SAVED, the store's errors, ABORTED.
 */
export async function backup(options: BackupOptions): Promise<BackupResult> {
  const startedAt = new Date();
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  if (signal.aborted) throw abortError(signal);
  const session = createSession({ ...options, runId: createRunId(startedAt), signal });
  try {
    const leftovers = await options.target.sweep(startedAt);
    if (leftovers.length > 0) session.log.info({ leftovers }, 'removed what interrupted runs left at the target');
    const name = options.name ?? options.cluster.name;
    const fileName = `lsbackup-${escapePiece(name)}-${compactTimestamp(startedAt)}.tar.gz`;
    const upload = await options.target.begin(fileName, { signal, runId: session.runId });
    // The target failing (a full disk) ends the run: nothing that is read from now on could be kept.
    upload.body.on('error', (error) => stop.abort(asBackupError(error)));
    try {
      return await run({ session, options, upload, name, startedAt });
    } catch (error) {
      await giveUp(session, upload);
      throw firstCause(session.signal, error);
    }
  } finally {
    await session.pool[Symbol.asyncDispose]();
  }
}

/** What could not be removed at the target is told, and never hides why the run failed. */
async function giveUp(session: Session, upload: Upload): Promise<void> {
  try {
    await upload.abort();
  } catch (error) {
    const { message } = asBackupError(error);
    session.emit({
      type: 'warning',
      code: 'TARGET_LEFTOVER',
      message: `${upload.name}: the unfinished upload could not be removed: ${message}`,
    });
  }
}

/** A run that was stopped fails with the reason it was stopped for, whatever broke in consequence. */
function firstCause(signal: AbortSignal, error: unknown): BackupError {
  return signal.aborted ? abortError(signal) : asBackupError(error);
}

interface Run {
  readonly session: Session;
  readonly options: BackupOptions;
  readonly upload: Upload;
  readonly name: string;
  readonly startedAt: Date;
}

async function run(context: Run): Promise<BackupResult> {
  const { session, options, upload } = context;
  const hosts = await connectAll(session, options);
  const ledger = createLedger({
    runId: session.runId,
    startedAt: context.startedAt,
    controller: await thisController(),
    remote: session.remote,
    signal: session.signal,
    log: session.log,
    warn: (host, code, message) => session.emit({ type: 'warning', host: host.name, code, message }),
  });
  try {
    await prepareHosts(context, ledger, hosts);
    const { plan, discovered } = await makePlan(session, options, hosts);
    const writer = createArchiveWriter({
      output: upload.body,
      memory: memoryLimit(options),
      signal: session.signal,
      info: { cluster: context.name, startedAt: context.startedAt, tool: toolOf(options) },
      ...(options.limits?.level === undefined ? {} : { level: options.limits.level }),
    });
    const progress = createProgress(session.emit, () => writer.bytesWritten);
    try {
      const units = await runUnits(context, { ledger, writer, progress }, discovered);
      const metadata = await seal(context, { writer, plan, units });
      await publish(context, metadata);
      const result = {
        runId: session.runId,
        status: metadata.status,
        archive: upload.name,
        bytes: writer.bytesWritten,
        metadata,
      };
      session.emit({ type: 'published', archive: result.archive, status: result.status, bytes: result.bytes });
      return result;
    } finally {
      progress.stop();
    }
  } finally {
    await ledger.close();
  }
}

/** Locks the hosts and removes what dead runs left on them. A host in use by a restore is left alone: what it holds is half of something. */
async function prepareHosts({ session, options }: Run, ledger: Ledger, records: readonly HostRecord[]): Promise<void> {
  const reached = new Set(records.filter((record) => record.reached).map((record) => record.name));
  const hosts = options.cluster.hosts.filter((host) => reached.has(host.name));
  const results = await Promise.allSettled(hosts.map((host) => prepareHost(session, ledger, host)));
  if (session.signal.aborted) throw abortError(session.signal);
  const rejected = results.find((result) => result.status === 'rejected');
  if (rejected && results.every((result) => result.status === 'rejected')) throw asBackupError(rejected.reason);
}

async function prepareHost(session: Session, ledger: Ledger, host: Host): Promise<void> {
  try {
    await ledger.lock(host);
  } catch (error) {
    session.block(host, asBackupError(error, { host: host.name }));
    throw error;
  }
  try {
    await ledger.sweep(host);
  } catch (error) {
    const { message } = asBackupError(error);
    session.emit({
      type: 'warning',
      host: host.name,
      code: 'SWEEP_FAILED',
      message: `${host.name}: what earlier runs left could not be looked for: ${message}`,
    });
  }
}

/** All units, in parallel where `after` allows: a component starts when those it names have settled, however they ended. */
async function runUnits(
  { session, options }: Run,
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
      streamsPerHost: options.limits?.streamsPerHost ?? defaultStreamsPerHost,
      channelsPerHost,
    }),
    remote: session.remote,
    options: session.options,
    signal: session.signal,
    log: session.log,
    cleanUpSeconds: options.limits?.cleanUp ?? defaultCleanUpSeconds,
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
    own.map(async ({ planned, unit }) => {
      const tell = (status: 'started' | ReturnType<typeof unitStatus>, reason?: string): void =>
        session.emit({
          type: 'component',
          component: component.name,
          unit: planned.name,
          status,
          ...(reason === undefined ? {} : { reason }),
        });
      if (!unit) {
        const finished = { planned };
        tell(unitStatus(finished), planned.reason);
        return finished;
      }
      tell('started');
      const outcome = await runUnit(services, component, unit);
      tellWarnings(session, planned, outcome);
      if (outcome.error && !services.signal.aborted) session.emit({ type: 'error', error: outcome.error });
      tell(outcome.status, outcome.error?.message);
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

async function seal(
  { session, options, name, startedAt }: Run,
  written: { readonly writer: ArchiveWriter; readonly plan: Plan; readonly units: readonly FinishedUnit[] },
): Promise<Metadata> {
  const { writer, plan, units } = written;
  if (!units.some(({ outcome }) => (outcome?.artifacts.length ?? 0) > 0)) throw nothingSaved(units);
  return writer.finish(({ members }) =>
    describeRun({
      runId: session.runId,
      name,
      startedAt,
      tool: toolOf(options),
      cluster: options.cluster,
      plan,
      units,
      members,
    }),
  );
}

function toolOf(options: BackupOptions): { readonly name: string; readonly version: string } {
  return options.tool ?? { name: '@lsbackup/core', version: coreVersion };
}

function nothingSaved(units: readonly FinishedUnit[]): BackupError {
  const reasons = units
    .map(({ planned, outcome }) => ({ planned, reason: outcome?.error?.message ?? planned.reason }))
    .map(({ planned, reason }) => `${planned.component} on ${planned.name}: ${reason ?? 'nothing'}`);
  return new BackupError('NOTHING_SAVED', `nothing was saved:\n  ${reasons.join('\n  ')}`);
}

/** Commits, then reads the tail back: what the store shows under the name must be this run's archive. */
async function publish({ session, options, upload }: Run, metadata: Metadata): Promise<void> {
  await upload.commit({ stillOwner: () => Promise.resolve(!session.signal.aborted) });
  const runId = await readBack(options.target, upload.name);
  if (runId !== metadata.runId)
    throw new BackupError(
      'ARCHIVE_CORRUPT',
      `${upload.name}: what was read back after publishing is not what was written`,
    );
}

async function readBack(target: Store, name: string): Promise<string> {
  try {
    return (await openArchive(target, name)).metadata.runId;
  } catch (error) {
    const { code, message, hint } = asBackupError(error);
    throw new BackupError(code, `${name} was published, but could not be read back: ${message}`, {
      hint,
      cause: error,
    });
  }
}
