import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { clusterSeed } from './cluster.mjs';
import { startWriters } from './writers.js';
import { shellOnHost } from '../support/cluster-host.js';
import { lsbackup, must, temporaryDirectory } from '../support/lsbackup.js';
import { manifest, RestoreRuns, summaryOf } from '../support/restore-run.js';
import { postgresqlState, rabbitmqState } from '../support/server-state.js';

jest.setTimeout(300_000);

const build = 'test/cluster/build';
const twin = 'test/cluster/twin';
const trees = ['/etc/haproxy', '/etc/ssl/haproxy'];
const components = 'haproxy,postgresql,rabbitmq';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let target: string;
let runs: RestoreRuns;

interface State {
  readonly postgresql: readonly string[];
  readonly rabbitmq: readonly string[];
  readonly haproxy: readonly string[];
}
let atBackup: State;

async function stateOf(hosts: {
  readonly db: string;
  readonly mq: string;
  readonly lbs: readonly string[];
}): Promise<State> {
  return {
    postgresql: await postgresqlState(hosts.db),
    rabbitmq: await rabbitmqState(hosts.mq),
    haproxy: await Promise.all(hosts.lbs.map((lb) => manifest(lb, ...trees))),
  };
}

const own = { db: 'db1', mq: 'mq1', lbs: ['lb1', 'lb2'] };
const other = { db: 'db9', mq: 'mq9', lbs: ['lb8', 'lb9'] };

beforeAll(async () => {
  directory = await temporaryDirectory();
  target = join(directory.path, 'target');
  runs = new RestoreRuns(join(directory.path, 'state'));
  await must('mkdir', target);
  await clusterSeed(['lb1', 'lb2', 'db1', 'mq1']);
  const writers = await startWriters();
  atBackup = await stateOf(own);
  expect(await lsbackup('-b', build, '-t', target, '--only', components)).toMatchObject({ status: 0 });
  // What was written meanwhile went into the one table that is left out.
  expect(await stateOf(own)).toEqual(atBackup);
  await writers.stop();
}, 180_000);

afterAll(async () => {
  await clusterSeed(['lb1', 'lb2', 'db1', 'mq1', 'lb8', 'lb9', 'db9', 'mq9']);
  await directory[Symbol.asyncDispose]();
}, 120_000);

async function expectNothingKept(hosts: readonly string[]): Promise<void> {
  for (const host of hosts)
    expect(await shellOnHost(host, 'test ! -e /var/lib/lsbackup || ls -R /var/lib/lsbackup')).toBe('');
}

/** What a bad day does: nothing of the old content can be reached. */
async function destroy(): Promise<void> {
  await shellOnHost(
    'db1',
    `cd /; as() { runuser -u postgres -- "$@"; }
    as psql -XAtq -d template1 -c "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'" | while IFS= read -r name; do
      as dropdb --force -- "$name" < /dev/null
    done
    as psql -XAtq -d postgres -c "SELECT format('DROP ROLE %I', rolname) FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'postgres'" | as psql -Xq -d postgres`,
  );
  await shellOnHost(
    'mq1',
    `su -s /bin/sh rabbitmq -c 'rabbitmqctl -q list_vhosts --no-table-headers' | while IFS= read -r name; do rabbitmqctl -q delete_vhost "$name" < /dev/null; done
    rabbitmqctl -q delete_user guest; rabbitmqctl -q delete_user orders-service; rabbitmqctl -q add_vhost extra-but-harmless; rabbitmqctl -q delete_vhost extra-but-harmless`,
  );
  for (const lb of own.lbs)
    await shellOnHost(lb, 'head -c 4000 /dev/urandom > /etc/haproxy/haproxy.cfg; rm -rf /etc/haproxy/maps');
}

describe('a cluster that was backed up under live writers', () => {
  it('is destroyed and restored, and every row, role, right, queue and byte is what it was', async () => {
    await destroy();
    expect(await stateOf(own)).not.toEqual(atBackup);
    const restored = await runs.run('-b', build, '-t', target, '--only', components, '--yes', '--json');
    expect(summaryOf(restored)).toMatchObject({ status: 'complete' });
    expect(restored.status).toBe(0);
    expect(await stateOf(own)).toEqual(atBackup);
    const written = await shellOnHost(
      'db1',
      `runuser -u postgres -- psql -XAt -d app -c 'SELECT count(*), max(id) FROM public.written_live'`,
    );
    const [rows, last] = written.trim().split('|').map(Number);
    // Whole transactions of 50 rows behind the first one, none missing in between.
    expect([rows, ((rows ?? 0) - 1) % 50]).toEqual([last, 0]);
    expect(await runs.run('--drop-old', await runs.lastRun(), '--yes')).toMatchObject({ status: 0 });
    expect(await stateOf(own)).toEqual(atBackup);
    await expectNothingKept(['db1', 'mq1', 'lb1', 'lb2']);
    expect(await shellOnHost('db1', 'runuser -u postgres -- psql -XAtl')).not.toContain('lsbackup');
  });

  it('is restored to other hosts, with other names and addresses and empty servers, and taken back from there', async () => {
    await clusterSeed(['db9', 'mq9', 'lb8', 'lb9']);
    const empty = await stateOf(other);
    const restored = await runs.run('-b', twin, '--from', build, '-t', target, '--only', components, '--yes', '--json');
    expect(summaryOf(restored)).toMatchObject({ status: 'complete' });
    expect(await stateOf(other)).toEqual(atBackup);
    // The archive may be gone by then.
    await must('mv', target, `${target}-away`);
    try {
      expect(await runs.run('--rollback', await runs.lastRun(), '--yes')).toMatchObject({ status: 0 });
    } finally {
      await must('mv', `${target}-away`, target);
    }
    expect(await stateOf(other)).toEqual(empty);
    await expectNothingKept(['db9', 'mq9', 'lb8', 'lb9']);
  });
});

describe('killed at the steps of databases and definitions', () => {
  const args = ['-b', twin, '--from', build, '-t', '', '--only', 'postgresql,rabbitmq', '--yes'];
  // Small ones, with another content before: what is restored has to take its place.
  const select = ['empty', 'latin1'].flatMap((name) => ['--select', `postgresql.database=${name}`]);

  async function before(): Promise<State> {
    await clusterSeed(['db9', 'mq9']);
    await shellOnHost(
      'db9',
      `cd /; as() { runuser -u postgres -- "$@"; }
      as psql -Xq -d postgres -c "CREATE ROLE app_owner" -c "CREATE DATABASE latin1 TEMPLATE template0 CONNECTION LIMIT 7"
      as psql -Xq -d latin1 -c "CREATE TABLE other AS SELECT generate_series(1, 1000) AS id"`,
    );
    await shellOnHost(
      'mq9',
      'rabbitmqctl -q add_vhost mine; rabbitmqctl -q add_user keeper secret; rabbitmqctl -q set_policy -p mine p q "{\\"max-length\\":3}"',
    );
    return stateOf(other);
  }

  it('all of it is finished, or all of it is as it was', async () => {
    const old = await before();
    const all = [...args.map((each) => (each === '' ? target : each)), ...select];
    expect(await runs.run(...all)).toMatchObject({ status: 0 });
    const complete = await stateOf(other);
    expect(complete).not.toEqual(old);
    expect(await runs.run('--rollback', await runs.lastRun(), '--yes')).toMatchObject({ status: 0 });
    expect(await stateOf(other)).toEqual(old);

    const killed = { '--rollback': 0, '--resume': 0 };
    for (let event = 1; ; event += 2) {
      const way = event % 4 === 1 ? '--rollback' : '--resume';
      const result = await runs.during(all, event, async (kill) => {
        await delay((event * 37) % 200);
        kill();
      });
      if (result.signal === 'SIGKILL') {
        killed[way] += 1;
        const finished = await runs.run(way, await runs.lastRun(), '--yes');
        expect({ event, way, status: finished.status, stderr: finished.stderr }).toMatchObject({
          event,
          way,
          status: 0,
        });
        expect({ event, way, state: await stateOf(other) }).toEqual({
          event,
          way,
          state: way === '--resume' ? complete : old,
        });
      }
      if (result.signal !== 'SIGKILL' || way === '--resume')
        expect(await runs.run('--rollback', await runs.lastRun(), '--yes')).toMatchObject({ status: 0 });
      if (!result.acted) break;
    }
    expect(killed['--rollback']).toBeGreaterThanOrEqual(5);
    expect(killed['--resume']).toBeGreaterThanOrEqual(5);
  }, 900_000);
});
