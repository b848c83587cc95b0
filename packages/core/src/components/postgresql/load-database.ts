import { z } from 'zod';
import { BackupError } from '../../model/errors.js';
import type { Command } from '../../remote/remote-host.js';
import type { StepContext, StepKind, StepState } from '../restore.js';
import { componentName } from './artifacts.js';
import { readDumpHead } from './dump-head.js';
import { alter, databaseNamed, drop, markStatement } from './pg-databases.js';
import { connectionTo, type Server } from './server.js';
import { execute, longSeconds, placeOf, runStatement, serverSchema, transaction, type Place } from './sql-session.js';
import { quoteName, withName } from './sql-text.js';

const paramsSchema = z.object({
  server: serverSchema,
  /** Of the database while it is loaded, and of our sessions. */
  newName: z.string(),
  dump: z.string(),
  /** In the archive. */
  database: z.string(),
  createOptions: z.string(),
  owner: z.string(),
});
type LoadParams = z.infer<typeof paramsSchema>;

/** What a database is marked as whose dump is in it to the end. */
export const loaded = 'loaded';
export const verified = 'verified';

export function createStatement({ newName, createOptions }: Pick<LoadParams, 'newName' | 'createOptions'>): string {
  return `CREATE DATABASE ${quoteName(newName)} ${createOptions} CONNECTION LIMIT = 0`;
}

/** Nobody's settings may change what is loaded or end it, nor the language of errors. Settings given at the start win over those of roles and databases. */
const loadOptions = [
  'statement_timeout=0',
  'lock_timeout=0',
  'idle_in_transaction_session_timeout=0',
  'default_transaction_read_only=off',
  'lc_messages=C',
]
  .map((setting) => `-c ${setting}`)
  .join(' ');

export function restoreCommand(server: Server, newName: string): Command {
  return {
    argv: [
      `${server.binaries}/pg_restore`,
      '--exit-on-error',
      '--no-password',
      `--host=${server.socketDirectory}`,
      `--port=${String(server.port)}`,
      `--dbname=${connectionTo(newName)}`,
    ],
    become: server.user,
    env: { PGAPPNAME: newName, PGOPTIONS: loadOptions },
  };
}

/**
 * Loads a dump into a database of its own beside the one that is there, and gives it everything that a database itself has: settings, rights and comment
 * belong to it, not to its name. So nothing but names is left for the swap.
 */
export const loadDatabase: StepKind<LoadParams, null> = {
  name: 'postgresql.load-database',
  params: paramsSchema,
  undo: z.null(),
  prepare: () => Promise.resolve(null),
  async apply(context, params) {
    const place = await placeOf(context, params.server, params.newName);
    if ((await stateOf(place, params)) === 'done') return;
    await dropNew(place, params);
    try {
      await create(place, params);
      await load(context, place, params);
      await execute(place, { database: params.newName, sql: runStatement('ANALYZE'), seconds: longSeconds });
      await finish(context, place, params);
    } catch (error) {
      throw spaceError(params, error);
    }
  },
  async probe(context, params) {
    return stateOf(await placeOf(context, params.server, params.newName), params);
  },
  async revert(context, params) {
    await dropNew(await placeOf(context, params.server, params.newName), params);
  },
};

async function stateOf(place: Place, { newName }: LoadParams): Promise<StepState> {
  const database = await databaseNamed(place, newName);
  if (database === undefined) return 'not done';
  return database.mark === null ? 'half' : 'done';
}

async function dropNew(place: Place, { newName }: LoadParams): Promise<void> {
  const database = await databaseNamed(place, newName);
  if (database !== undefined) await drop(place, database.oid);
}

async function create(place: Place, params: LoadParams): Promise<void> {
  const owner = `ALTER DATABASE ${quoteName(params.newName)} OWNER TO ${quoteName(params.owner)}`;
  await execute(place, { sql: [createStatement(params), owner].map(runStatement).join('\n'), seconds: 3600 });
}

async function load(context: StepContext, { remote }: Place, { server, newName, dump }: LoadParams): Promise<void> {
  try {
    await remote.write(restoreCommand(server, newName), await context.read(dump), { signal: context.signal });
  } catch (error) {
    throw error instanceof BackupError && error.code === 'COMMAND_FAILED'
      ? withoutStatement(server, dump, error)
      : error;
  }
}

/**
 * Of a full disk: what strerror calls it, in the language that our sessions set, for pg_restore does not show its SQLSTATE (53100); and what the server says without
 * a cause when the first files that a session writes do not fit (source: write_item in its relcache.c).
 */
const fullDisk = /No space left on device|Disk quota exceeded|could not write init file/;

/** A full disk by its own name. */
function spaceError({ server, database }: LoadParams, error: unknown): unknown {
  if (!(error instanceof BackupError) || !fullDisk.test(error.message)) return error;
  return new BackupError(
    'HOST_SPACE',
    `${server.host}: the disk filled up while database ${database} was loaded: ${error.message}`,
    {
      host: server.host,
      component: componentName,
      hint: `What was there before was not touched. Make room where the database lies (its tablespace, or ${server.dataDirectory}) and restore again.`,
      cause: error,
    },
  );
}

/** What pg_restore says, without the statement or row that failed: they may hold secrets. So the error it came from is not kept either. */
function withoutStatement(server: Server, dump: string, { message }: BackupError): BackupError {
  const said = message.split('\n').flatMap((line) => {
    const [part] = /pg_restore: .*/.exec(line) ?? [];
    return part === undefined ? [] : [part.replace(/\s*Command was:.*/, '')];
  });
  return new BackupError(
    'RESTORE_FAILED',
    `${server.host}: ${dump} cannot be loaded: ${said.join('; ') || 'pg_restore ended with an error'}`,
    {
      host: server.host,
      component: componentName,
      hint: 'The database that is there was not touched. Give the server what the dump needs, or leave this database out.',
    },
  );
}

/** What pg_restore sets with `--create` only, and the mark, in one transaction. */
async function finish(context: StepContext, place: Place, { newName, dump }: LoadParams): Promise<void> {
  const head = await readDumpHead(await context.read(dump), dump);
  const database = await databaseNamed(place, newName);
  await execute(place, {
    sql: transaction([
      `ALTER DATABASE ${quoteName(newName)} CONNECTION LIMIT -1;`,
      ...head.statements.map((statement) => withName(statement, ['DATABASE', head.name], newName)),
      alter(database?.oid ?? 0, markStatement(loaded)),
    ]),
  });
}
