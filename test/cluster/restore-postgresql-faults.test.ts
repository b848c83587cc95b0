import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { shellOnHost } from '../support/cluster-host.js';
import { lsbackup, must, temporaryDirectory } from '../support/lsbackup.js';
import { databaseNames, databaseState, rolesState, seedAgain, sql, sqlScript } from '../support/postgresql-state.js';
import { RestoreRuns, summaryOf } from '../support/restore-run.js';

jest.setTimeout(180_000);

const build = 'test/cluster/build';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let target: string;
let runs: RestoreRuns;
/** A restore of these databases, and of the roles where it says so. */
const only = (databases: readonly string[], ...more: readonly string[]): readonly string[] => [
  ...['-b', build, '-t', target, '--only', 'postgresql', '--yes'],
  ...databases.flatMap((name) => ['--select', `postgresql.database=${name}`]),
  ...more,
];

beforeAll(async () => {
  directory = await temporaryDirectory();
  target = join(directory.path, 'target');
  runs = new RestoreRuns(join(directory.path, 'state'));
  await must('mkdir', target);
  await seedAgain();
});

afterAll(async () => {
  await seedAgain();
  await directory[Symbol.asyncDispose]();
});

async function backUp(): Promise<void> {
  expect(await lsbackup('-b', build, '-t', target, '--only', 'postgresql')).toMatchObject({ status: 0 });
}

/** Neither what was being loaded nor what was moved aside, in the server or in files, and no session. */
async function expectNothingLeft(): Promise<void> {
  expect(await sql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'lsbackup%'")).toBe(
    '0',
  );
  expect((await databaseNames()).filter((name) => name.includes('lsbackup'))).toEqual([]);
  expect(await shellOnHost('db1', 'if [ -e /var/lib/lsbackup ]; then find /var/lib/lsbackup; fi')).toBe('');
}

describe('the disk is full', () => {
  const place = '/var/lib/postgresql/lsbackup-small';

  beforeAll(async () => {
    await shellOnHost(
      'db1',
      `mkdir ${place}; mount -t tmpfs -o size=64m tmpfs ${place}; install -d -o postgres -g postgres -m 700 ${place}/space`,
    );
    await sqlScript(
      'postgres',
      `CREATE TABLESPACE small LOCATION '${place}/space';
       CREATE DATABASE crowded TABLESPACE small;
       ALTER DATABASE crowded SET work_mem = '64MB';
       CREATE DATABASE roomy;`,
    );
    await sql(
      'crowded',
      'CREATE TABLE filling AS SELECT id, repeat(md5(id::text), 30) AS text FROM generate_series(1, 8000) AS id',
    );
    await sql('roomy', 'CREATE TABLE filling AS SELECT generate_series(1, 10) AS id');
    await backUp();
    await sql('crowded', 'DELETE FROM filling WHERE id = 1');
    // Until then the server has holes in its files: space that it still needs for what is there.
    await sql('postgres', 'CHECKPOINT');
    // An empty database needs less than 9 MiB, this one more than 15.
    await shellOnHost(
      'db1',
      `fallocate -l $(($(df --output=avail -k ${place} | tail -n 1) - 11264))K ${place}/ballast`,
    );
  }, 60_000);

  afterAll(async () => {
    await sqlScript('postgres', 'DROP DATABASE crowded WITH (FORCE);\nDROP DATABASE roomy;\nDROP TABLESPACE small;');
    await shellOnHost('db1', `umount ${place}; rmdir ${place}`);
  });

  async function free(): Promise<number> {
    return Number(await shellOnHost('db1', `df --output=avail -k ${place} | tail -n 1`));
  }

  it('while a database is loaded: it is named, stays as it was, and what was loaded is gone', async () => {
    const old = await databaseState('crowded');
    const before = await free();
    const result = await runs.run(...only(['crowded'], '--json'));
    expect(result.status).toBe(14);
    expect(summaryOf(result)).toMatchObject({
      sets: [
        {
          set: 'postgresql@db1/crowded',
          status: 'undone',
          error: {
            code: 'HOST_SPACE',
            message: expect.stringMatching(
              /^db1: the disk filled up while database crowded was loaded: .*No space left/,
            ) as unknown,
            hint: expect.stringContaining('was not touched') as unknown,
          },
        },
      ],
    });
    expect(await databaseState('crowded')).toBe(old);
    await expectNothingLeft();
    // What the server itself has written meanwhile is not much.
    expect(before - (await free())).toBeLessThan(1024);
  });

  it('for the others it is none of their business', async () => {
    const old = await databaseState('crowded');
    await sql('roomy', 'DELETE FROM filling');
    const result = await runs.run(...only(['crowded', 'roomy'], '--json'));
    expect(result.status).toBe(3);
    expect(await databaseState('crowded')).toBe(old);
    expect(await sql('roomy', 'SELECT count(*) FROM filling')).toBe('10');
    expect(await runs.run('--drop-old', await runs.lastRun(), '--yes')).toMatchObject({ status: 0 });
    await expectNothingLeft();
  });
});

describe('the connection is lost', () => {
  let restored: State;
  let old: State;

  interface State {
    readonly roles: string;
    readonly latin1: string;
  }
  const state = async (): Promise<State> => ({ roles: await rolesState(), latin1: await databaseState('latin1') });

  beforeAll(async () => {
    await backUp();
    restored = await state();
  }, 60_000);

  /** Other content and other roles than in the backup. */
  async function disturb(): Promise<void> {
    await sqlScript(
      'latin1',
      `CREATE TABLE other AS SELECT generate_series(1, 1000) AS id;
       ALTER DATABASE latin1 CONNECTION LIMIT 7;
       ALTER ROLE report NOLOGIN CONNECTION LIMIT 3;`,
    );
    old = await state();
    expect([old.roles === restored.roles, old.latin1 === restored.latin1]).toEqual([false, false]);
  }

  /** Restores, and cuts every connection at a step event. Each set is what the run says it is; what is done is made old again. */
  async function cutAt(
    event: number,
    args: readonly string[],
  ): Promise<{ readonly acted: boolean; readonly lost: boolean }> {
    const result = await runs.during(args, event, async () => {
      await shellOnHost('db1', 'pkill -KILL -u admin sshd || [ $? -eq 1 ]');
    });
    const sets = summaryOf(result).sets as readonly { readonly set: string; readonly status: string }[];
    const [roles, latin1] = ['globals', 'latin1'].map(
      (name) => sets.find(({ set }) => set.endsWith(`/${name}`))?.status,
    );
    const expected = {
      roles: (roles === 'done' ? restored : old).roles,
      latin1: (latin1 === 'done' ? restored : old).latin1,
    };
    expect({ event, ...(await state()), latin1Status: latin1 }).toEqual({
      event,
      ...expected,
      latin1Status: expect.stringMatching(/^(done|undone|not begun)$/) as unknown,
    });
    expect(await sql('latin1', 'SELECT count(*) FROM street')).toBe('1');
    const isKept = sets.some(({ status }) => status === 'done');
    if (isKept) expect(await runs.run('--drop-old', await runs.lastRun(), '--yes')).toMatchObject({ status: 0 });
    await expectNothingLeft();
    if (isKept) await disturbAgain(latin1 === 'done');
    return { acted: result.acted, lost: result.status !== 0 };
  }

  async function disturbAgain(isDatabaseNew: boolean): Promise<void> {
    if (!isDatabaseNew) await sql('latin1', 'DROP TABLE other');
    await disturb();
  }

  it('at any step of a database, and it is whole as before or restored, and lets its clients in', async () => {
    await disturb();
    // Five steps, each told twice; after the last one there is nothing left to be lost.
    const events = 10;
    let lost = 0;
    for (let event = 1; event <= events; event += 1) {
      const cut = await cutAt(event, only(['latin1']));
      expect({ event, acted: cut.acted }).toEqual({ event, acted: true });
      if (cut.lost) lost += 1;
    }
    console.log(`the connection was lost at ${String(lost)} of ${String(events)} step events of a database`);
    expect(lost).toBeGreaterThanOrEqual(8);
  });

  it('at the step of the roles, and they are whole as before or restored', async () => {
    const args = only(['latin1'], '--select', 'postgresql.globals=yes');
    expect(await cutAt(1, args)).toEqual({ acted: true, lost: true });
    expect(await cutAt(2, args)).toEqual({ acted: true, lost: true });
  });
});
