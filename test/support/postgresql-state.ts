import { onHost, shellOnHost } from './cluster-host.js';
import { must } from './lsbackup.js';

// What the PostgreSQL server on db1 holds, by psql and pg_dump on the host itself: nothing is shared with what is tested.

const psql = ['runuser', '-u', 'postgres', '--', 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d'];

/** Runs SQL in one database, as the server's superuser. */
export async function sql(database: string, text: string): Promise<string> {
  return (await onHost('db1', ...psql, database, '-c', text)).trim();
}

/** Runs a script of psql in one database: several statements, each by itself, and psql's own commands. */
export async function sqlScript(database: string, text: string): Promise<string> {
  const shell = `cd /; printf '%s\\n' "$2" | ${psql.join(' ')} "$1"`;
  return (await onHost('db1', 'sh', '-c', shell, 'sh', database, text)).trim();
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

const stateSql = `${sums} \\gexec
  SELECT oid, lomowner::regrole, md5(lo_get(oid)) FROM pg_largeobject_metadata ORDER BY oid;
  SELECT * FROM pg_sequences WHERE sequencename <> 'written_live_id_seq' ORDER BY 1, 2;
  ${ownSql};`;

/**
 * Everything of one database: definitions, rights, settings and comments as pg_dump writes them, sums of all rows and large objects, sequences. Of the
 * table written_live only its definition.
 */
export async function databaseState(name: string): Promise<string> {
  const dump = ['runuser', '-u', 'postgres', '--', 'pg_dump', '--schema-only', '--create', '-d', name];
  return [withoutKeys(await onHost('db1', ...dump)), await sqlScript(name, stateSql)].join('\n');
}

/** Roles, and all databases that take connections. */
export async function serverState(): Promise<Readonly<Record<string, string>>> {
  const names = (await sql('template1', 'SELECT datname FROM pg_database WHERE datallowconn ORDER BY 1')).split('\n');
  const states = await Promise.all(names.map(async (name) => [name, await databaseState(name)] as const));
  return { '(roles)': await rolesState(), ...Object.fromEntries(states) };
}

/** Those that a condition over pg_database means. */
export async function dropDatabases(which: string): Promise<void> {
  const each = (statement: string): string =>
    `SELECT format('${statement}', datname) FROM pg_database WHERE ${which} \\gexec`;
  await sqlScript(
    'template1',
    [each('ALTER DATABASE %I IS_TEMPLATE false'), each('DROP DATABASE %I WITH (FORCE)')].join('\n'),
  );
}

/** Drops what restores keep. */
export function dropKept(): Promise<void> {
  return dropDatabases("datname LIKE '%.lsbackup-old-%'");
}

/** Drops every database that initdb did not make, and tablespaces; then seeds db1. */
export async function seedAgain(): Promise<void> {
  await dropDatabases("datname NOT IN ('postgres', 'template0', 'template1')");
  await sqlScript(
    'postgres',
    "SELECT format('DROP TABLESPACE %I', spcname) FROM pg_tablespace WHERE spcname !~ '^pg_' \\gexec",
  );
  await shellOnHost('db1', 'rm -rf /var/lib/lsbackup /var/lib/postgresql/lsbackup-fast');
  await must('node', 'test/cluster/cluster.mjs', 'seed', 'db1');
}
