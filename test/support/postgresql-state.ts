import { feedHost, onHost, shellOnHost } from './cluster-host.js';
import { writeFile } from 'node:fs/promises';
import { must } from './lsbackup.js';

// What the PostgreSQL server on db1 holds, by psql and pg_dump on the host itself: nothing is shared with what is tested.

const psql = ['runuser', '-u', 'postgres', '--', 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d'];

/** Runs SQL in one database, as the server's superuser. */
export async function sql(database: string, text: string): Promise<string> {
  return (await onHost('db1', ...psql, database, '-c', text)).trim();
}

/** The same for a script of several statements, each by itself, by way of a local file. */
export async function sqlScript(database: string, { file, text }: { file: string; text: string }): Promise<void> {
  await writeFile(file, text);
  await feedHost('db1', file, ...psql, database);
}

export async function databaseNames(): Promise<readonly string[]> {
  return (await sql('template1', 'SELECT datname FROM pg_database ORDER BY datname COLLATE "C"')).split('\n');
}

/** Roles with their password hashes, memberships and settings; tablespaces. */
export async function rolesState(): Promise<string> {
  return withoutKeys(await shellOnHost('db1', 'cd /; runuser -u postgres -- pg_dumpall --globals-only -l template1'));
}

export function serverLog(): Promise<string> {
  return shellOnHost('db1', 'cat /var/log/postgresql/*.log');
}

function withoutKeys(text: string): string {
  return text.replace(/^\\(un)?restrict .*$/gm, '');
}

const sums = `SELECT format('SELECT %L, count(*), md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C"), %L)) FROM ONLY %I.%I AS t', relname, '', nspname, relname)
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
  WHERE relkind IN ('r', 'm') AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND relname <> 'written_live' ORDER BY 1`;

const ownSql = `SELECT datname, datdba::regrole, encoding, datcollate, datctype, datistemplate, datallowconn, datconnlimit, spcname,
  (SELECT string_agg(acl::text, ' ' ORDER BY acl::text) FROM unnest(datacl) AS acl), shobj_description(d.oid, 'pg_database')
  FROM pg_database AS d JOIN pg_tablespace AS s ON s.oid = dattablespace WHERE datname = current_database()`;

/**
 * Everything of one database: definitions, rights, settings and comments as pg_dump writes them, sums of all rows and large objects, sequences. Of the
 * table written_live only its definition.
 */
export async function databaseState(name: string): Promise<string> {
  const dump = ['runuser', '-u', 'postgres', '--', 'pg_dump', '--schema-only', '--create', '-d', name];
  return [
    withoutKeys(await onHost('db1', ...dump)),
    await sumsOf(name),
    await sql(name, 'SELECT oid, lomowner::regrole, md5(lo_get(oid)) FROM pg_largeobject_metadata ORDER BY oid'),
    await sql(name, "SELECT * FROM pg_sequences WHERE sequencename <> 'written_live_id_seq' ORDER BY 1, 2"),
    await sql(name, ownSql),
  ].join('\n');
}

async function sumsOf(name: string): Promise<string> {
  const queries = (await sql(name, sums)).split('\n').filter(Boolean);
  return queries.length === 0 ? '' : sql(name, queries.join(' UNION ALL '));
}

/** Roles, and all databases that take connections. */
export async function serverState(): Promise<Readonly<Record<string, string>>> {
  const names = (await sql('template1', 'SELECT datname FROM pg_database WHERE datallowconn ORDER BY 1')).split('\n');
  const states = await Promise.all(names.map(async (name) => [name, await databaseState(name)] as const));
  return { '(roles)': await rolesState(), ...Object.fromEntries(states) };
}

async function dropDatabases(isMeant: (name: string) => boolean): Promise<void> {
  for (const name of (await databaseNames()).filter(isMeant)) {
    const quoted = `"${name.replaceAll('"', '""')}"`;
    await sql('template1', `ALTER DATABASE ${quoted} IS_TEMPLATE false`);
    await sql('template1', `DROP DATABASE ${quoted} WITH (FORCE)`);
  }
}

/** Drops what restores keep. */
export function dropKept(): Promise<void> {
  return dropDatabases((name) => name.includes('.lsbackup-old-'));
}

/** Drops every database that initdb did not make, and tablespaces; then seeds db1. */
export async function seedAgain(): Promise<void> {
  await dropDatabases((name) => !['postgres', 'template0', 'template1'].includes(name));
  const tablespaces = await sql('postgres', "SELECT spcname FROM pg_tablespace WHERE spcname !~ '^pg_'");
  for (const name of tablespaces.split('\n').filter(Boolean)) await sql('postgres', `DROP TABLESPACE "${name}"`);
  await shellOnHost('db1', 'rm -rf /var/lib/lsbackup /var/lib/postgresql/lsbackup-fast');
  await must('node', 'test/cluster/cluster.mjs', 'seed', 'db1');
}
