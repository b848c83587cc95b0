import pLimit from 'p-limit';
import { sqlFormat } from '../../formats/sql.js';
import { tarArtifact } from '../../host-files/tar.js';
import { asBackupError } from '../../model/errors.js';
import type { Json } from '../../model/json.js';
import { artifactPath, escapePiece } from '../../model/names.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import type { BackupContext, Unit } from '../component.js';
import { componentName, configurationCommand, configurationPath, dumpName, type PostgresqlFound } from './artifacts.js';
import { listDatabases, reasonToSkip } from './facts.js';
import type { PostgresqlOptions } from './options.js';
import { pgCustomFormat, type DumpSummary } from './pg-custom.js';
import { dumpCommand, globalsCommand } from './server.js';
import { Session } from './snapshot.js';

/** Each dump holds a snapshot on the primary, which keeps vacuum from cleaning up. */
const databasesAtOnce = 2;

type Context = BackupContext<PostgresqlOptions>;

interface Work {
  readonly context: Context;
  readonly remote: RemoteHost;
  readonly found: PostgresqlFound;
  readonly options: PostgresqlOptions;
  readonly baselines: Map<string, Json>;
}

/** Saves roles, every database, and the configuration of every member; then databases that were created meanwhile. */
export async function backup(context: Context, unit: Unit<PostgresqlFound>): Promise<void> {
  const { found } = unit;
  const host = context.host(found.server.host);
  const work: Work = {
    context,
    found,
    remote: await context.remote(host),
    options: context.optionsFor(host),
    baselines: new Map(),
  };
  await all([
    saveGlobals(work),
    saveDatabases(work, found.databases),
    ...found.configurations.map((configuration) => saveConfiguration(work, configuration)),
  ]);
  const databases = await listDatabases(work.remote, found.server, context.signal);
  const skipped = databases.flatMap((database) => {
    const reason = reasonToSkip(database, work.options.exclude_databases);
    return reason === undefined ? [] : [[database.name, reason] as const];
  });
  const created = databases
    .map(({ name }) => name)
    .filter((name) => !found.databases.includes(name) && !skipped.some(([other]) => other === name));
  await saveDatabases(work, created);
  context.baseline({ databases: Object.fromEntries(work.baselines), skipped: Object.fromEntries(skipped) });
}

async function saveGlobals({ context, remote, found }: Work): Promise<void> {
  const command = globalsCommand(found.server);
  await context.save({
    path: artifactPath(componentName, found.server.host, `${found.prefix}globals.sql`),
    format: sqlFormat,
    host: found.server.host,
    open: ({ signal }) => remote.read(command, { signal }),
  });
}

async function saveConfiguration(
  { context }: Work,
  { prefix, files }: PostgresqlFound['configurations'][number],
): Promise<void> {
  const remote = await context.remote(context.host(files.host));
  await context.save(
    tarArtifact({
      path: configurationPath(files.host, prefix),
      remote,
      command: configurationCommand(remote, files),
      size: files.bytes,
    }),
  );
}

async function saveDatabases(work: Work, names: readonly string[]): Promise<void> {
  const limit = pLimit(databasesAtOnce);
  await all(names.map((name) => limit(() => saveDatabase(work, name))));
}

/** Connects first: a database that somebody is connected to cannot be dropped, and one that is gone by now is found out here, before anything is saved. */
async function saveDatabase(work: Work, database: string): Promise<void> {
  work.context.signal.throwIfAborted();
  let session: Session;
  try {
    session = await openSession(work, database);
  } catch (error) {
    const { context, remote, found } = work;
    const names = (await listDatabases(remote, found.server, context.signal)).map(({ name }) => name);
    if (names.includes(database)) throw error;
    // One that came after the plan and went again was never expected.
    if (found.databases.includes(database))
      context.gone(
        artifactPath(componentName, found.server.host, dumpName(found.prefix, database)),
        `database ${database} was dropped after the plan was made`,
      );
    return;
  }
  await using held = session;
  await dump(work, database, held);
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

async function dump(work: Work, database: string, session: Session): Promise<void> {
  const { context, remote, found, options } = work;
  let summary: DumpSummary | undefined;
  let counted: Promise<Json> | undefined;
  const name = dumpName(found.prefix, database);
  await context.save({
    path: artifactPath(componentName, found.server.host, name),
    ...(escapePiece(name) === name ? {} : { original: name }),
    format: pgCustomFormat((seen) => {
      summary = seen;
    }),
    host: found.server.host,
    open: async ({ signal }) => {
      const snapshot = await session.exportSnapshot();
      const stream = await remote.read(
        dumpCommand(found.server, { database, snapshot, lockWaitTimeout: options.lock_wait_timeout }),
        { signal },
      );
      counted = session.baseline(options.count_rows);
      counted.catch(() => undefined);
      return stream;
    },
  });
  const counts = await counted?.catch((error: unknown) => {
    context.warn({
      code: 'BASELINE_INCOMPLETE',
      message: `${found.server.host}: database ${database} is saved, but counting it failed: ${asBackupError(error).message}`,
    });
    return {};
  });
  work.baselines.set(database, {
    ...(counts as Record<string, Json> | undefined),
    entries: summary?.entries ?? 0,
    dataEntries: summary?.dataEntries ?? 0,
  });
}

/** Waits for all, then throws the first error, so that nothing goes on behind the caller's back. */
async function all(work: readonly Promise<void>[]): Promise<void> {
  const settled = await Promise.allSettled(work);
  const failed = settled.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
