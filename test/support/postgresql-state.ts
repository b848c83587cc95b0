import { feedHost, onHost, shellOnHost } from './cluster-host.js';
import { writeFile } from 'node:fs/promises';

// What a PostgreSQL server holds, by psql and pg_dump on the host itself: nothing is shared with what is tested.

/** Runs SQL in one database, as the server's superuser. */
export function sql(database: string, text: string): Promise<string> {
  return onHost('db1', 'runuser', '-u', 'postgres', '--', 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', database, '-c', text);
}

/** The same for a script that lies in a local file. */
export async function sqlFile(database: string, file: string, text: string): Promise<void> {
  await writeFile(file, text);
  await feedHost('db1', file, 'runuser', '-u', 'postgres', '--', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', database);
}

export async function databaseNames(): Promise<readonly string[]> {
  const text = await sql('template1', 'SELECT datname FROM pg_database ORDER BY datname COLLATE "C"');
  return text.trim().split('\n');
}

/** Roles with their password hashes, memberships and settings. */
export async function rolesState(): Promise<string> {
  const text = await shellOnHost('db1', 'cd /; runuser -u postgres -- pg_dumpall --globals-only -l template1');
  return text.replace(/^\\(un)?restrict .*$/gm, '');
}

const rowSums = `SELECT format('SELECT %L, count(*), md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C"), %L)) FROM ONLY %I.%I AS t;', relname, '', nspname, relname)
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace WHERE relkind IN ('r', 'm') AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY 1`;

/** Everything of one database: definitions, rights, settings and comments as pg_dump writes them, sums of all rows and large objects, sequences. */
export async function databaseState(name: string): Promise<string> {
  const schema = await onHost('db1', 'runuser', '-u', 'postgres', '--', 'pg_dump', '--schema-only', '--create', '-d', name);
  const sums: string[] = [];
  for (const query of (await sql(name, rowSums)).trim().split('\n'))
    if (query !== '') sums.push((await sql(name, query)).trim());
  const objects = await sql(name, 'SELECT oid, lomowner::regrole, md5(lo_get(oid)) FROM pg_largeobject_metadata ORDER BY oid');
  const sequences = await sql(name, 'SELECT * FROM pg_sequences ORDER BY 1, 2');
  const own = await sql(
    'template1',
    `SELECT datname, datdba::regrole, encoding, datcollate, datctype, datistemplate, datallowconn, datconnlimit, (SELECT string_agg(acl::text, ' ' ORDER BY acl::text) FROM unnest(datacl) AS acl), shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $$${name}$$`,
  );
  return [schema.replace(/^\\(un)?restrict .*$/gm, ''), ...sums, objects, sequences, own].join('\n');
}

/** Of all databases that take connections. */
export async function serverState(): Promise<Readonly<Record<string, string>>> {
  const text = await sql('template1', 'SELECT datname FROM pg_database WHERE datallowconn ORDER BY 1');
  const state: Record<string, string> = { '(roles)': await rolesState() };
  for (const name of text.trim().split('\n')) state[name] = await databaseState(name);
  return state;
}
