import { z } from 'zod';
import { BackupError } from '../../model/errors.js';
import type { Command } from '../../remote/remote-host.js';
import type { StepContext, StepKind } from '../restore.js';
import { componentName } from './artifacts.js';
import { databaseNamed, drop } from './pg-databases.js';
import { connectionTo, type Server } from './server.js';
import {
  endEarlier,
  endSessions,
  execute,
  longSeconds,
  placeOf,
  run,
  runStatement,
  serverSchema,
  type Place,
} from './sql-session.js';
import { quoteName, quoteText } from './sql-text.js';

const paramsSchema = z.object({
  server: serverSchema,
  /** Of the database while it is loaded, and of our sessions. */
  newName: z.string(),
  dump: z.string(),
  createOptions: z.string(),
  owner: z.string(),
});
type LoadParams = z.infer<typeof paramsSchema>;

/** The comment of a database whose dump is in it to the end. Nothing else tells it from one whose pg_restore was killed. */
export const loadedMark = 'lsbackup: loaded';
export const verifiedMark = 'lsbackup: loaded and compared';

export function createStatement({ newName, createOptions }: Pick<LoadParams, 'newName' | 'createOptions'>): string {
  return `CREATE DATABASE ${quoteName(newName)} ${createOptions} CONNECTION LIMIT = 0`;
}

/** Nobody's settings may change what is loaded or end it. Settings given at the start win over those of roles and databases. */
const loadOptions = [
  'statement_timeout=0',
  'lock_timeout=0',
  'idle_in_transaction_session_timeout=0',
  'default_transaction_read_only=off',
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

/** Loads a dump into a database of its own beside the one that is there. */
export const loadDatabase: StepKind<LoadParams, null> = {
  name: 'postgresql.load-database',
  params: paramsSchema,
  undo: z.null(),
  prepare: () => Promise.resolve(null),
  async apply(context, params) {
    const place = await quietPlace(context, params);
    if ((await stateOf(place, params)) === 'done') return;
    await dropNew(place, params);
    await execute(place, { sql: runStatement(createStatement(params)), seconds: 3600 });
    const name = quoteName(params.newName);
    await execute(place, { sql: runStatement(`ALTER DATABASE ${name} OWNER TO ${quoteName(params.owner)}`) });
    await load(context, place, params);
    await execute(place, { database: params.newName, sql: runStatement('ANALYZE'), seconds: longSeconds });
    await mark(place, params.newName, loadedMark);
  },
  async probe(context, params) {
    return stateOf(await quietPlace(context, params), params);
  },
  async revert(context, params) {
    await dropNew(await quietPlace(context, params), params);
  },
};

/** After what an earlier attempt left running on the server has ended. */
async function quietPlace(context: StepContext, { server, newName }: LoadParams): Promise<Place> {
  const place = await placeOf(context, server, newName);
  await endEarlier(place);
  return place;
}

async function stateOf(place: Place, { newName }: LoadParams): Promise<'done' | 'not done' | 'half'> {
  const database = await databaseNamed(place, newName);
  if (database === undefined) return 'not done';
  return database.comment === loadedMark || database.comment === verifiedMark ? 'done' : 'half';
}

async function dropNew(place: Place, { newName }: LoadParams): Promise<void> {
  const database = await databaseNamed(place, newName);
  if (database !== undefined) await drop(place, database.oid);
}

async function load(context: StepContext, place: Place, { server, newName, dump }: LoadParams): Promise<void> {
  try {
    await place.remote.write(restoreCommand(server, newName), await context.read(dump), { signal: context.signal });
  } catch (error) {
    throw error instanceof BackupError && error.code === 'COMMAND_FAILED'
      ? withoutStatement(server, dump, error)
      : error;
  }
  await endSessions(place, `datname = ${quoteText(newName)}`);
}

/** What pg_restore says, without the statement or row that failed: they may hold secrets. So the error it came from is not kept either. */
function withoutStatement(server: Server, dump: string, { message }: BackupError): BackupError {
  const said = message
    .split('\n')
    .flatMap((line) => /pg_restore: (?:while|from|error:.*?|\[.*?)(?=\s*Command was:|$).*/.exec(line)?.[0] ?? [])
    .map((line) => line.replace(/\s*Command was:.*/, ''));
  return new BackupError(
    'RESTORE_FAILED',
    `${server.host}: ${dump} cannot be loaded: ${said.join('; ') || 'pg_restore ended with an error'}`,
    {
      host: server.host,
      component: componentName,
      hint: 'Nothing of the database that is there was changed. The server needs what the statement asks for, or the database has to be left out.',
    },
  );
}

/** Says on the server itself how far a loaded database is. */
export async function mark(place: Place, name: string, text: string): Promise<void> {
  await execute(place, {
    sql: run(
      `SELECT format('COMMENT ON DATABASE %I IS %L', datname, ${quoteText(text)}) FROM pg_database WHERE datname = ${quoteText(name)}`,
    ),
  });
}
