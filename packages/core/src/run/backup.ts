import type { ArchiveWriter } from '../archive/archive.js';
import { createArchiveWriter } from '../archive/writer.js';
import { thisController } from '../controller/controller.js';
import type { Host } from '../cluster/cluster.js';
import { abortError, asBackupError, BackupError } from '../model/errors.js';
import { escapePiece } from '../model/names.js';
import type { HostRecord, Metadata } from '../model/metadata.js';
import type { Store, Upload } from '../stores/store.js';
import type { BackupOptions, BackupResult, Plan } from './api.js';
import { describeRun, type FinishedUnit } from './describe.js';
import { byHandSections } from './by-hand.js';
import { createLedger, type Ledger } from './ledger.js';
import { createProgress } from './progress.js';
import { publish } from './publish.js';
import { runUnits } from './run-units.js';
import {
  compactTimestamp,
  connectAll,
  createRunId,
  createSession,
  makePlan,
  memoryLimit,
  type Session,
} from './session.js';

const coreVersion = '0.1.0';

/**
 * Backs up every selected component of a cluster into one archive at the target.
 *
 * Resolves for a complete and for a partial archive, after it was published and its tail read back. Throws a BackupError when nothing was
 * published: usage and configuration errors (no host was touched), NO_HOST_REACHED, NOTHING_SAVED, the store's errors, ABORTED; and when
 * an archive was published that could not be read back (the message says so).
 */
export async function backup(options: BackupOptions): Promise<BackupResult> {
  const startedAt = new Date();
  const stop = new AbortController();
  if (options.signal?.aborted) throw abortError(options.signal);
  const name = options.name ?? options.cluster.name;
  if (name === '') throw new BackupError('USAGE', 'the name of the cluster is empty');
  const session = await createSession(options, createRunId(startedAt), stop.signal);
  try {
    await sweepTarget(session, options.target, startedAt);
    const fileName = `lsbackup-${escapePiece(name)}-${compactTimestamp(startedAt)}.tar.gz`;
    const upload = await options.target.begin(fileName, { signal: session.signal, runId: session.runId });
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

/** Removes what interrupted runs left. What cannot be removed is told, and takes nothing from this run. */
async function sweepTarget(session: Session, target: Store, startedAt: Date): Promise<void> {
  for (const { name, bytes, error } of await target.sweep(startedAt)) {
    if (error === undefined) session.log.info({ name, bytes }, 'removed what an interrupted run left at the target');
    else
      session.emit({
        type: 'warning',
        code: 'TARGET_LEFTOVER',
        message: `${name}, which an interrupted run left, could not be removed: ${error.message}`,
      });
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
      await publish(upload, { target: options.target, runId: session.runId, signal: session.signal });
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

async function seal(
  { session, options, name, startedAt }: Run,
  written: { readonly writer: ArchiveWriter; readonly plan: Plan; readonly units: readonly FinishedUnit[] },
): Promise<Metadata> {
  const { writer, plan, units } = written;
  if (!units.some(({ outcome }) => (outcome?.artifacts.length ?? 0) > 0)) throw nothingSaved(units);
  const described = {
    runId: session.runId,
    name,
    startedAt,
    tool: toolOf(options),
    cluster: options.cluster,
    plan,
    units,
  };
  return writer.finish(({ members }) => describeRun({ ...described, members }), byHandSections(session, units));
}

function toolOf(options: BackupOptions): { readonly name: string; readonly version: string } {
  return options.tool ?? { name: '@lsbackup/core', version: coreVersion };
}

function nothingSaved(units: readonly FinishedUnit[]): BackupError {
  const reasons = units
    .map(({ planned, outcome }) => ({ planned, reason: outcome?.error?.reason ?? planned.reason }))
    .map(({ planned, reason }) => `${planned.component} on ${planned.name}: ${reason ?? 'nothing'}`);
  return new BackupError('NOTHING_SAVED', `nothing was saved:\n  ${reasons.join('\n  ')}`);
}
