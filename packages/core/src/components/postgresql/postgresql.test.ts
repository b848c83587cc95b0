import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { fakeBackupContext, fakeDiscoverContext, onlyUnit } from '../../testing/fake-contexts.js';
import { FakeHost, fakeInventoryHost, runHere, type FakeRule } from '../../testing/fake-host.js';
import { configurationPaths, type PostgresqlFound } from './artifacts.js';
import type { Database } from './facts.js';
import { postgresql } from './index.js';
import { postgresqlOptions } from './options.js';
import {
  connectionTo,
  directoriesCommand,
  dumpCommand,
  findCommand,
  globalsCommand,
  psqlCommand,
  type Server,
} from './server.js';
import { countsSql, Session } from './snapshot.js';

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
    // Of its own for each name, as long as a test does not say otherwise.
    oid: Buffer.from(name).reduce((sum, byte) => (sum * 31 + byte) % 1_000_003, 16_384),
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
  /** Data directories as the host lists them. */
  directories?: string;
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
    talk: () => conversation(scene, 'postgres'),
  };
  return new FakeHost({
    name: scene.name ?? 'db1',
    rules: [
      { argv: findCommand.argv, answer: { stdout: scene.lines ?? foundLine } },
      { argv: directoriesCommand.argv, answer: { stdout: scene.directories ?? '' } },
      psql,
      ...names().map((name): FakeRule => ({
        argv: new RegExp(`/psql .*--dbname=dbname='${name}'$`),
        answer: { status: 2, stderr: 'gone' },
        talk: () => conversation(scene, name),
      })),
      { argv: /\/psql /, answer: { status: 2, stderr: 'psql: error: FATAL:  database "x" does not exist' } },
      { argv: /\/pg_dumpall /, answer: { stdout: globals } },
      { argv: /\/pg_dump .*--snapshot=00000003-0000001B-1 /, answer: { stdout: dump } },
      {
        argv: /^sh -c hidden/,
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
      { argv: /^sh -c find/, answer: { stdout: '\0' } },
      { argv: /^sh -c help/, answer: { stdout: '--sort\n' } },
      { argv: /^tar /, answer: () => runHere({ argv: ['tar', '-cf', '-', '-C', '/etc', 'hostname'] }, '') },
    ],
  });
}

/** A psql on the database that has this name when it connects. */
function conversation(scene: Scene, name: string): (line: string) => string {
  const oid = scene.databases.find((candidate) => candidate.name === name)?.oid ?? 1;
  return (line) => {
    if (line.startsWith('SELECT oid')) return `${String(oid)}\n`;
    if (line.startsWith('\\echo ')) return `${line.slice(6)}\n`;
    if (line.includes('pg_export_snapshot')) return '00000003-0000001B-1\n';
    if (line.endsWith('current_database();'))
      return `${JSON.stringify({ owner: 'me', encoding: 'UTF8', collate: 'C', size: 8, largeObjects: 2, extensions: { plpgsql: '1.0' }, sequences: { 'public.s': null } })}\n`;
    if (line.includes('\\gexec')) return '["public.a", 60, 8192]\n["public.big", null, 99999999999]\n';
    return '';
  };
}

const options = postgresqlOptions.parse({});

async function plan(scene: Scene): Promise<ReturnType<typeof onlyUnit<PostgresqlFound>>> {
  return onlyUnit(await postgresql.discover(fakeDiscoverContext({ hosts: [databaseHost(scene)], options })));
}

function dumpsOf({ saved }: { readonly saved: ReadonlyMap<string, unknown> }): readonly string[] {
  return [...saved.keys()].flatMap((path) => /database-.*/.exec(path)?.[0] ?? []).sort();
}

/** Counts the sessions that are open at once. */
function countSessions(remote: FakeHost): { readonly remote: FakeHost; readonly most: () => number } {
  let open = 0;
  let most = 0;
  const start = remote.start.bind(remote);
  remote.start = async (command, more) => {
    open += 1;
    most = Math.max(most, open);
    const session = await start(command, more);
    return {
      ...session,
      [Symbol.asyncDispose]: async () => {
        open -= 1;
        await session[Symbol.asyncDispose]();
      },
    };
  };
  return { remote, most: () => most };
}

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
          argv: /^sh -c hidden/,
          answer: { stdout: 'directory\t4\t/var/lib/postgresql\t/var/lib/postgresql\nmissing\nmissing\n' },
        },
      ],
    });
    const missing = new FakeHost({
      name: 'host2',
      rules: [
        { argv: findCommand.argv, answer: {} },
        { argv: /^sh -c hidden/, answer: { stdout: 'missing\nmissing\nmissing\n' } },
      ],
    });
    const { problems } = await postgresql.discover(fakeDiscoverContext({ hosts: [stopped, missing], options }));
    expect(problems.map(({ error }) => error.code)).toEqual(['SERVICE_DOWN', 'SERVICE_MISSING']);
  });

  it('reports each stopped server beside a running one, unless that is accepted', async () => {
    const directories =
      '/var/lib/postgresql/15/main\t/var/lib/postgresql/15/main\t5432\n' +
      '/data/second\t/mnt/second\t5433\n' +
      '/mnt/second\t/mnt/second\t5432\n' +
      '/var/lib/pgsql/data\t/var/lib/pgsql/data\t5432\n';
    const remote = databaseHost({ databases: [database('app')], directories });
    const { units, problems } = await postgresql.discover(fakeDiscoverContext({ hosts: [remote], options }));
    expect(units.map(({ name }) => name)).toEqual(['db1:5432']);
    expect(problems).toMatchObject([
      {
        unit: 'db1:5433',
        hosts: ['db1'],
        error: { code: 'SERVICE_DOWN', message: expect.stringContaining('/mnt/second') },
      },
      { unit: 'db1:/var/lib/pgsql/data', error: { hint: expect.stringContaining('ignore_stopped') } },
    ]);
    for (const accepted of [{ ignore_stopped: 'true' }, { ignore_stopped: true }, { port: 5432, ignore_stopped: true }])
      onlyUnit(
        await postgresql.discover(fakeDiscoverContext({ hosts: [remote], options: postgresqlOptions.parse(accepted) })),
      );
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

  it('saves databases that are swapped between the plan and their turn, and one more under the names they have now', async () => {
    const scene: Scene = {
      databases: [database('app', { oid: 1 }), database('app_new', { oid: 2 }), database('postgres', { oid: 5 })],
    };
    const unit = await plan(scene);
    scene.databases = [database('app_old', { oid: 1 }), database('app', { oid: 2 }), database('postgres', { oid: 5 })];
    const remote = databaseHost(scene);
    const run = fakeBackupContext({ hosts: [remote], options });
    await postgresql.backup(run.context, unit);
    expect(dumpsOf(run)).toEqual(['database-app.dump', 'database-app_old.dump', 'database-postgres.dump']);
    expect(remote.transcript.filter((line) => /pg_dump .*--dbname=dbname='app'$/.test(line))).toHaveLength(1);
    expect([...run.gone]).toEqual([
      [
        'postgresql/db1/database-app_new.dump',
        'database app_new is now called app and saved as postgresql/db1/database-app.dump',
      ],
    ]);
    expect(run.warnings).toMatchObject([
      { code: 'DATABASE_REPLACED', message: expect.stringContaining('database app is now called app_old') },
    ]);
  });

  it('gives a name of its own to a database that takes the name of one that is saved already', async () => {
    const scene: Scene = { databases: [database('app', { oid: 1 }), database('app_new', { oid: 2 })] };
    const unit = await plan(scene);
    const remote = databaseHost(scene);
    // The swap happens when app is dumped and app_new's turn has not come.
    remote.answer(/\/pg_dump .*'app'$/, () => {
      scene.databases = [database('app_old', { oid: 1 }), database('app', { oid: 2 })];
      return { stdout: dump };
    });
    remote.answer(/\/psql .*'app_new'$/, { status: 2, stderr: 'FATAL: database "app_new" does not exist' });
    const run = fakeBackupContext({ hosts: [remote], options });
    await postgresql.backup(run.context, unit);
    expect(dumpsOf(run)).toEqual(['database-app-2.dump', 'database-app.dump']);
    expect([...run.gone]).toEqual([
      [
        'postgresql/db1/database-app_new.dump',
        'database app_new is now called app and saved as postgresql/db1/database-app-2.dump',
      ],
    ]);
    expect(Object.keys((run.baseline() as { databases: object }).databases).sort()).toEqual(['app', 'app-2']);
  });

  it('does not take a database that was made anew under the same name for the one that was dropped', async () => {
    const scene: Scene = { databases: [database('app', { oid: 1 })] };
    const unit = await plan(scene);
    scene.databases = [database('app', { oid: 9 })];
    const run = fakeBackupContext({ hosts: [databaseHost(scene)], options });
    await postgresql.backup(run.context, unit);
    expect(dumpsOf(run)).toEqual(['database-app.dump']);
    expect(run.warnings).toMatchObject([
      { code: 'DATABASE_REPLACED', message: expect.stringContaining('app was dropped') },
    ]);
  });

  it.each([
    ['an excluded name', 'scratch', {}],
    ['one that nobody may connect to', 'app_old', { connectable: false }],
  ])('fails when a planned database was renamed to %s', async (_title, name, more) => {
    const own = postgresqlOptions.parse({ exclude_databases: 'scratch' });
    const scene: Scene = { databases: [database('app', { oid: 1 }), database('postgres', { oid: 5 })] };
    const unit = await plan(scene);
    scene.databases = [database(name, { oid: 1, ...more }), database('postgres', { oid: 5 })];
    const run = fakeBackupContext({ hosts: [databaseHost(scene)], options: own });
    await expect(postgresql.backup(run.context, unit)).rejects.toMatchObject({
      code: 'ARTIFACT_NOT_SAVED',
      message: expect.stringContaining(`database app, now called ${name}`),
    });
    expect(run.gone.size).toBe(0);
  });

  it('fails when a database is renamed faster than it can be found', async () => {
    const scene: Scene = { databases: [database('postgres', { oid: 5 }), database('app', { oid: 1 })] };
    const unit = await plan(scene);
    const remote = databaseHost(scene);
    let listings = 0;
    remote.answer(/\/psql .*'postgres'$/, () => {
      listings += 1;
      return { stdout: JSON.stringify([database(`app${String(listings)}`, { oid: 1 })]) };
    });
    remote.answer(/\/psql .*'app\d*'$/, { status: 2, stderr: 'does not exist' });
    const found = { ...unit.found, databases: [{ name: 'app', oid: 1 }] };
    const run = fakeBackupContext({ hosts: [remote], options });
    await expect(postgresql.backup(run.context, { ...unit, found })).rejects.toMatchObject({
      code: 'ARTIFACT_NOT_SAVED',
      message: expect.stringContaining('renamed again and again'),
    });
    expect(run.gone.size).toBe(0);
  });

  it('holds at most two sessions on a host, whatever runs at once', async () => {
    const scene: Scene = { databases: ['a', 'b', 'c', 'd'].map((name) => database(name)) };
    const unit = await plan(scene);
    const { remote, most } = countSessions(databaseHost(scene));
    const runs = [1, 2, 3].map(() => fakeBackupContext({ hosts: [remote], options }));
    await Promise.all(runs.map(({ context }) => postgresql.backup(context, unit)));
    expect(runs.map(({ saved }) => saved.size)).toEqual([6, 6, 6]);
    expect(most()).toBe(2);
  });

  it('lets a dump be silent for as long as it may wait for a lock', async () => {
    const own = postgresqlOptions.parse({ lock_wait_timeout: 600 });
    const scene: Scene = { databases: [database('app')] };
    const unit = await plan(scene);
    const remote = databaseHost(scene);
    const quiets: unknown[] = [];
    const read = remote.read.bind(remote);
    remote.read = (command, more) => {
      if (command.argv[0]?.endsWith('/pg_dump') === true) quiets.push(more?.quiet);
      return read(command, more);
    };
    const run = fakeBackupContext({ hosts: [remote], options: own });
    const context: typeof run.context = {
      ...run.context,
      save: (artifact) => {
        if (artifact.format.name.includes('pg')) quiets.push(artifact.quiet);
        return run.context.save(artifact);
      },
    };
    await postgresql.backup(context, unit);
    expect(quiets).toEqual([720, 720]);
  });

  it('does not wait for ever for an answer of psql', async () => {
    const deaf = new FakeHost({ name: 'db1', rules: [{ argv: /\/psql /, answer: {}, talk: () => () => '' }] });
    const signal = new AbortController().signal;
    await expect(
      Session.open({ remote: deaf, server, database: 'app', versionNumber: 150_018, signal, answerSeconds: 0.05 }),
    ).rejects.toMatchObject({ code: 'COMMAND_TIMEOUT', message: expect.stringContaining('database app') });
  });

  describe('where one database fails', () => {
    const app = 'postgresql/db1/database-app.dump';
    const others = ['postgresql/db1/database-postgres.dump', 'postgresql/db1/globals.sql'];

    it.each([
      [
        'cannot be connected to',
        /\/psql .*'app'$/,
        { status: 2, stderr: 'FATAL: sorry, too many clients already' },
        { code: 'COMMAND_FAILED', message: expect.stringContaining('too many clients') },
      ],
      ['is cut', /\/pg_dump .*'app'$/, { stdout: dump.subarray(0, dump.length - 40) }, { code: 'FORMAT_INVALID' }],
      [
        'has a table that is locked for too long',
        /\/pg_dump .*'app'$/,
        { stdout: dump, status: 1, stderr: 'pg_dump: error: canceling statement due to lock timeout' },
        { code: 'COMMAND_FAILED', message: expect.stringContaining('lock timeout') },
      ],
    ])('saves the others: it %s', async (_title, command, answer, error) => {
      const remote = databaseHost({ databases: [database('app'), database('postgres')] });
      const unit = onlyUnit(await postgresql.discover(fakeDiscoverContext({ hosts: [remote], options })));
      remote.answer(command, answer);
      const run = fakeBackupContext({ hosts: [remote], options });
      await postgresql.backup(run.context, unit);
      expect([...run.failed.keys()]).toEqual([app]);
      expect(run.failed.get(app)).toMatchObject(error);
      expect([...run.saved.keys()]).toEqual(expect.arrayContaining(others));
      expect(run.gone.size).toBe(0);
      expect(run.context.signal.aborted).toBe(false);
      expect(run.baseline()).toMatchObject({ databases: { postgres: {} } });
    });

    it('saves them too when the roles cannot be dumped', async () => {
      const remote = databaseHost({ databases: [database('app')] });
      const unit = onlyUnit(await postgresql.discover(fakeDiscoverContext({ hosts: [remote], options })));
      remote.answer(/\/pg_dumpall /, { status: 1, stderr: 'permission denied for table pg_authid' });
      const run = fakeBackupContext({ hosts: [remote], options });
      await expect(postgresql.backup(run.context, unit)).rejects.toMatchObject({ code: 'COMMAND_FAILED' });
      expect([...run.failed.keys()]).toEqual(['postgresql/db1/globals.sql']);
      expect([...run.saved.keys()]).toContain(app);
    });
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
