import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { clusterSeed } from './cluster.mjs';
import { shellOnHost } from '../support/cluster-host.js';
import { restoreByHand } from '../support/by-hand.js';
import { lsbackup, must, temporaryDirectory } from '../support/lsbackup.js';
import { RestoreRuns, summaryOf } from '../support/restore-run.js';
import { postgresqlState } from '../support/server-state.js';

jest.setTimeout(180_000);

const twin = 'test/cluster/twin';
const data = '/var/lib/postgresql/15/main';
const binaries = '/usr/lib/postgresql/15/bin';
const only = ['--only', 'postgresql@db9'];

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let target: string;
let runs: RestoreRuns;
let atBackup: readonly string[];

/** Each argument is a statement of its own. */
const psql = (database: string, ...statements: readonly string[]): Promise<string> =>
  shellOnHost(
    'db9',
    `cd /; runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d '${database}' ${statements.map((text) => `-c "${text.replaceAll('"', '\\"')}"`).join(' ')}`,
  );

async function load(): Promise<void> {
  await psql(
    'postgres',
    "CREATE ROLE owner1 LOGIN PASSWORD 'canary-one'",
    'CREATE ROLE reader',
    'GRANT reader TO owner1',
    'CREATE DATABASE shop OWNER owner1',
    'CREATE DATABASE "odd name"',
    "ALTER DATABASE shop SET work_mem = '5MB'",
  );
  await psql(
    'shop',
    'CREATE TABLE item AS SELECT id, md5(id::text) AS text FROM generate_series(1, 20000) AS id',
    'CREATE INDEX ON item (text)',
    'GRANT SELECT ON item TO reader',
    'CREATE SEQUENCE numbers START 42',
    "SELECT nextval('numbers')",
    "SELECT lo_from_bytea(0, decode(repeat('abcd', 5000), 'hex'))",
    'CREATE TABLE written_live (id bigserial PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())',
  );
}

const backUp = (to: string): ReturnType<typeof lsbackup> =>
  lsbackup('-b', twin, '-t', to, ...only, '--set', 'postgresql.physical=true');

const physical = (...more: readonly string[]): readonly string[] => [
  ...['-b', twin, '-t', target, ...only, '--select', 'postgresql.physical=yes'],
  ...more,
];

beforeAll(async () => {
  directory = await temporaryDirectory();
  target = join(directory.path, 'target');
  runs = new RestoreRuns(join(directory.path, 'state'));
  await must('mkdir', target);
  await clusterSeed(['db9']);
  await load();
  const writer = { stopped: false };
  const writing = (async () => {
    while (!writer.stopped) await psql('shop', 'INSERT INTO written_live SELECT FROM generate_series(1, 50)');
  })();
  // Segments come and go while it is copied: the slot has to hold them.
  const switching = (async () => {
    while (!writer.stopped) await psql('shop', 'SELECT pg_switch_wal()', 'CHECKPOINT');
  })();
  const saved = await backUp(target);
  writer.stopped = true;
  await Promise.all([writing, switching]);
  expect(saved).toMatchObject({ status: 0 });
  atBackup = await postgresqlState('db9');
  expect(await psql('postgres', 'SELECT count(*) FROM pg_replication_slots')).toBe('0\n');
}, 120_000);

afterAll(async () => {
  await clusterSeed(['db9']);
  await directory[Symbol.asyncDispose]();
}, 60_000);

/** Beside the data directory. */
async function beside(): Promise<string> {
  return (await shellOnHost('db9', `ls -A ${data}/..`)).trim();
}

async function expectRestored(): Promise<void> {
  expect(await postgresqlState('db9')).toEqual(atBackup);
  const [rows, last] = (await psql('shop', 'SELECT count(*), max(id) FROM written_live')).trim().split('|').map(Number);
  // Whole transactions of 50 rows behind the first one, none missing in between.
  expect(rows).toBeGreaterThan(0);
  expect([rows, (rows ?? 0) % 50]).toEqual([last, 0]);
}

/** Makes the server another than it was at the backup, and returns what it is then. */
async function wreck(): Promise<readonly string[]> {
  await psql('postgres', 'DROP DATABASE IF EXISTS shop', 'DROP DATABASE IF EXISTS other', 'CREATE DATABASE other');
  return postgresqlState('db9');
}

async function dropOld(): Promise<void> {
  expect(await runs.run('--drop-old', await runs.lastRun(), '--yes')).toMatchObject({ status: 0 });
  expect(await beside()).toBe('main');
}

describe('a server that was copied under writers', () => {
  it('is restored over one that lost its databases, goes back and forth, and is whole', async () => {
    await psql(
      'postgres',
      'DROP DATABASE shop',
      'DROP DATABASE "odd name"',
      'DROP ROLE reader',
      'CREATE DATABASE later',
    );
    const wrecked = await postgresqlState('db9');
    const restored = await runs.run(...physical('--yes', '--json'));
    expect(summaryOf(restored)).toMatchObject({ status: 'complete', sets: [{ set: 'postgresql@db9/server' }] });
    await expectRestored();
    expect(restored.stdout).toContain(`the server in ${data} as it was`);
    expect(restored.stdout).not.toMatch(/canary|SCRAM/);
    await shellOnHost(
      'db9',
      `cd /; runuser -u postgres -- ${binaries}/pg_amcheck --all --install-missing --no-strict-names 2>&1`,
    );
    const runId = await runs.lastRun();
    await must('mv', target, `${target}-away`);
    try {
      expect(await runs.run('--rollback', runId, '--yes')).toMatchObject({ status: 0 });
    } finally {
      await must('mv', `${target}-away`, target);
    }
    expect(await postgresqlState('db9')).toEqual(wrecked);
    expect(await beside()).toBe('main');
  });

  it('is restored where files of the stopped server are gone', async () => {
    await shellOnHost(
      'db9',
      `systemctl stop postgresql@15-main; rm -rf ${data}/base ${data}/global ${data}/PG_VERSION`,
    );
    expect(await runs.run(...physical('--yes'))).toMatchObject({ status: 0 });
    await expectRestored();
    await dropOld();
    // The restored files themselves, as they lie there.
    await shellOnHost(
      'db9',
      `stat -c '%U %a' ${data} | grep -qx 'postgres 700'; ! find ${data} ! -user postgres | grep .`,
    );
  });

  it('leaves the dumps alone, and is not taken where it is not asked for', async () => {
    const dumps = await runs.run('-b', twin, '-t', target, ...only, '--dry-run');
    expect(dumps.stdout).toContain('database-shop.dump');
    expect(dumps.stdout).not.toContain('base.tar');
    const both = await runs.run(...physical('--select', 'postgresql.database=shop', '--yes'));
    expect(both).toMatchObject({ status: 2, stderr: expect.stringContaining('OPTION_INVALID') as unknown });
  });
});

describe('by hand', () => {
  it('is put back by the commands of RESTORE.txt where its data directory is gone', async () => {
    const [archive = ''] = await readdir(target);
    await shellOnHost('db9', `systemctl stop postgresql@15-main; rm -rf ${data}`);
    await restoreByHand('db9', join(target, archive), 'PostgreSQL as a whole');
    await expectRestored();
    await shellOnHost('db9', `rm -rf ${data}/../.replaced-*`);
  });
});

describe('refused before anything is touched', () => {
  it('where something follows the server', async () => {
    await shellOnHost(
      'db9',
      `install -d -o postgres /tmp/followed; systemd-run --quiet --collect --unit=follower --uid=postgres ${binaries}/pg_receivewal -D /tmp/followed`,
    );
    while ((await psql('postgres', 'SELECT count(*) FROM pg_stat_replication')) === '0\n') await delay(100);
    const refused = await runs.run(...physical('--yes'));
    expect(refused).toMatchObject({ status: 13, stderr: expect.stringContaining('follow the server') as unknown });
    await shellOnHost('db9', 'systemctl stop follower; rm -rf /tmp/followed');
  });

  it('or known before the backup begins: tablespaces, no replication', async () => {
    const other = join(directory.path, 'refused');
    await must('mkdir', other);
    const hba = '/etc/postgresql/15/main/pg_hba.conf';
    await shellOnHost(
      'db9',
      `install -d -o postgres -g postgres /var/lib/postgresql/lsbackup-fast; cp -a ${hba} /tmp/pg_hba.conf; sed -i '/replication/d' ${hba}; systemctl reload postgresql@15-main`,
    );
    try {
      const planned = await lsbackup('plan', '-b', twin, ...only, '--set', 'postgresql.physical=true');
      expect(planned.status).toBe(13);
      expect(planned.stdout + planned.stderr).toMatch(
        /no replication connection: .*no pg_hba.conf entry for replication/,
      );
      await psql('postgres', "CREATE TABLESPACE fast LOCATION '/var/lib/postgresql/lsbackup-fast'");
      const saved = await backUp(other);
      expect(saved.status).toBe(3);
      expect(saved.stdout + saved.stderr).toMatch(/base\.tar.*tablespaces/);
      expect((await readdir(other)).length).toBe(1);
    } finally {
      await psql('postgres', 'DROP TABLESPACE IF EXISTS fast');
      await shellOnHost(
        'db9',
        `cp -a /tmp/pg_hba.conf ${hba}; rm -rf /tmp/pg_hba.conf /var/lib/postgresql/lsbackup-fast; systemctl reload postgresql@15-main`,
      );
    }
  });
});

describe('the old server is back with its data', () => {
  it('when what is restored cannot start', async () => {
    const other = join(directory.path, 'prepared');
    const settings = '/etc/postgresql/15/main/conf.d/prepared.conf';
    await must('mkdir', other);
    // A prepared transaction that the server has no room for any more: found out by recovery only.
    await shellOnHost(
      'db9',
      `echo 'max_prepared_transactions = 5' > ${settings}; systemctl restart postgresql@15-main`,
    );
    await psql('shop', 'BEGIN', 'INSERT INTO item VALUES (0, NULL)', "PREPARE TRANSACTION 'one'");
    expect(await backUp(other)).toMatchObject({ status: 0 });
    await psql('shop', "COMMIT PREPARED 'one'");
    await shellOnHost('db9', `rm ${settings}; systemctl restart postgresql@15-main`);
    const old = await postgresqlState('db9');
    const failed = await runs.run('-b', twin, '-t', other, ...only, '--select', 'postgresql.physical=yes', '--yes');
    expect(failed).toMatchObject({ status: 1, stdout: expect.stringContaining('is as it was before') as unknown });
    expect(failed.stdout + failed.stderr).toContain('does not start');
    expect(await postgresqlState('db9')).toEqual(old);
    expect(await beside()).toBe('main');
    await psql('shop', 'DELETE FROM item WHERE id = 0');
  });

  it('when the connection is lost, at any step', async () => {
    const old = await wreck();
    let lost = 0;
    for (const event of [1, 3, 5, 7, 9]) {
      const result = await runs.during(physical('--yes'), event, async () => {
        await delay((event * 37) % 300);
        await shellOnHost('db9', 'pkill -KILL -u admin sshd || [ $? -eq 1 ]');
      });
      expect({ event, acted: result.acted }).toEqual({ event, acted: true });
      if (result.status === 0) {
        await expectRestored();
        expect(await runs.run('--rollback', await runs.lastRun(), '--yes')).toMatchObject({ status: 0 });
      } else {
        lost += 1;
        expect({ event, sets: summaryOf(result).sets }).toMatchObject({ event, sets: [{ status: 'undone' }] });
      }
      expect({ event, state: await postgresqlState('db9') }).toEqual({ event, state: old });
      expect(await beside()).toBe('main');
    }
    expect(lost).toBeGreaterThanOrEqual(4);
  }, 300_000);

  it('or the new one with its own, wherever lsbackup is killed', async () => {
    const old = await wreck();
    const killed = { '--rollback': 0, '--resume': 0 };
    // When each of the five steps is told, and somewhat later, when the host is at work.
    for (const event of [1, 3, 5, 7, 9]) {
      const way = event % 4 === 1 ? '--rollback' : '--resume';
      const result = await runs.during(physical('--yes'), event, async (kill) => {
        await delay((event * 37) % 300);
        kill();
      });
      if (result.signal === 'SIGKILL') {
        killed[way] += 1;
        const finished = await runs.run(way, await runs.lastRun(), '--yes');
        expect({ event, way, ...finished }).toMatchObject({ event, way, status: 0 });
        const state = await postgresqlState('db9');
        expect({ event, way, state }).toEqual({ event, way, state: way === '--resume' ? atBackup : old });
      }
      if (result.signal !== 'SIGKILL' || way === '--resume')
        expect(await runs.run('--rollback', await runs.lastRun(), '--yes')).toMatchObject({ status: 0 });
    }
    expect(await postgresqlState('db9')).toEqual(old);
    expect(await beside()).toBe('main');
    expect(killed).toEqual({ '--rollback': 3, '--resume': 2 });
  });
});
