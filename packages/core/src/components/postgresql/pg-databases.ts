import { z } from 'zod';
import { BackupError } from '../../model/errors.js';
import { componentName } from './artifacts.js';
import { askQuietly, endSessions, execute, run, type Place } from './sql-session.js';
import { quoteText } from './sql-text.js';

const databaseSchema = z.object({
  oid: z.number(),
  name: z.string(),
  owner: z.string(),
  encoding: z.string(),
  allow: z.boolean(),
  limit: z.number(),
  /** How far its loading has come; see `markStatement`. */
  mark: z.string().nullable(),
  sessions: z.number(),
  /** Prepared transactions, which keep it from being renamed. */
  prepared: z.array(z.string()),
});
export type DatabaseState = z.infer<typeof databaseSchema>;

/** A setting of the database itself, so that it goes with it. No server knows it, and none minds. */
const markSetting = 'lsbackup.restore';

/** Databases as they are now, by name or oid, after what an earlier attempt left running on the server has ended. */
export async function look(
  place: Place,
  { names = [], oids = [] }: { readonly names?: readonly string[]; readonly oids?: readonly (number | null)[] },
): Promise<readonly DatabaseState[]> {
  const known = oids.filter((oid) => oid !== null);
  const where = `datname IN (${[...names.map(quoteText), 'NULL'].join(', ')}) OR d.oid IN (${[...known.map(String), 'NULL'].join(', ')})`;
  const sql = `SELECT coalesce(json_agg(json_build_object('oid', d.oid::bigint, 'name', datname, 'owner', pg_get_userbyid(datdba), 'encoding', pg_encoding_to_char(encoding),
    'allow', datallowconn, 'limit', datconnlimit,
    'mark', (SELECT substr(setting, ${String(markSetting.length + 2)}) FROM pg_db_role_setting, unnest(setconfig) AS setting WHERE setdatabase = d.oid AND setrole = 0 AND setting LIKE '${markSetting}=%'),
    'sessions', (SELECT count(*) FROM pg_stat_activity WHERE datid = d.oid),
    'prepared', (SELECT coalesce(json_agg(gid), '[]') FROM pg_prepared_xacts WHERE database = datname))), '[]') FROM pg_database AS d WHERE ${where}`;
  return askQuietly(place, sql, z.array(databaseSchema));
}

export async function databaseNamed(place: Place, name: string): Promise<DatabaseState | undefined> {
  return (await look(place, { names: [name] }))[0];
}

export async function databaseWithOid(place: Place, oid: number): Promise<DatabaseState | undefined> {
  return (await look(place, { oids: [oid] }))[0];
}

/** Statements about one database by its oid; `%I` is its name. None where it is gone. */
export function alter(oid: number, ...statements: readonly string[]): string {
  return statements
    .map((statement) =>
      run(`SELECT format(${quoteText(statement)}, datname) FROM pg_database WHERE oid = ${String(oid)}`),
    )
    .join('\n');
}

/** Says on the server itself how far a loaded database is, or no more: nothing else tells a whole one from one whose pg_restore was killed. */
export function markStatement(text: string | undefined): string {
  if (text === undefined) return `ALTER DATABASE %I RESET ${markSetting}`;
  return `ALTER DATABASE %I SET ${markSetting} = ${quoteText(text)}`;
}

/** Lets nobody in any more, and waits until nobody is left. */
export async function close(place: Place, ...oids: readonly (number | null)[]): Promise<void> {
  const known = oids.filter((oid) => oid !== null);
  if (known.length === 0) return;
  const before = known.map((oid) => alter(oid, 'ALTER DATABASE %I ALLOW_CONNECTIONS false')).join('\n');
  await endSessions(place, { where: `datid IN (${known.join(', ')})`, before });
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

/**
 * That what a restore put in the place of a database can be taken away again: nobody renamed either, dropped the old one, or gave the name to a third. Errors:
 * RESTORE_REFUSED.
 */
export async function requireUnchanged(
  place: Place,
  { name, newName }: { readonly name: string; readonly newName: string },
  { newOid, oldOid }: { readonly newOid: number; readonly oldOid: number | null },
): Promise<void> {
  const there = await look(place, { names: [name], oids: [newOid, oldOid] });
  const { host } = place.server;
  const refuse = (what: string, hint?: string): never => {
    throw new BackupError('RESTORE_REFUSED', `${host}: ${what}`, { host, component: componentName, hint });
  };
  if (oldOid !== null && !there.some(({ oid }) => oid === oldOid))
    refuse(`what database ${name} was before the restore has been dropped, so it cannot be put back`);
  const stranger = there.find((one) => one.name === name && one.oid !== newOid && one.oid !== oldOid);
  if (stranger !== undefined)
    refuse(
      `database ${name} is not the one that this restore made: somebody made or renamed it since`,
      'If a later restore did, roll that back first; else rename that database, then run the same command again.',
    );
  const fresh = there.find(({ oid }) => oid === newOid);
  if (fresh !== undefined && fresh.name !== name && fresh.name !== newName)
    refuse(
      `database ${name}, as this restore made it, was renamed to ${fresh.name} since, and undoing the restore would drop it`,
      `Rename it back to ${name}, or drop it, then run the same command again.`,
    );
}
