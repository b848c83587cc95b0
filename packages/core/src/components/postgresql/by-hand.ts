import { shellWord, type ByHand, type ByHandRequest } from '../../model/by-hand.js';
import type { ArtifactRecord, UnitRecord } from '../../model/metadata.js';
import { physicalByHand } from './physical-by-hand.js';

/** Databases that initdb makes and that programs need: they are filled, never made anew. */
const builtIn = ['postgres', 'template1'];

/**
 * How one database cluster is put back without lsbackup: roles, each database, a database beside the one that is there, statistics; or all of it at once. Configuration
 * belongs to its host and is only taken out.
 */
export function byHand(request: ByHandRequest): readonly ByHand[] {
  const { unit, artifacts } = request;
  const setUp = setUpOf(unit);
  const dumps = artifacts.flatMap((artifact) => {
    const database = databaseOf(artifact);
    return database === undefined ? [] : [{ artifact, database }];
  });
  return [
    ...artifacts.filter(({ path }) => path.endsWith('globals.sql')).map((artifact) => globals(artifact, setUp)),
    ...dumps.map(({ artifact, database }) =>
      builtIn.includes(database) ? filled(artifact, database, setUp) : created(artifact, database, setUp),
    ),
    ...dumps
      .filter(({ database }) => !builtIn.includes(database))
      .slice(0, 1)
      .flatMap(({ artifact, database }) => [beside(artifact, database, setUp), swapped(artifact, database, setUp)]),
    ...dumps.slice(0, 1).map(({ artifact }) => statistics(artifact, setUp)),
    ...physicalByHand(request, setUp),
    ...artifacts.filter(({ path }) => path.endsWith('config.tar')).map(configuration),
  ];
}

/** The dumped database, undefined for other artifacts. Where a host has several servers the port comes before the name. */
function databaseOf({ path, original }: ArtifactRecord): string | undefined {
  const name = original ?? path.replace(/.*\//, '');
  return /^(?:\d+-)?database-(.*)\.dump$/s.exec(name)?.[1];
}

/** The port the server had, and its programs where they are not in the usual path. The environment may say otherwise. */
function setUpOf({ roles, product }: UnitRecord): readonly string[] {
  const port = typeof roles?.port === 'number' ? roles.port : 5432;
  const major = /^\d+/.exec(product?.version ?? '')?.[0] ?? '';
  return [
    `export PGPORT=\${PGPORT:-${String(port)}} PGCLIENTENCODING=UTF8`,
    `PATH=$PATH:/usr/lib/postgresql/${major}/bin:/usr/pgsql-${major}/bin`,
    'as_postgres() { (cd / && exec runuser -u "${SERVER_USER:-postgres}" -- "$@"); }',
  ];
}

const ask = 'as_postgres psql --no-psqlrc --quiet --dbname=postgres --set=ON_ERROR_STOP=1';

/** Errors alone, in English; and nothing of a statement may be logged: it may be a password. */
const quietly = `PGOPTIONS='-c lc_messages=C -c client_min_messages=error -c log_statement=none -c log_min_error_statement=panic'`;

function globals({ path, host }: ArtifactRecord, setUp: readonly string[]): ByHand {
  return {
    host,
    title: 'roles and tablespaces of PostgreSQL',
    artifacts: [path],
    notes: [
      'On the primary; standbys follow. Before the databases, which belong to these roles.',
      'Roles and tablespaces that are there already are no error (postgres always is); their attributes, passwords and memberships become those of the backup. Any other error ends the section.',
      'The directories of tablespaces must be there, empty and owned by postgres.',
    ],
    commands: [
      ...setUp,
      `if ! artifact ${path} | as_postgres env ${quietly} psql --no-psqlrc --quiet --dbname=postgres --set=VERBOSITY=terse --file=- > /dev/null 2> globals.errors; then`,
      '  cat globals.errors >&2',
      '  exit 1',
      'fi',
      String.raw`if grep -v -e ' ERROR:  role ".*" already exists$' -e ' ERROR:  tablespace ".*" already exists$' -e ' invalid command \\\(un\)\{0,1\}restrict$' globals.errors; then`,
      '  echo "the errors above are not to be passed over" >&2',
      '  exit 1',
      'fi',
    ],
  };
}

function created({ path, host }: ArtifactRecord, database: string, setUp: readonly string[]): ByHand {
  return {
    host,
    title: `database ${database}`,
    artifacts: [path],
    notes: [
      'On the primary. A database of this name that is there now is kept under the name replaced_<its oid>; its clients are disconnected, and find the new one when it is loaded.',
      'Where it fails: drop the new database, and rename the old one back (ALTER DATABASE replaced_<its oid> RENAME TO ...).',
    ],
    commands: [
      ...setUp,
      `${ask} --set=name=${shellWord(database)} <<'END'`,
      "SELECT count(pg_terminate_backend(pid)) AS disconnected FROM pg_stat_activity WHERE datname = :'name';",
      "SELECT datname, 'replaced_' || oid AS is_kept_as FROM pg_database WHERE datname = :'name';",
      "SELECT format('ALTER DATABASE %I RENAME TO %I', datname, 'replaced_' || oid) FROM pg_database WHERE datname = :'name' \\gexec",
      'END',
      `artifact ${path} | as_postgres pg_restore --create --exit-on-error --dbname=postgres`,
    ],
  };
}

function filled({ path, host }: ArtifactRecord, database: string, setUp: readonly string[]): ByHand {
  return {
    host,
    title: `database ${database}`,
    artifacts: [path],
    notes: [
      'Only where something of yours is in it; every server has one. What the backup has is dropped from it and made anew, all or nothing; the rest stays.',
      'Rights on the database itself, its settings and its comment are not put back.',
    ],
    commands: [
      ...setUp,
      `artifact ${path} | as_postgres pg_restore --clean --if-exists --single-transaction --exit-on-error --dbname=${shellWord(database)}`,
    ],
  };
}

/** Which database the two sections about one beside another are about, unless the environment says otherwise. */
function choose(database: string): string {
  return `test -n "\${DATABASE-}" || DATABASE=${shellWord(database)}`;
}

function beside(artifact: ArtifactRecord, database: string, setUp: readonly string[]): ByHand {
  return {
    host: artifact.host,
    title: 'one database beside the one that is there, which stays in use',
    artifacts: [],
    notes: [
      `Set DATABASE to its name and DUMP to its artifact, as the sections above have them (export DATABASE DUMP); else it is ${database}. The dump is loaded into the database "loaded". Look at it, or take single rows from it.`,
      'Encoding, locale and owner are those of the database that is there. Rights on the database itself, its settings and its comment are not in "loaded".',
    ],
    commands: [
      ...setUp,
      choose(database),
      `DUMP=\${DUMP:-${artifact.path}}`,
      `${ask} --set=name="$DATABASE" <<'END'`,
      "SELECT format('CREATE DATABASE loaded TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L OWNER %I', pg_encoding_to_char(encoding), datcollate, datctype, pg_get_userbyid(datdba))",
      "  || CASE to_jsonb(d)->>'datlocprovider' WHEN 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L', coalesce(to_jsonb(d)->>'daticulocale', to_jsonb(d)->>'datlocale'))",
      "  WHEN 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', to_jsonb(d)->>'datlocale') ELSE '' END",
      "  FROM pg_database AS d WHERE datname = :'name' \\gexec",
      'END',
      'artifact "$DUMP" | as_postgres pg_restore --exit-on-error --dbname=loaded',
    ],
  };
}

function swapped(artifact: ArtifactRecord, database: string, setUp: readonly string[]): ByHand {
  return {
    host: artifact.host,
    title: 'the database "loaded" in the place of the one that is there',
    artifacts: [],
    notes: [
      'After the section before, with the same DATABASE. Two renames in one transaction, so clients are away for a moment only. The old one is kept as replaced_<its oid>.',
      'To have its rights, settings and comment too, take the section of the database instead.',
    ],
    commands: [
      ...setUp,
      choose(database),
      `${ask} --set=name="$DATABASE" <<'END'`,
      "SELECT count(pg_terminate_backend(pid)) AS disconnected FROM pg_stat_activity WHERE datname IN (:'name', 'loaded');",
      "SELECT datname, 'replaced_' || oid AS is_kept_as FROM pg_database WHERE datname = :'name';",
      'BEGIN;',
      "SELECT format('ALTER DATABASE %I RENAME TO %I', datname, 'replaced_' || oid) FROM pg_database WHERE datname = :'name' \\gexec",
      "SELECT format('ALTER DATABASE loaded RENAME TO %I', :'name') \\gexec",
      'COMMIT;',
      'END',
    ],
  };
}

function statistics({ host }: ArtifactRecord, setUp: readonly string[]): ByHand {
  return {
    host,
    title: 'statistics of PostgreSQL',
    artifacts: [],
    notes: ['After the databases: without statistics queries are slow.'],
    commands: [...setUp, 'as_postgres vacuumdb --all --analyze-in-stages --quiet'],
  };
}

function configuration({ path, host }: ArtifactRecord): ByHand {
  const directory = path.replace(/\.tar$/, '').replaceAll('/', '-');
  return {
    host,
    title: 'configuration of PostgreSQL, to compare with what is there',
    artifacts: [path],
    notes: [
      'It belongs to the machine it was on (addresses, memory, paths), so it is put beside: copy what you need, then reload or restart PostgreSQL.',
    ],
    commands: [`mkdir ${directory}`, `artifact ${path} | tar -C ${directory} --acls --xattrs --numeric-owner -xpf -`],
  };
}
