import { describe, expect, it } from '@jest/globals';
import { fakeBackupContext, fakeDiscoverContext, onlyUnit } from '../../testing/fake-contexts.js';
import { FakeHost, fakeInventoryHost } from '../../testing/fake-host.js';
import { postgresql } from './index.js';
import { postgresqlOptions } from './options.js';
import { foundLine, database, factsOf, databaseHost, options } from './postgresql.test-support.js';
import { findCommand } from './server.js';

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

  it('takes two inventory names of one host for one member', async () => {
    const scene = { databases: [database('app')], started: '1763887392.123456' };
    const hosts = ['db1', 'db1-alias'].map((name) => databaseHost({ ...scene, name }));
    const unit = onlyUnit(await postgresql.discover(fakeDiscoverContext({ hosts, options })));
    expect(unit).toMatchObject({
      name: 'db1',
      hosts: ['db1', 'db1-alias'],
      roles: { primary: 'db1', standbys: [] },
      warnings: [{ code: 'HOST_ALIAS', message: expect.stringContaining('db1-alias is the same machine as db1') }],
    });
    const run = fakeBackupContext({ hosts, options });
    await postgresql.backup(run.context, unit);
    expect([...run.saved.keys()].sort()).toEqual(unit.artifacts.map(({ path }) => path).sort());
  });

  it('keeps the servers of machines apart that were cloned with their machine-id', async () => {
    const hosts = [true, false].map((recovery, index) =>
      databaseHost({ name: `db${String(index)}`, databases: [database('app')], recovery }),
    );
    expect(hosts[0]!.facts.machineId).toBe(hosts[1]!.facts.machineId);
    const unit = onlyUnit(await postgresql.discover(fakeDiscoverContext({ hosts, options })));
    expect(unit).toMatchObject({ name: 'db0+db1', roles: { primary: 'db1', standbys: ['db0'] } });
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
