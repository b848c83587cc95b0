import pLimit, { type LimitFunction } from 'p-limit';
import { asBackupError, BackupError } from '../../model/errors.js';
import { nameList } from '../../model/name-list.js';
import type { Artifact } from '../../model/artifact.js';
import type { Json } from '../../model/json.js';
import { artifactPath, escapePiece } from '../../model/names.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import type { BackupContext } from '../component.js';
import { saveAlone } from '../save-alone.js';
import { componentName, dumpName, type FoundDatabase, type PostgresqlFound } from './artifacts.js';
import { listDatabases, reasonToSkip, type Database } from './facts.js';
import type { PostgresqlOptions } from './options.js';
import { pgCustomFormat, type DumpObserver, type DumpSummary } from './pg-custom.js';
import { dumpCommand } from './server.js';
import { Session, type Baseline } from './snapshot.js';

/**
 * Sessions on one host, over all its servers: each holds a snapshot, which keeps vacuum from cleaning up, and one of the few channels of
 * the SSH connection.
 */
const sessionsAtOnce = 2;
const limits = new WeakMap<RemoteHost, LimitFunction>();

/** Databases that are renamed while they are looked for are looked for again, this often. */
const maximumRounds = 5;
/** What a dump may be silent for beside its wait for locks, in seconds. */
const streamQuiet = 120;

export interface Work {
  readonly context: BackupContext<PostgresqlOptions>;
  readonly remote: RemoteHost;
  readonly found: PostgresqlFound;
  readonly options: PostgresqlOptions;
}

/** The databases that were dumped: where each is, and what a path holds; and those that could not be, which the engine tells. */
interface Dumped {
  readonly work: Work;
  readonly failed: Set<number>;
  readonly byOid: Map<number, { readonly name: string; readonly path: string }>;
  readonly paths: Set<string>;
  readonly baselines: Map<string, Json>;
}

/**
 * Dumps every database of the plan, then whatever a further listing has that was not dumped: created, or renamed before its turn came. A
 * database is known by its oid, which a rename does not change. Returns the baseline. Errors: ARTIFACT_NOT_SAVED when one that is still
 * there could not be dumped, beside those of the dumps.
 */
export async function saveAllDatabases(work: Work): Promise<Readonly<Record<string, Json>>> {
  const dumped: Dumped = { work, failed: new Set(), byOid: new Map(), paths: new Set(), baselines: new Map() };
  const known = new Set(work.found.databases.map(({ oid }) => oid));
  await saveDatabases(dumped, work.found.databases);
  for (let round = 2; ; round += 1) {
    const listing = await listDatabases(work.remote, work.found.server, work.context.signal);
    const missing = listing.filter(
      (database) =>
        !dumped.byOid.has(database.oid) && !dumped.failed.has(database.oid) && skipReason(work, database) === undefined,
    );
    if (missing.length === 0 || round > maximumRounds) {
      refuseLoss(work, missing, known);
      settleExpected(dumped, listing);
      return baselineOf(dumped, listing);
    }
    for (const { oid } of missing) known.add(oid);
    await saveDatabases(dumped, missing);
  }
}

/** What is still missing after the last round: an error, unless it was created only since the round before. */
function refuseLoss({ context, found }: Work, missing: readonly Database[], known: ReadonlySet<number>): void {
  const { host } = found.server;
  const lost = missing.filter(({ oid }) => known.has(oid)).map(({ name }) => name);
  if (lost.length > 0)
    throw new BackupError(
      'ARTIFACT_NOT_SAVED',
      `${host}: databases were renamed again and again and could not be saved: ${lost.join(', ')}`,
      { host, retryable: true },
    );
  for (const { name } of missing)
    context.warn({
      code: 'DATABASE_SKIPPED',
      message: `${host}: database ${name} was created while the backup ended and is not saved`,
    });
}

/** Says of each planned database that is not at its planned path where it is. Nothing is called gone whose oid is still listed. */
function settleExpected({ work, failed, byOid, paths }: Dumped, listing: readonly Database[]): void {
  const { context, found } = work;
  const { host } = found.server;
  for (const { name, oid } of found.databases) {
    const path = artifactPath(componentName, host, dumpName(found.prefix, name));
    const saved = byOid.get(oid);
    if (saved?.path === path || failed.has(oid)) continue;
    const now = listing.find((database) => database.oid === oid);
    if (saved === undefined && now !== undefined)
      throw new BackupError(
        'ARTIFACT_NOT_SAVED',
        `${host}: database ${name}, now called ${now.name}, is not saved: ${skipReason(work, now) ?? 'its turn never came'}`,
        { host },
      );
    const evidence =
      saved === undefined
        ? `database ${name} was dropped after the plan was made`
        : `database ${name} is now called ${saved.name} and saved as ${saved.path}`;
    if (paths.has(path))
      context.warn({ code: 'DATABASE_REPLACED', message: `${host}: ${evidence}; ${path} holds its successor` });
    else context.gone(path, evidence);
  }
}

function baselineOf({ work, baselines }: Dumped, listing: readonly Database[]): Readonly<Record<string, Json>> {
  const skipped = listing.flatMap((database) => {
    const reason = skipReason(work, database);
    return reason === undefined ? [] : [[database.name, reason] as const];
  });
  return { databases: Object.fromEntries(baselines), skipped: Object.fromEntries(skipped) };
}

function skipReason({ options }: Work, database: Database): string | undefined {
  return reasonToSkip(database, options.exclude_databases);
}

async function saveDatabases(dumped: Dumped, databases: readonly FoundDatabase[]): Promise<void> {
  const limit = limitOf(dumped.work.remote);
  await all(databases.map((database) => limit(() => saveDatabase(dumped, database))));
}

/** What takes a session on a host for long waits for its turn here. */
export function limitOf(remote: RemoteHost): LimitFunction {
  const limit = limits.get(remote) ?? pLimit(sessionsAtOnce);
  limits.set(remote, limit);
  return limit;
}

/**
 * Connects first: a database that somebody is connected to can be neither dropped nor renamed, so that pg_dump, which goes by the name, finds
 * the same one. Where the name now stands for another database, or for none, the next listing tells what to do.
 */
async function saveDatabase(dumped: Dumped, database: FoundDatabase): Promise<void> {
  const { context, remote, found } = dumped.work;
  context.signal.throwIfAborted();
  let session: Session;
  try {
    session = await openSession(dumped.work, database.name);
  } catch (error) {
    const listing = await listDatabases(remote, found.server, context.signal);
    if (listing.some(({ name, oid }) => name === database.name && oid === database.oid))
      await saveDump(dumped, database, {
        open: () => Promise.reject(error instanceof Error ? error : new Error(String(error))),
      });
    return;
  }
  await using held = session;
  if (held.oid === database.oid) await dump(dumped, database, held);
}

function openSession({ context, remote, found }: Work, database: string): Promise<Session> {
  return Session.open({
    remote,
    server: found.server,
    database,
    versionNumber: found.versionNumber,
    signal: context.signal,
  });
}

async function dump(dumped: Dumped, database: FoundDatabase, session: Session): Promise<void> {
  const { remote, found, options } = dumped.work;
  let summary: DumpSummary | undefined;
  let counted: Promise<Baseline> | undefined;
  const quiet = options.lock_wait_timeout + streamQuiet;
  const saved = await saveDump(dumped, database, {
    quiet,
    observer: {
      // Not before: pg_dump writes nothing until it has locked every table.
      onStart: () => {
        counted = session.baseline(options.count_rows);
        counted.catch(() => undefined);
      },
      onEnd: (seen) => {
        summary = seen;
      },
    },
    open: async ({ signal }) => {
      const snapshot = await session.exportSnapshot();
      const request = { database: database.name, snapshot, lockWaitTimeout: options.lock_wait_timeout };
      return remote.read(dumpCommand(found.server, request), { signal, quiet });
    },
  });
  if (saved === undefined) return;
  dumped.byOid.set(database.oid, { name: database.name, path: saved.path });
  dumped.baselines.set(saved.title, {
    ...(await countsOf(dumped.work, database, counted)),
    entries: summary?.entries ?? 0,
    dataEntries: summary?.dataEntries ?? 0,
  });
}

/** What was counted. A dump is of use without it, so what is missing is a warning. */
async function countsOf(
  { context, found }: Work,
  { name }: FoundDatabase,
  counted: Promise<Baseline> | undefined,
): Promise<Baseline['counts'] | undefined> {
  const warn = (what: string): void =>
    context.warn({
      code: 'BASELINE_INCOMPLETE',
      message: `${found.server.host}: database ${name} is saved, but ${what}`,
    });
  try {
    const baseline = await counted;
    const { missing = [] } = baseline ?? {};
    if (missing.length > 0)
      warn(
        `the rows of ${String(missing.length)} of its tables could not be counted, because they were being changed or could not be locked: ${nameList(missing)}`,
      );
    return baseline?.counts;
  } catch (error) {
    warn(`counting it failed: ${asBackupError(error).message}`);
    return undefined;
  }
}

/** Saves one database's dump, or answers undefined: then the engine has its failure, and the other databases go on. */
async function saveDump(
  dumped: Dumped,
  database: FoundDatabase,
  how: Pick<Artifact, 'open' | 'quiet'> & { readonly observer?: DumpObserver },
): Promise<{ readonly title: string; readonly path: string } | undefined> {
  const { context, found } = dumped.work;
  const { observer, ...stream } = how;
  const { title, name, path } = freeName(dumped, database);
  const saved = await saveAlone(context, {
    path,
    ...(escapePiece(name) === name ? {} : { original: name }),
    format: pgCustomFormat(observer),
    host: found.server.host,
    ...stream,
  });
  if (saved) return { title, path };
  dumped.failed.add(database.oid);
  return undefined;
}

/** Takes the path of the database's name, or, where another database that had this name before is saved there, one with its oid. */
function freeName(
  { work, paths }: Dumped,
  { name: database, oid }: FoundDatabase,
): { readonly title: string; readonly name: string; readonly path: string } {
  const { server, prefix } = work.found;
  for (const title of [database, `${database}-${String(oid)}`]) {
    const name = dumpName(prefix, title);
    const path = artifactPath(componentName, server.host, name);
    if (paths.has(path)) continue;
    paths.add(path);
    return { title, name, path };
  }
  throw new BackupError('ARTIFACT_NOT_SAVED', `${server.host}: no artifact name is left for database ${database}`, {
    host: server.host,
  });
}

/** Waits for all, then throws the first error, so that nothing goes on behind the caller's back. */
export async function all(work: readonly Promise<unknown>[]): Promise<void> {
  const settled = await Promise.allSettled(work);
  const failed = settled.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
