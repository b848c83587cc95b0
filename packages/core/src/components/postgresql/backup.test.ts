import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { fakeBackupContext, fakeDiscoverContext, onlyUnit } from '../../testing/fake-contexts.js';
import { FakeHost } from '../../testing/fake-host.js';
import { postgresql } from './index.js';
import { postgresqlOptions } from './options.js';
import {
  server,
  dump,
  database,
  type Scene,
  databaseHost,
  options,
  plan,
  dumpsOf,
  countSessions,
} from './postgresql.test-support.js';
import { Session } from './snapshot.js';

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
        postgres: { owner: 'me', sequences: { 'public.s': null }, sequenceCount: 1 },
      },
      skipped: { off: 'it accepts no connections (datallowconn is false)' },
    });
    expect(run.warnings).toEqual([]);
  });

  it('counts nothing before the dump has begun, when pg_dump holds its locks', async () => {
    const scene: Scene = { databases: [database('app')] };
    const unit = await plan(scene);
    const remote = databaseHost(scene);
    const asked: string[] = [];
    const start = remote.start.bind(remote);
    remote.start = async (command, more) => {
      const session = await start(command, more);
      const write = session.stdin.write.bind(session.stdin) as (chunk: string) => boolean;
      session.stdin.write = (chunk: string) => {
        asked.push(/LOCK TABLE|ORDER BY coalesce|pg_export_snapshot/.exec(chunk)?.[0] ?? '');
        return write(chunk);
      };
      return session;
    };
    const read = remote.read.bind(remote);
    remote.read = (command, more) => {
      if (!command.argv[0]!.endsWith('/pg_dump')) return read(command, more);
      async function* slowly(): AsyncGenerator<Uint8Array> {
        await new Promise((resolve) => setTimeout(resolve, 50));
        asked.push('first byte');
        yield dump;
      }
      return Promise.resolve(Readable.from(slowly(), { objectMode: false }));
    };
    const run = fakeBackupContext({ hosts: [remote], options });
    await postgresql.backup(run.context, unit);
    expect(asked.filter((word) => word !== '')).toEqual([
      'pg_export_snapshot',
      'first byte',
      'LOCK TABLE',
      'ORDER BY coalesce',
    ]);
  });

  it('tells which tables it could not count, and invents no rows for them', async () => {
    const scene: Scene = {
      databases: [database('app')],
      counts: '["public.truncated", null, true]\n["public.a", 60, false]\n',
    };
    const remote = databaseHost(scene);
    const unit = await plan(scene);
    const run = fakeBackupContext({ hosts: [remote], options });
    await postgresql.backup(run.context, unit);
    expect(run.baseline()).toMatchObject({
      databases: {
        app: {
          tableCount: 3,
          tables: { 'public.truncated': null, 'public.a': 60, 'public.big': null },
          notCounted: 2,
        },
      },
    });
    expect(run.warnings).toEqual([
      {
        code: 'BASELINE_INCOMPLETE',
        message: expect.stringMatching(/database app is saved, but the rows of 2 .*: public\.truncated, public\.big$/),
      },
    ]);
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
