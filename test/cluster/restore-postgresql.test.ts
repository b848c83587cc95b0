import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { shellOnHost } from '../support/cluster-host.js';
import { kinds, restoreTest, type RestoreTest } from '../support/postgresql-restore.js';
import {
  databaseNames,
  databaseState,
  dropDatabases,
  dropKept,
  rolesState,
  seedAgain,
  serverLog,
  serverState,
  sql,
  sqlScript,
} from '../support/postgresql-state.js';
import { kindOf, undoSteps } from '../support/run-steps.js';

jest.setTimeout(300_000);

let test: RestoreTest;

beforeAll(async () => {
  test = await restoreTest();
});

afterAll(async () => {
  await test[Symbol.asyncDispose]();
  await seedAgain();
});

/** What the seed does not have: a tablespace, rights on it and on a parameter, settings with secrets, limits. */
const more = `
  CREATE TABLESPACE "fast disk" OWNER app_owner LOCATION '/var/lib/postgresql/lsbackup-fast';
  ALTER TABLESPACE "fast disk" SET (random_page_cost = 1.5);
  GRANT CREATE ON TABLESPACE "fast disk" TO report;
  GRANT SET ON PARAMETER log_statement TO report;
  COMMENT ON ROLE app_owner IS E'it''s; a \\\\ comment';
  ALTER DATABASE app CONNECTION LIMIT 40;
  ALTER DATABASE app SET app.key TO 'canary-s3cret; value';
  CREATE DATABASE "on fast" OWNER report TABLESPACE "fast disk";
  CREATE TABLE public.written_live (id bigserial PRIMARY KEY, at timestamptz DEFAULT clock_timestamp());
`;

describe('a backup under live writers, put back on a server that has nothing of it', () => {
  let before: Readonly<Record<string, string>>;
  let target: string;
  let rows: string;
  let logged: number;

  beforeAll(async () => {
    await seedAgain();
    await shellOnHost('db1', 'install -d -o postgres -g postgres -m 700 /var/lib/postgresql/lsbackup-fast');
    await sqlScript('app', more);
    await sql('app', 'CREATE TABLE shop.archive TABLESPACE "fast disk" AS SELECT * FROM shop.orders');
    before = await serverState();
    logged = (await serverLog()).length;
    const writer = { stopped: false };
    const writing = (async () => {
      while (!writer.stopped) await sql('app', 'INSERT INTO public.written_live SELECT FROM generate_series(1, 50)');
    })();
    target = await test.backUp();
    writer.stopped = true;
    await writing;
    rows = await sql('app', "SELECT id || ' ' || at FROM public.written_live ORDER BY id");
    await dropDatabases("datallowconn AND datname NOT IN ('postgres', 'template1')");
    const roles = ['app_owner', 'app_reader', 'report', 'odd ""role"" ünï', 'legacy_client'];
    await sqlScript(
      'postgres',
      `DROP TABLESPACE "fast disk";
       REVOKE ALL ON PARAMETER log_statement FROM report;
       CREATE TABLE public.made_since (n integer);
       ${roles.map((role) => `DROP ROLE "${role}";`).join('\n')}`,
    );
  });

  it('has every row, large object, role, right, setting and comment again', async () => {
    const opened = await test.open(target);
    const started = performance.now();
    const ran = await opened.run();
    console.log(`restored in ${String(Math.round(performance.now() - started))} ms`, opened.warnings);
    expect(Object.fromEntries(ran.failed)).toEqual({});
    const after = await serverState();
    for (const [name, text] of Object.entries(before)) expect([name, after[name]]).toEqual([name, text]);
    expect(Object.keys(after).sort()).toEqual(Object.keys(before).sort());
    const written = await sql('app', "SELECT id || ' ' || at FROM public.written_live ORDER BY id");
    expect(written.length).toBeGreaterThan(0);
    expect(rows.startsWith(written)).toBe(true);
    expect(JSON.stringify([ran.steps, [...ran.done], opened.warnings])).not.toMatch(/canary|SCRAM|md5[0-9a-f]{8}/);
    expect((await serverLog()).slice(logged)).not.toMatch(/SCRAM|canary/);
  });

  it('keeps what was there until it is dropped', async () => {
    const opened = await test.open(target, { database: ['bulk'] });
    const { steps, done } = await opened.run();
    const names = await databaseNames();
    for (const step of steps) {
      const { old } = kindOf(step, kinds);
      const told = old?.describe(step.params, done.get(step.id)!);
      if (told !== undefined) expect(told).toMatch(/^database bulk as it was, renamed to bulk\.lsbackup-old-/);
      await old?.drop(opened.context, step.params, done.get(step.id)!);
      await old?.drop(opened.context, step.params, done.get(step.id)!);
    }
    expect(await databaseNames()).toHaveLength(names.length - 1);
    await expect(undoSteps(steps, kinds, opened.context, done)).rejects.toMatchObject({ code: 'RESTORE_REFUSED' });
    expect(await sql('bulk', 'SELECT count(*) FROM measurement')).toBe('8000');
  });

  it('is undone to what was there before', async () => {
    await sql('app', 'DELETE FROM shop.orders WHERE id < 100');
    await sql('postgres', "ALTER ROLE report NOLOGIN PASSWORD 'other' CONNECTION LIMIT 3");
    await sql(
      'postgres',
      'ALTER ROLE app_reader SET work_mem TO 64; REVOKE app_reader FROM report; DROP ROLE legacy_client',
    );
    const changed = await serverState();
    const opened = await test.open(target);
    const { steps, done, failed } = await opened.run();
    expect(Object.fromEntries(failed)).toEqual({});
    expect(await rolesState()).toBe(before['(roles)']);
    await undoSteps(steps, kinds, opened.context, done);
    const after = await serverState();
    for (const [name, text] of Object.entries(changed)) expect([name, after[name]]).toEqual([name, text]);
    expect(await shellOnHost('db1', 'ls /var/lib/lsbackup/restores')).not.toContain(opened.context.runId);
    expect((await databaseNames()).filter((name) => name.startsWith('lsbackup_new'))).toEqual([]);
  });

  it('restores one database under another name beside itself', async () => {
    const opened = await test.open(target, { database: ['app'], as: ['app copy'] });
    const { steps, failed } = await opened.run();
    expect(Object.fromEntries(failed)).toEqual({});
    expect(steps.map(({ id }) => id.split('/').at(-1))).toEqual(['load', 'verify', 'swap', 'let-in']);
    const plain = (text: string): string =>
      text.replaceAll(/^(-- Name|\\connect|\\encoding).*$\n?/gm, '').replaceAll(/\n+/g, '\n');
    const copy = (await databaseState('app copy')).replaceAll('"app copy"', 'app').replaceAll('app copy', 'app');
    expect(plain(copy)).toBe(plain(before.app!));
    await sql('postgres', 'DROP DATABASE "app copy"');
  });
});

describe('on a server in use', () => {
  let target: string;

  beforeAll(async () => {
    await seedAgain();
    await sql('postgres', 'CREATE DATABASE broken');
    await sqlScript(
      'broken',
      `
        CREATE TABLE limits (maximum integer);
        CREATE FUNCTION public.fits(integer) RETURNS boolean LANGUAGE sql AS 'SELECT coalesce($1 <= (SELECT maximum FROM public.limits), false)';
        CREATE TABLE amounts (amount integer CHECK (public.fits(amount)));
        INSERT INTO limits VALUES (100000);
        INSERT INTO amounts VALUES (47114);`,
    );
    target = await test.backUp();
  });

  it('holds clients off for the swap only', async () => {
    // One that stays connected, and one that comes again and again.
    const script = `cd /; runuser -u postgres -- psql -Xq -d app -c 'SELECT pg_sleep(300)' >/dev/null 2>&1 &
      for n in $(seq 1 400); do
        date +%s%N | tr '\\n' ' ' >>/tmp/clients
        runuser -u postgres -- psql -XAtq -d app -c 'SELECT count(*) FROM shop.customer' >>/tmp/clients 2>/dev/null || echo off >>/tmp/clients
        test -e /tmp/clients-end && break
        sleep 0.02
      done; rm -f /tmp/clients-end; wait`;
    await shellOnHost('db1', 'rm -f /tmp/clients /tmp/clients-end; touch /tmp/clients');
    const clients = shellOnHost('db1', script);
    // Status 1 of grep: there is no such line yet.
    const answers = async (): Promise<number> =>
      Number(await shellOnHost('db1', 'grep -vc off /tmp/clients || [ $? -eq 1 ]'));
    while (!((await answers()) > 0)) await delay(50);
    const opened = await test.open(target, { database: ['app'] });
    const { failed } = await opened.run();
    const first = await answers();
    while ((await answers()) < first + 5) await delay(50);
    await shellOnHost('db1', 'touch /tmp/clients-end');
    await clients.catch(() => undefined);
    expect(Object.fromEntries(failed)).toEqual({});
    const lines = (await shellOnHost('db1', 'cat /tmp/clients; rm /tmp/clients')).trim().split('\n');
    const off = lines.filter((line) => line.endsWith('off')).map((line) => Number(line.split(' ')[0]) / 1e6);
    console.log(
      `clients were held off for ${String(Math.round(off.at(-1)! - off[0]!))} ms, ${String(off.length)} tries`,
    );
    expect(lines.length - off.length).toBeGreaterThan(10);
    expect(off.length).toBeGreaterThan(0);
    expect(off.at(-1)! - off[0]!).toBeLessThan(10_000);
  });

  it('leaves a database alone whose dump has a failing statement, and names it, and restores the others', async () => {
    await sql('app', 'DELETE FROM shop.event');
    const { failed } = await (await test.open(target)).run();
    expect([...failed.keys()].sort()).toEqual(['postgresql@db1/broken', 'postgresql@db1/postgres']);
    const error = failed.get('postgresql@db1/broken')!;
    expect(error).toMatchObject({ code: 'RESTORE_FAILED', host: 'db1', component: 'postgresql' });
    expect(error.message).toMatch(/TABLE DATA public amounts|amounts/);
    expect(error.reason).not.toContain('47114');
    expect(await sql('broken', 'SELECT amount FROM amounts')).toBe('47114');
    expect(await sql('app', 'SELECT count(*) FROM shop.event')).toBe('600');
    expect((await databaseNames()).filter((name) => /lsbackup_new|broken\.lsbackup/.test(name))).toEqual([]);
  });

  it('refuses a database whose extension the server has not, names it, and restores the others', async () => {
    const control = '/usr/share/postgresql/15/extension/pg_trgm.control';
    await shellOnHost('db1', `mv ${control} ${control}.away`);
    try {
      const refused = (await test.open(target)).plan();
      await expect(refused).rejects.toMatchObject({
        code: 'RESTORE_REFUSED',
        message: 'db1: database app needs extensions that the server does not have: pg_trgm',
        hint: expect.stringContaining('--select postgresql.database=bulk') as unknown,
      });
      const { failed } = await (await test.open(target, { database: ['bulk', 'latin1'] })).run();
      expect(Object.fromEntries(failed)).toEqual({});
    } finally {
      await shellOnHost('db1', `mv ${control}.away ${control}`);
    }
  });

  it('refuses what is selected and cannot be', async () => {
    const refuse = async (selected: Record<string, string[]>, code: string, text: string): Promise<void> => {
      const planned = (await test.open(target, selected)).plan();
      await expect(planned).rejects.toMatchObject({ code, message: expect.stringContaining(text) as unknown });
    };
    await refuse({ database: ['app', 'gone'] }, 'OPTION_INVALID', 'gone');
    await refuse({ database: ['app', 'bulk'], as: ['x'] }, 'OPTION_INVALID', 'as');
    await refuse({ as: ['x'] }, 'OPTION_INVALID', 'as');
    await refuse({ globals: ['maybe'] }, 'OPTION_INVALID', 'yes or no');
    await dropKept();
    await sql('postgres', 'ALTER DATABASE "Odd ""name"" ünï" OWNER TO postgres; DROP OWNED BY "odd ""role"" ünï"');
    await sql('postgres', 'DROP ROLE "odd ""role"" ünï"');
    await refuse(
      { database: ['Odd "name" ünï'] },
      'RESTORE_REFUSED',
      'roles that the server does not have: odd "role" ünï',
    );
    const both = await (await test.open(target, { database: ['Odd "name" ünï'], globals: ['yes'] })).run();
    expect(Object.fromEntries(both.failed)).toEqual({});
    expect(await sql('Odd "name" ünï', 'SELECT current_database()')).toBe('Odd "name" ünï');
  });
});
