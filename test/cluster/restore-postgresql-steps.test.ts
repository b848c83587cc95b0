import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Step, StepContext, StepState } from '../../packages/core/src/components/restore.js';
import type { RemoteHost } from '../../packages/core/src/remote/remote-host.js';
import type { Json } from '../../packages/core/src/model/json.js';
import { shellOnHost } from '../support/cluster-host.js';
import { kinds, restoreTest, type PostgresqlRestore, type RestoreTest } from '../support/postgresql-restore.js';
import { databaseState, dropKept, rolesState, seedAgain, serverLog, sql } from '../support/postgresql-state.js';
import { kindOf, throughJson, withoutArchive } from '../support/run-steps.js';

jest.setTimeout(300_000);

// Every kind of step, in every state in which a killed run may leave it: applied and undone from there, twice.

let test: RestoreTest;
let opened: PostgresqlRestore;
let steps: readonly Step[];
let before: string;
let roles: string;

beforeAll(async () => {
  test = await restoreTest();
  await seedAgain();
  const target = await test.backUp();
  // What is there differs from the backup.
  await sql('app', 'CREATE TABLE public.made_since (n integer)');
  await sql('postgres', "ALTER ROLE report NOLOGIN PASSWORD 'other'; DROP ROLE legacy_client; CREATE ROLE newcomer");
  opened = await test.open(target, { database: ['app'], globals: ['yes'] });
  steps = await opened.plan();
  before = await databaseState('app');
  roles = await rolesState();
});

afterAll(async () => {
  await sql('postgres', 'DROP ROLE IF EXISTS newcomer');
  await test[Symbol.asyncDispose]();
  await seedAgain();
});

/** One step as a run has it. */
interface Trial {
  prepare(): Promise<Json>;
  apply(undo: Json, context?: StepContext): Promise<void>;
  probe(undo: Json): Promise<StepState>;
  revert(undo: Json): Promise<void>;
}

function trial(name: string): Trial {
  const step = steps.find(({ id }) => id.endsWith(`/${name}`))!;
  const kind = kindOf(step, kinds);
  const params = kind.params.parse(throughJson(step.params));
  return {
    prepare: async () => throughJson(await kind.prepare(opened.context, params)),
    apply: (undo, context = opened.context) => kind.apply(context, params, undo),
    probe: (undo) => kind.probe(withoutArchive(opened.context), params, undo),
    revert: (undo) => kind.revert!(withoutArchive(opened.context), params, undo),
  };
}

/** From what `disturb` makes of the state before: done, done again, undone, undone again; and undone at once. */
async function everyWay(one: Trial, disturb: (undo: Json) => Promise<void>, state?: StepState): Promise<void> {
  const undo = await one.prepare();
  expect(await one.probe(undo)).toBe('not done');
  await disturb(undo);
  if (state !== undefined) expect(await one.probe(undo)).toBe(state);
  await one.revert(undo);
  expect(await one.probe(undo)).toBe('not done');
  await disturb(undo);
  for (let round = 0; round < 2; round += 1) {
    await one.apply(undo);
    expect(await one.probe(undo)).toBe('done');
  }
  for (let round = 0; round < 2; round += 1) {
    await one.revert(undo);
    expect(await one.probe(undo)).toBe('not done');
  }
}

/** Applied for good, for the steps that follow. */
async function done(...names: readonly string[]): Promise<void> {
  for (const name of names) {
    const one = trial(name);
    const undo = await one.prepare();
    await one.apply(undo);
    expect(await one.probe(undo)).toBe('done');
    undos.set(name, undo);
  }
}
const undos = new Map<string, Json>();

async function undone(...names: readonly string[]): Promise<void> {
  for (const name of names) await trial(name).revert(undos.get(name)!);
}

/** Artifacts of which only the beginning comes, and then an error or the end. */
function cut(bytes: number, ending: 'error' | 'end'): StepContext {
  return {
    ...opened.context,
    read: async (path) => {
      const whole = await buffer(await opened.context.read(path));
      return Readable.from(
        (async function* () {
          yield whole.subarray(0, bytes);
          await Promise.resolve();
          if (ending === 'error') throw new Error('cut');
        })(),
      );
    },
  };
}

/** The connection is lost while statements are sent: the server's psql has those up to there, and takes them for all. */
function lost(cutAt: (statements: Buffer) => number): StepContext {
  const { remote: whole } = test;
  const remote: RemoteHost = {
    host: whole.host,
    facts: whole.facts,
    read: (command, options) => whole.read(command, options),
    write: (command, input, options) => whole.write(command, input, options),
    start: (command, options) => whole.start(command, options),
    connect: (to, options) => whole.connect(to, options),
    async run(command, options = {}) {
      const { input } = options;
      if (input === undefined || !Buffer.from(input).includes('BEGIN;')) return whole.run(command, options);
      const statements = Buffer.from(input);
      await whole.run(
        { ...command, accept: [0, 1, 2, 3] },
        { ...options, input: statements.subarray(0, cutAt(statements)) },
      );
      throw new Error('the connection is lost');
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return { ...opened.context, remote: () => Promise.resolve(remote) };
}

/** Somewhere before the last line, which makes it count. */
const share =
  (part: number) =>
  (statements: Buffer): number =>
    Math.floor(part * (statements.length - 'COMMIT;\n'.length));
const shares = Array.from({ length: 11 }, (_, index) => (index + Math.random()) / 11).concat(1);

const nothing = (): Promise<void> => Promise.resolve();
const newDatabase = (): string => (steps.at(-1)!.params as { newName: string }).newName;

describe('roles', () => {
  it.each([
    ['not begun', nothing, 'not done'],
    ['those of the archive kept, no more', () => keepArchived(), 'not done'],
    ['both kept, no more', (undo: Json) => keepBoth(undo), 'half'],
    ['done', (undo: Json) => trial('roles').apply(undo), 'done'],
    ['done, and killed before it was said', (undo: Json) => applyUnsaid(undo), 'half'],
  ] as const)('%s', async (_name, disturb, state) => {
    await everyWay(trial('roles'), disturb, state);
    expect(await rolesState()).toBe(roles);
    expect(
      await shellOnHost('db1', 'if [ -e /var/lib/lsbackup/restores ]; then ls /var/lib/lsbackup/restores; fi'),
    ).toBe('');
  });

  it('keeps both for root alone', async () => {
    const undo = await trial('roles').prepare();
    await trial('roles').apply(undo);
    const kept = 'stat -c "%a %U %n" /var/lib/lsbackup/restores/*/* | sed "s,/.*globals,globals,"';
    const modes = ['', '.archived', '.done'].map((ending) => `600 root globals.sql${ending}\n`);
    expect(await shellOnHost('db1', kept)).toBe(modes.join(''));
    await trial('roles').revert(undo);
  });

  it('changes nothing when its script is cut anywhere', async () => {
    const undo = await trial('roles').prepare();
    await expect(trial('roles').apply(undo, cut(1800, 'error'))).rejects.toThrow();
    await trial('roles').revert(undo);
    expect(await rolesState()).toBe(roles);
  });

  it('changes nothing when the connection is lost anywhere in its statements', async () => {
    const undo = await trial('roles').prepare();
    for (const part of shares) {
      await expect(trial('roles').apply(undo, lost(share(part)))).rejects.toThrow('the connection is lost');
      expect([part, await rolesState()]).toEqual([part, roles]);
    }
    await trial('roles').revert(undo);
  });

  it("shows the server's log no password when the connection is lost inside one", async () => {
    const before = (await serverLog()).length;
    const undo = await trial('roles').prepare();
    const inside = (statements: Buffer): number => statements.indexOf("'SCRAM-SHA-256$") + 60;
    await expect(trial('roles').apply(undo, lost(inside))).rejects.toThrow('the connection is lost');
    expect((await serverLog()).slice(before)).not.toContain('SCRAM');
    await trial('roles').revert(undo);
  });

  async function applyUnsaid(undo: Json): Promise<void> {
    await trial('roles').apply(undo);
    await shellOnHost('db1', 'rm /var/lib/lsbackup/restores/*/*.done');
  }
  async function keepArchived(): Promise<void> {
    const directory = `/var/lib/lsbackup/restores/${opened.context.runId}`;
    await shellOnHost('db1', `mkdir -p ${directory}; echo x >${directory}/postgresql-db1-globals.sql.archived`);
  }
  async function keepBoth(undo: Json): Promise<void> {
    await expect(trial('roles').apply(undo, lost(share(0)))).rejects.toThrow('the connection is lost');
  }
});

describe('one database', () => {
  it.each([
    ['not begun', nothing, 'not done'],
    ['created, no more', () => sql('postgres', `CREATE DATABASE ${newDatabase()}`).then(nothing), 'half'],
    ['cut inside its data', () => failLoad(150_000, 'error'), 'half'],
    ['ended early', () => failLoad(150_000, 'end'), 'half'],
    ['with a statement of a killed attempt that goes on', goesOn, 'half'],
    ['done', (undo: Json) => trial('load').apply(undo), 'done'],
  ] as const)('load: %s', async (_name, disturb, state) => {
    await everyWay(trial('load'), disturb, state);
    expect(await databaseState('app')).toBe(before);
  });

  it('verify, hold-off, swap and let-in, from every state', async () => {
    await done('load');
    await everyWay(trial('verify'), nothing);
    await done('verify');
    await everyWay(trial('hold-off'), nothing);
    await everyWay(trial('hold-off'), (undo) => trial('hold-off').apply(undo), 'done');
    await done('hold-off');
    await everyWay(trial('swap'), nothing);
    await everyWay(trial('swap'), () => halfTransaction());
    const undo = await trial('swap').prepare();
    for (const part of shares) {
      await expect(trial('swap').apply(undo, lost(share(part)))).rejects.toThrow('the connection is lost');
      expect([part, await trial('swap').probe(undo)]).toEqual([part, 'not done']);
    }
    await done('swap');
    expect(await sql('postgres', "SELECT datallowconn FROM pg_database WHERE datname = 'app'")).toBe('f');
    await everyWay(trial('let-in'), nothing);
    await everyWay(trial('let-in'), (undo) => trial('let-in').apply(undo), 'done');
    await done('let-in');
    expect(await sql('app', "SELECT to_regclass('public.made_since') IS NULL")).toBe('t');
    await undone('let-in', 'swap', 'hold-off', 'verify', 'load');
    expect(await databaseState('app')).toBe(before);
    expect(await sql('postgres', "SELECT count(*) FROM pg_database WHERE datname LIKE '%lsbackup%'")).toBe('0');
  });

  it('finds a client that is still there half done, and ends it', async () => {
    await done('load', 'verify');
    const client = sql('app', 'SELECT pg_sleep(60)').catch(() => 'ended');
    await untilItSleeps('app');
    await everyWay(trial('hold-off'), () =>
      sql('postgres', 'ALTER DATABASE app ALLOW_CONNECTIONS false').then(nothing),
    );
    expect(await client).toBe('ended');
    await undone('verify', 'load');
  });

  it('says that the loaded database is not what was counted', async () => {
    await done('load');
    await sql(newDatabase(), 'DELETE FROM shop.orders WHERE id = 1; DROP EXTENSION pgcrypto');
    await expect(trial('verify').apply(await trial('verify').prepare())).rejects.toMatchObject({
      code: 'RESTORE_CHECK',
      message: expect.stringMatching(/pgcrypto is missing.*shop\.orders has 19999 rows, had 20000/) as unknown,
    });
    await undone('load');
  });

  it('is not undone over a database that somebody made or renamed since', async () => {
    const steps = ['let-in', 'swap', 'hold-off', 'verify', 'load'] as const;
    await done(...steps.toReversed());
    await sql('postgres', 'ALTER DATABASE app RENAME TO app_broken');
    await expect(undone('let-in')).rejects.toMatchObject({
      code: 'RESTORE_REFUSED',
      message: expect.stringContaining('renamed to app_broken') as unknown,
    });
    await sql('postgres', 'CREATE DATABASE app');
    await sql('app', 'CREATE TABLE public.precious (n integer)');
    for (const step of ['let-in', 'swap'])
      await expect(undone(step)).rejects.toMatchObject({ code: 'RESTORE_REFUSED' });
    expect(await sql('app', "SELECT to_regclass('public.precious') IS NULL")).toBe('f');
    expect(await sql('app_broken', 'SELECT count(*) > 0 FROM shop.orders')).toBe('t');
    await sql('postgres', 'DROP DATABASE app');
    await sql('postgres', 'ALTER DATABASE app_broken RENAME TO app');
    await undone(...steps);
    expect(await databaseState('app')).toBe(before);
  });

  it('cannot be put back once what was there is dropped, and holds nobody off for it', async () => {
    await done('load', 'verify', 'hold-off', 'swap', 'let-in');
    await dropKept();
    await expect(undone('let-in')).rejects.toMatchObject({ code: 'RESTORE_REFUSED' });
    expect(await sql('app', 'SELECT 1')).toBe('1');
  });

  async function failLoad(bytes: number, ending: 'error' | 'end'): Promise<void> {
    const undo = await trial('load').prepare();
    await expect(trial('load').apply(undo, cut(bytes, ending))).rejects.toThrow();
  }
  async function goesOn(): Promise<void> {
    await sql('postgres', `CREATE DATABASE ${newDatabase()}`);
    await shellOnHost(
      'db1',
      `cd /; PGAPPNAME=${newDatabase()} setsid runuser -u postgres -- psql -Xq -d ${newDatabase()} -c 'SELECT pg_sleep(300)' >/dev/null 2>&1 &`,
    );
    await untilItSleeps(newDatabase());
  }
  async function untilItSleeps(database: string): Promise<void> {
    const sleeping = `SELECT count(*) FROM pg_stat_activity WHERE datname = '${database}' AND wait_event = 'PgSleep'`;
    while ((await sql('postgres', sleeping)) === '0') await delay(50);
  }
  /** What is left of a psql that was killed before its last line. */
  async function halfTransaction(): Promise<void> {
    const text = `BEGIN; ALTER DATABASE app RENAME TO halfway; ALTER DATABASE ${newDatabase()} RENAME TO app;`;
    await shellOnHost('db1', `cd /; echo '${text}' | runuser -u postgres -- psql -Xq -d postgres`);
  }
});
