import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { fakeBackupContext, fakeDiscoverContext, onlyUnit } from '../../testing/fake-contexts.js';
import { FakeHost, fakeInventoryHost, runHere, type FakeRule } from '../../testing/fake-host.js';
import { configurationPaths } from './artifacts.js';
import type { Database } from './facts.js';
import { postgresql } from './index.js';
import { postgresqlOptions } from './options.js';
import { connectionTo, dumpCommand, findCommand, globalsCommand, psqlCommand, type Server } from './server.js';
import { countsSql } from './snapshot.js';

const server: Server = {
  host: 'db1',
  port: 5432,
  socketDirectory: '/var/run/postgresql',
  dataDirectory: '/var/lib/postgresql/15/main',
  binaries: '/usr/lib/postgresql/15/bin',
  user: 'postgres',
  database: 'postgres',
};
const foundLine =
  '/usr/lib/postgresql/15/bin/postgres\tpostgres\t/var/lib/postgresql/15/main\t5432\t/var/run/postgresql\n';
const dump = readFileSync(join(import.meta.dirname, 'fixtures', 'pg15-piped.dump'));
const globals =
  '--\n-- PostgreSQL database cluster dump\n--\n\nCREATE ROLE x;\n\n--\n-- PostgreSQL database cluster dump complete\n--\n\n';

function database(name: string, more: Partial<Database> = {}): Database {
  return {
    name,
    owner: 'postgres',
    encoding: 'UTF8',
    collate: 'C',
    ctype: 'C',
    size: 7_000_000,
    template: false,
    connectable: true,
    valid: true,
    ...more,
  };
}

interface Scene {
  name?: string;
  databases: Database[];
  recovery?: boolean;
  systemIdentifier?: string;
  lines?: string;
}

function factsOf(scene: Scene): string {
  return JSON.stringify({
    recovery: scene.recovery ?? false,
    version: '15.18 (Debian 15.18-0+deb12u1)',
    versionNumber: 150_018,
    systemIdentifier: scene.systemIdentifier ?? '7562411111111111111',
    timeline: 1,
    lsn: '0/1F2B3C8',
    clusterName: '15/main',
    checksums: 'off',
    superuser: 'on',
    standbys: 0,
    files: ['/etc/postgresql/15/main/postgresql.conf'],
    databases: scene.databases,
  });
}

/** A host with a server whose databases can be changed while the test runs. */
function databaseHost(scene: Scene): FakeHost {
  const names = (): string[] => scene.databases.map(({ name }) => name);
  const facts = (): string => factsOf(scene);
  const psql: FakeRule = {
    argv: /\/psql .*--dbname=dbname='postgres'$/,
    answer: (_command, input) => ({
      stdout: input.includes('pg_is_in_recovery') ? facts() : JSON.stringify(scene.databases),
    }),
    talk: conversation,
  };
  return new FakeHost({
    name: scene.name ?? 'db1',
    rules: [
      { argv: findCommand.argv, answer: { stdout: scene.lines ?? foundLine } },
      psql,
      ...names().map((name): FakeRule => ({
        argv: new RegExp(`/psql .*--dbname=dbname='${name}'$`),
        answer: { status: 2, stderr: 'gone' },
        talk: conversation,
      })),
      { argv: /\/psql /, answer: { status: 2, stderr: 'psql: error: FATAL:  database "x" does not exist' } },
      { argv: /\/pg_dumpall /, answer: { stdout: globals } },
      { argv: /\/pg_dump .*--snapshot=00000003-0000001B-1 /, answer: { stdout: dump } },
      {
        argv: /^sh -c for path/,
        answer: (command) => ({
          stdout: command.argv
            .slice(4)
            .map((path) =>
              path.startsWith('/etc/postgresql/15') || path === '/etc/pgbouncer'
                ? `directory\t8\t${path}\t${path}\n`
                : 'missing\n',
            )
            .join(''),
        }),
      },
      { argv: /^sh -c help/, answer: { stdout: '--sort\n' } },
      { argv: /^tar /, answer: () => runHere({ argv: ['tar', '-cf', '-', '-C', '/etc', 'hostname'] }, '') },
    ],
  });
}

function conversation(): (line: string) => string {
  return (line) => {
    if (line.startsWith('\\echo ')) return `${line.slice(6)}\n`;
    if (line.includes('pg_export_snapshot')) return '00000003-0000001B-1\n';
    if (line.endsWith('current_database();'))
      return `${JSON.stringify({ owner: 'me', encoding: 'UTF8', collate: 'C', size: 8, largeObjects: 2, extensions: { plpgsql: '1.0' }, sequences: { 'public.s': null } })}\n`;
    if (line.includes('\\gexec')) return '["public.a", 60, 8192]\n["public.big", null, 99999999999]\n';
    return '';
  };
}

const options = postgresqlOptions.parse({});

describe('postgresql discover', () => {
  it('plans roles, each database and the configuration', async () => {
    const remote = databaseHost({
      databases: [
        database('postgres'),
        database('template0', { template: true, connectable: false }),
        database('retired', { connectable: false }),
        database('a b/c'),
        database('half', { valid: false }),
        database('scratch'),
      ],
    });
    const unit = onlyUnit(
      await postgresql.discover(
        fakeDiscoverContext({ hosts: [remote], options: postgresqlOptions.parse({ exclude_databases: 'scratch' }) }),
      ),
    );
    expect(unit).toMatchObject({
      name: 'db1',
      product: { name: 'PostgreSQL', version: '15.18 (Debian 15.18-0+deb12u1)' },
      roles: { primary: 'db1', standbys: [], port: 5432 },
      identity: { systemIdentifier: '7562411111111111111', timeline: 1 },
      consistency: 'point-in-time-per-database',
      containsSecrets: true,
    });
    expect(unit.artifacts.map(({ path, mayBeGone }) => [path, mayBeGone])).toEqual([
      ['postgresql/db1/globals.sql', undefined],
      ['postgresql/db1/database-postgres.dump', true],
      ['postgresql/db1/database-a%20b%2Fc.dump', true],
      ['postgresql/db1/config.tar', undefined],
    ]);
    expect(unit.warnings.map(({ message }) => message)).toEqual([
      'db1: database retired is not saved: it accepts no connections (datallowconn is false)',
      'db1: database half is not saved: it is invalid: a DROP DATABASE was interrupted',
      'db1: database scratch is not saved: the option postgresql.exclude_databases names it',
    ]);
    expect(JSON.parse(JSON.stringify(unit))).toEqual(unit);
  });

  it('makes one unit of a primary and its standby, with both configurations', async () => {
    const hosts = [
      databaseHost({ name: 'db1', databases: [database('app')], recovery: true }),
      databaseHost({ name: 'db2', databases: [database('app')] }),
    ];
    const unit = onlyUnit(await postgresql.discover(fakeDiscoverContext({ hosts, options })));
    expect(unit).toMatchObject({
      name: 'db1+db2',
      hosts: ['db1', 'db2'],
      roles: { primary: 'db2', standbys: ['db1'] },
    });
    expect(unit.artifacts.map(({ path }) => path)).toEqual([
      'postgresql/db2/globals.sql',
      'postgresql/db2/database-app.dump',
      'postgresql/db1/config.tar',
      'postgresql/db2/config.tar',
    ]);
  });

  it.each([
    [true, 'found 0', /unreachable/],
    [false, 'found 2', /Decide which one/],
  ])('refuses a cluster without exactly one primary (recovery %s)', async (recovery, message, hint) => {
    const hosts = ['db1', 'db2'].map((name) => databaseHost({ name, databases: [database('app')], recovery }));
    const { units, problems } = await postgresql.discover(fakeDiscoverContext({ hosts, options }));
    expect(units).toEqual([]);
    expect(problems[0]).toMatchObject({
      unit: 'db1+db2',
      hosts: ['db1', 'db2'],
      error: { code: 'PG_ROLE', message: expect.stringContaining(message), hint: expect.stringMatching(hint) },
    });
    expect(problems[0]?.error.message).toContain(`db2:5432 says ${recovery ? 'standby' : 'primary'}`);
  });

  it('takes servers of different clusters as units of their own, and goes on without a host that is down', async () => {
    const hosts = [
      databaseHost({ name: 'db1', databases: [database('app')] }),
      databaseHost({ name: 'db2', databases: [database('app')], systemIdentifier: '2' }),
    ];
    const discovery = await postgresql.discover(
      fakeDiscoverContext({ hosts, options, unreachable: [fakeInventoryHost('db3')] }),
    );
    expect(discovery.units.map(({ name }) => name)).toEqual(['db1', 'db2']);
    expect(discovery.problems).toMatchObject([
      { unit: 'db3', error: { code: 'HOST_UNREACHABLE', component: 'postgresql' } },
    ]);
  });

  it('knows several servers on one host by their ports', async () => {
    const two = foundLine + foundLine.replace('5432', '5433');
    const remote = databaseHost({ databases: [database('app')], lines: two });
    const one = onlyUnit(
      await postgresql.discover(
        fakeDiscoverContext({ hosts: [remote], options: postgresqlOptions.parse({ port: '5433' }) }),
      ),
    );
    expect(one).toMatchObject({ name: 'db1', roles: { port: 5433 } });
    const { problems } = await postgresql.discover(
      fakeDiscoverContext({ hosts: [remote], options: postgresqlOptions.parse({ port: 6000 }) }),
    );
    expect(problems[0]?.error).toMatchObject({
      code: 'SERVICE_MISSING',
      message: expect.stringContaining('5432, 5433'),
    });
  });

  it('keeps a primary and a standby on one host apart', async () => {
    const remote = databaseHost({ databases: [database('app')], lines: foundLine + foundLine.replace('5432', '5433') });
    const recovery = JSON.stringify({
      ...(JSON.parse(factsOf({ databases: [database('app')] })) as object),
      recovery: true,
    });
    remote.answer(/\/psql .*--port=5433 .*'postgres'$/, { stdout: recovery });
    const unit = onlyUnit(await postgresql.discover(fakeDiscoverContext({ hosts: [remote], options })));
    expect(unit).toMatchObject({ name: 'db1:5432+db1:5433', hosts: ['db1'] });
    const run = fakeBackupContext({ hosts: [remote], options });
    await postgresql.backup(run.context, unit);
    expect([...run.saved.keys()].sort()).toEqual(unit.artifacts.map(({ path }) => path).sort());
    expect([...run.saved.keys()]).toContain('postgresql/db1/5433-config.tar');
  });

  it('tells a stopped server from a missing one', async () => {
    const stopped = new FakeHost({
      rules: [
        { argv: findCommand.argv, answer: {} },
        {
          argv: /^sh -c for path/,
          answer: { stdout: 'directory\t4\t/var/lib/postgresql\t/var/lib/postgresql\nmissing\nmissing\n' },
        },
      ],
    });
    const missing = new FakeHost({
      name: 'host2',
      rules: [
        { argv: findCommand.argv, answer: {} },
        { argv: /^sh -c for path/, answer: { stdout: 'missing\nmissing\nmissing\n' } },
      ],
    });
    const { problems } = await postgresql.discover(fakeDiscoverContext({ hosts: [stopped, missing], options }));
    expect(problems.map(({ error }) => error.code)).toEqual(['SERVICE_DOWN', 'SERVICE_MISSING']);
  });

  it('says what to do when the server lets nobody in', async () => {
    const remote = databaseHost({ databases: [database('app')] });
    remote.answer(/\/psql /, {
      status: 2,
      stderr: 'psql: error: FATAL:  Peer authentication failed for user "postgres"',
    });
    const { problems } = await postgresql.discover(fakeDiscoverContext({ hosts: [remote], options }));
    expect(problems[0]?.error).toMatchObject({
      code: 'SERVICE_DOWN',
      message: expect.stringContaining('Peer authentication failed'),
      hint: expect.stringContaining('pg_hba.conf'),
    });
  });
});

describe('postgresql backup', () => {
  it('saves everything, with counts from the dump’s own snapshot', async () => {
    const remote = databaseHost({
      databases: [database('postgres'), database('a b'), database('off', { connectable: false })],
    });
    const unit = onlyUnit(await postgresql.discover(fakeDiscoverContext({ hosts: [remote], options })));
    const run = fakeBackupContext({ hosts: [remote], options });
    await postgresql.backup(run.context, unit);
    expect([...run.saved.keys()].sort()).toEqual(unit.artifacts.map(({ path }) => path).sort());
    expect(run.baseline()).toMatchObject({
      databases: {
        'a b': {
          largeObjects: 2,
          tableCount: 2,
          tables: { 'public.a': 60, 'public.big': null },
          notCounted: 1,
          entries: 17,
          dataEntries: 4,
        },
        postgres: { owner: 'me', sequences: { 'public.s': null } },
      },
      skipped: { off: 'it accepts no connections (datallowconn is false)' },
    });
    expect(run.warnings).toEqual([]);
  });

  it('reports a dropped database as gone and saves one that was created', async () => {
    const scene = { databases: [database('postgres'), database('old')] };
    const remote = databaseHost(scene);
    const unit = onlyUnit(await postgresql.discover(fakeDiscoverContext({ hosts: [remote], options })));
    scene.databases = [database('postgres'), database('new')];
    const after = databaseHost(scene);
    const run = fakeBackupContext({ hosts: [after], options });
    await postgresql.backup(run.context, unit);
    expect([...run.gone.keys()]).toEqual(['postgresql/db1/database-old.dump']);
    expect([...run.saved.keys()].sort()).toEqual([
      'postgresql/db1/config.tar',
      'postgresql/db1/database-new.dump',
      'postgresql/db1/database-postgres.dump',
      'postgresql/db1/globals.sql',
    ]);
  });

  it('fails when a database that is still listed cannot be connected to', async () => {
    const remote = databaseHost({ databases: [database('postgres'), database('app')] });
    const unit = onlyUnit(await postgresql.discover(fakeDiscoverContext({ hosts: [remote], options })));
    remote.answer(/\/psql .*'app'$/, { status: 2, stderr: 'FATAL: sorry, too many clients already' });
    const run = fakeBackupContext({ hosts: [remote], options });
    await expect(postgresql.backup(run.context, unit)).rejects.toMatchObject({
      code: 'COMMAND_FAILED',
      message: expect.stringContaining('too many clients'),
    });
    expect(run.gone.size).toBe(0);
    expect(run.saved.has('postgresql/db1/database-postgres.dump')).toBe(true);
  });

  it.each([
    ['is cut', { stdout: dump.subarray(0, dump.length - 40) }, 'FORMAT_INVALID'],
    [
      'ends with an error',
      { stdout: dump, status: 1, stderr: 'pg_dump: error: canceling statement due to lock timeout' },
      'COMMAND_FAILED',
    ],
  ])('fails when a dump %s', async (_title, answer, code) => {
    const remote = databaseHost({ databases: [database('postgres')] });
    const unit = onlyUnit(await postgresql.discover(fakeDiscoverContext({ hosts: [remote], options })));
    remote.answer(/\/pg_dump /, answer);
    await expect(
      postgresql.backup(fakeBackupContext({ hosts: [remote], options }).context, unit),
    ).rejects.toMatchObject({ code });
  });
});

describe('postgresql commands', () => {
  it('quotes a database name so that libpq cannot take it for anything else', () => {
    expect(connectionTo('app')).toBe("dbname='app'");
    expect(connectionTo("postgres://evil host=x 'q' \\")).toBe("dbname='postgres://evil host=x \\'q\\' \\\\'");
  });

  it('runs the server’s own programs as its own user', () => {
    expect(globalsCommand(server)).toMatchObject({
      argv: [
        '/usr/lib/postgresql/15/bin/pg_dumpall',
        '--globals-only',
        '--no-password',
        '--host=/var/run/postgresql',
        '--port=5432',
        '--database=postgres',
      ],
      become: 'postgres',
    });
    expect(dumpCommand(server, { database: 'a b', snapshot: '0-1', lockWaitTimeout: 5 })).toMatchObject({
      argv: [
        '/usr/lib/postgresql/15/bin/pg_dump',
        '--format=custom',
        '--compress=0',
        '--lock-wait-timeout=5s',
        '--snapshot=0-1',
        '--no-password',
        '--host=/var/run/postgresql',
        '--port=5432',
        "--dbname=dbname='a b'",
      ],
      become: 'postgres',
    });
    expect(psqlCommand(server, 'a').argv.slice(0, 5)).toEqual([
      '/usr/lib/postgresql/15/bin/psql',
      '--no-psqlrc',
      '--quiet',
      '--no-align',
      '--tuples-only',
    ]);
  });

  it('takes Debian’s configuration directory whole, and only files where the data directory holds them', () => {
    const debian = configurationPaths(server, {
      files: ['/etc/postgresql/15/main/conf.d/local.conf'],
      versionNumber: 150_018,
    });
    expect(debian).toContain('/etc/postgresql/15/main');
    const redHat = configurationPaths(
      { ...server, dataDirectory: '/var/lib/pgsql/14/data' },
      { files: ['/var/lib/pgsql/14/data/postgresql.conf', '/etc/pki/server.key'], versionNumber: 140_000 },
    );
    expect(redHat).not.toContain('/var/lib/pgsql/14/data');
    expect(redHat).toEqual(
      expect.arrayContaining([
        '/var/lib/pgsql/14/data/pg_hba.conf',
        '/etc/pki/server.key',
        '/etc/repmgr/14',
        '/etc/systemd/system/postgresql-14.service.d',
      ]),
    );
  });

  it('counts no rows when told so', () => {
    expect(countsSql(0)).toContain('0 > 0');
    expect(countsSql(2)).toContain('bytes <= 2097152 AND 2097152 > 0');
  });

  it('checks its options', () => {
    expect(postgresqlOptions.parse({ port: '5433', exclude_databases: ['a'], count_rows: 0 })).toMatchObject({
      port: 5433,
      exclude_databases: ['a'],
      count_rows: 0,
      lock_wait_timeout: 60,
    });
    for (const wrong of [{ port: 0 }, { port: 'x' }, { port: 70_000 }, { count_rows: -1 }, { unknown: 1 }])
      expect(postgresqlOptions.safeParse(wrong).success).toBe(false);
  });
});
