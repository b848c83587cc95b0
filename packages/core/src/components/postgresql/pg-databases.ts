import { z } from 'zod';
import { BackupError } from '../../model/errors.js';
import { componentName } from './artifacts.js';
import { ask, endSessions, execute, run, type Place } from './sql-session.js';
import { quoteText } from './sql-text.js';

const databaseSchema = z.object({
  oid: z.number(),
  name: z.string(),
  owner: z.string(),
  encoding: z.string(),
  allow: z.boolean(),
  limit: z.number(),
  comment: z.string().nullable(),
  sessions: z.number(),
  /** Prepared transactions, which keep it from being renamed. */
  prepared: z.array(z.string()),
});
export type DatabaseState = z.infer<typeof databaseSchema>;

async function find(place: Place, where: string): Promise<DatabaseState | undefined> {
  const sql = `SELECT coalesce(json_agg(json_build_object('oid', d.oid::bigint, 'name', datname, 'owner', pg_get_userbyid(datdba), 'encoding', pg_encoding_to_char(encoding),
    'allow', datallowconn, 'limit', datconnlimit, 'comment', shobj_description(d.oid, 'pg_database'),
    'sessions', (SELECT count(*) FROM pg_stat_activity WHERE datid = d.oid),
    'prepared', (SELECT coalesce(json_agg(gid), '[]') FROM pg_prepared_xacts WHERE database = datname))), '[]') FROM pg_database AS d WHERE ${where}`;
  const [database] = await ask(place, sql, z.array(databaseSchema));
  return database;
}

/** One database as it is now. */
export function databaseNamed(place: Place, name: string): Promise<DatabaseState | undefined> {
  return find(place, `datname = ${quoteText(name)}`);
}

export function databaseWithOid(place: Place, oid: number): Promise<DatabaseState | undefined> {
  return find(place, `d.oid = ${String(oid)}`);
}

/** Statements about one database by its oid; `%I` is its name. */
export function alter(oid: number, ...statements: readonly string[]): string {
  return statements
    .map((statement) =>
      run(`SELECT format(${quoteText(statement)}, datname) FROM pg_database WHERE oid = ${String(oid)}`),
    )
    .join('\n');
}

/** Lets nobody in any more, and waits until nobody is left. */
export async function close(place: Place, oid: number): Promise<void> {
  await execute(place, { sql: alter(oid, 'ALTER DATABASE %I ALLOW_CONNECTIONS false') });
  await endSessions(place, `datid = ${String(oid)}`);
}

/** Drops it, also when it is gone already. */
export async function drop(place: Place, oid: number): Promise<void> {
  const database = await databaseWithOid(place, oid);
  if (database === undefined) return;
  // One whose DROP was interrupted takes no other command any more.
  if (database.limit !== -2) {
    await execute(place, { sql: alter(oid, 'ALTER DATABASE %I IS_TEMPLATE false') });
    await close(place, oid);
  }
  await execute(place, { sql: alter(oid, 'DROP DATABASE %I'), seconds: 3600 });
}

/** Errors: RESTORE_REFUSED when what a database was before the restore has been dropped. */
export async function requireOld(place: Place, name: string, oldOid: number): Promise<void> {
  if ((await databaseWithOid(place, oldOid)) !== undefined) return;
  const { host } = place.server;
  throw new BackupError(
    'RESTORE_REFUSED',
    `${host}: what database ${name} was before the restore has been dropped, so it cannot be put back`,
    { host, component: componentName },
  );
}
