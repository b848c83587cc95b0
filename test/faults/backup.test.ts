import { once } from 'node:events';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { shellOnHost, untilNothingIsLeft } from '../support/cluster-host.js';
import {
  type JsonLine,
  jsonLines,
  lsbackup,
  must,
  startProgram,
  type Running,
  root,
  startLsbackup,
  temporaryDirectory,
} from '../support/lsbackup.js';

jest.setTimeout(180_000);

const build = 'test/cluster/build';
const hosts = ['lb1', 'lb2', 'db1', 'mq1', 'mon1', 'mon2'];

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let target: string;

beforeEach(async () => {
  directory = await temporaryDirectory();
  target = join(directory.path, 'target');
  await must('mkdir', target);
});

afterEach(async () => {
  await directory[Symbol.asyncDispose]();
});

/** The test cluster's inventory, changed. */
async function inventory(change: (text: string) => string): Promise<string> {
  const file = join(directory.path, 'inventory');
  const text = await readFile(join(root, build, 'inventory'), 'utf8');
  const changed = change(text);
  if (changed === text) throw new Error('the inventory was not changed');
  await writeFile(file, changed);
  return file;
}

function summary(stdout: string): JsonLine & { units: Record<string, number>; notBackedUp: { units: JsonLine[] } } {
  const found = jsonLines(stdout).filter((line) => line.type === 'summary');
  expect(found).toHaveLength(1);
  return found[0] as ReturnType<typeof summary>;
}

/** Waits until the run reads an artifact whose path contains `part` and has had so many bytes of it. */
async function untilReading(run: Running, part: string, bytes = 1): Promise<void> {
  let text = '';
  const seen = { reading: false };
  run.child.stdout?.on('data', (chunk: string) => {
    text += chunk;
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      const { type, active } = JSON.parse(line) as JsonLine & { active?: { path: string; bytesRead: number }[] };
      if (type === 'progress')
        seen.reading ||= active?.some(({ path, bytesRead }) => path.includes(part) && bytesRead >= bytes) ?? false;
    }
  });
  while (!seen.reading) {
    if (run.child.exitCode !== null) throw new Error(`the run ended before it read ${part}`);
    await sleep(20);
  }
}

describe('one host of several', () => {
  it.each([
    [
      'is down',
      'HOST_UNREACHABLE',
      (text: string) => text.replace('lb2 ansible_host=172.28.0.12', 'lb2 ansible_host=172.28.0.250'),
    ],
    [
      'refuses the key',
      'HOST_AUTH',
      (text: string) =>
        text.replace('lb2 ansible_host=172.28.0.12', 'lb2 ansible_host=172.28.0.12 ansible_user=nobody'),
    ],
    [
      'has another host key than the one known',
      'HOST_KEY',
      (text: string) =>
        text.replace(
          'lb2 ansible_host=172.28.0.12',
          `lb2 ansible_host=172.28.0.12 ansible_ssh_common_args='-o UserKnownHostsFile=${directory.path}/known_hosts'`,
        ),
    ],
  ])('%s: its unit fails with a message that says what to do, the others are saved', async (_what, code, change) => {
    const known = await readFile(join(root, build, 'ssh/known_hosts'), 'utf8');
    await writeFile(
      join(directory.path, 'known_hosts'),
      known.replaceAll('172.28.0.12', '172.28.0.99').replaceAll('172.28.0.11', '172.28.0.12'),
    );
    const run = await lsbackup('-b', await inventory(change), '-t', target, '--only', 'haproxy', '--json');
    expect(run.status).toBe(3);
    expect(summary(run.stdout)).toMatchObject({ status: 'partial', units: { complete: 1, failed: 1 } });
    expect(summary(run.stdout).notBackedUp.units).toContainEqual(
      expect.objectContaining({ unit: 'lb2', status: 'failed', code }),
    );
    const shown = await lsbackup('show', '-t', target, ...(await readdir(target)), '--json');
    expect(shown).toMatchObject({ status: 0, stdout: expect.stringContaining(`"${code}"`) as unknown });
  });

  it('needs a sudo password: says so, and how to go on', async () => {
    await shellOnHost(
      'lb2',
      'mv /etc/sudoers.d/admin /root/admin.sudoers && echo "admin ALL=(ALL) ALL" > /etc/sudoers.d/admin',
    );
    try {
      const run = await lsbackup('-b', build, '-t', target, '--only', 'haproxy');
      expect(run.status).toBe(3);
      expect(run.stdout + run.stderr).toMatch(/lb2: sudo needs a password for admin.*NOPASSWD/s);
      const shown = await lsbackup('show', '-t', target, ...(await readdir(target)), '--json');
      expect(shown).toMatchObject({ status: 0, stdout: expect.stringContaining('"HOST_SUDO"') as unknown });
    } finally {
      await shellOnHost('lb2', 'mv /root/admin.sudoers /etc/sudoers.d/admin');
    }
  });
});

describe('a component', () => {
  it('PostgreSQL that is stopped fails alone', async () => {
    await shellOnHost('db1', 'systemctl stop postgresql@15-main');
    try {
      const run = await lsbackup('-b', build, '-t', target, '--only', 'haproxy,postgresql', '--json');
      expect(run.status).toBe(3);
      expect(summary(run.stdout)).toMatchObject({ status: 'partial', units: { complete: 2, failed: 1 } });
      expect(summary(run.stdout).notBackedUp.units).toContainEqual(
        expect.objectContaining({ component: 'postgresql', code: 'SERVICE_DOWN' }),
      );
    } finally {
      await shellOnHost('db1', 'systemctl start postgresql@15-main');
    }
  });

  it('PostgreSQL with a table that somebody keeps locked loses that database only, and says which', async () => {
    const sql = (database: string, text: string): string =>
      `runuser -u postgres -- psql -q -d ${database} -c '${text}'`;
    await shellOnHost('db1', `${sql('postgres', 'CREATE DATABASE locked')} && ${sql('locked', 'CREATE TABLE t ()')}`);
    const hold = sql('locked', 'BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(120)');
    await shellOnHost('db1', `systemd-run --quiet --unit=lsbackup-test-lock ${hold}`);
    const isLocked = `SELECT 1 / count(*) FROM pg_locks WHERE locktype = $$relation$$ AND mode = $$AccessExclusiveLock$$ AND granted`;
    try {
      await shellOnHost('db1', `for try in $(seq 50); do ${sql('locked', isLocked)} && exit; sleep 0.1; done; exit 1`);
      const options = ['--only', 'postgresql', '--set', 'postgresql.lock_wait_timeout=2', '--json'];
      const run = await lsbackup('-b', build, '-t', target, ...options);
      expect(run.status).toBe(3);
      const [archive = ''] = await readdir(target);
      const shown = await lsbackup('show', '-t', target, archive, '--json');
      const { failed, artifacts } = (JSON.parse(shown.stdout) as { metadata: Record<string, { path: string }[]> })
        .metadata;
      expect(failed).toMatchObject([
        {
          path: 'postgresql/db1/database-locked.dump',
          reason: expect.stringContaining('LOCK TABLE public.t') as unknown,
        },
      ]);
      expect(artifacts?.map(({ path }) => path)).toEqual(
        expect.arrayContaining(['database-app.dump', 'globals.sql'].map((name) => `postgresql/db1/${name}`)),
      );
    } finally {
      await shellOnHost('db1', `systemctl stop lsbackup-test-lock; ${sql('postgres', 'DROP DATABASE locked (FORCE)')}`);
    }
  });

  it('whose connection is cut in the middle of a dump is partial, and nobody can take the pieces for a dump', async () => {
    const run = startLsbackup(['-b', build, '-t', target, '--only', 'postgresql,haproxy', '--json']);
    // Three chunks of 4 MiB and the buffers behind them: some parts are in the archive by then.
    await untilReading(run, 'database-bulk.dump', 28 * 1024 * 1024);
    await shellOnHost('db1', 'pkill -KILL -u admin sshd');
    const finished = await run.finished;
    expect(finished.status).toBe(3);
    expect(summary(finished.stdout).units).toMatchObject({ complete: 2 });
    const [archive = ''] = await readdir(target);
    const entries = await must('tar', '-tzf', join(target, archive));
    expect(entries).toContain('postgresql/db1/database-bulk.dump.FAILED');
    expect(entries).toContain('postgresql/db1/database-bulk.dump.part-000000003');
    expect(entries).not.toContain('database-bulk.dump.parts');
    const byHand = await must('tar', '-xzOf', join(target, archive), 'RESTORE.txt');
    expect(byHand).not.toContain('database-bulk');
    const unpacked = join(directory.path, 'unpacked');
    await must('mkdir', unpacked);
    await must('tar', '-xzf', join(target, archive), '-C', unpacked);
    const byHandFile = join(directory.path, 'RESTORE.txt');
    await writeFile(byHandFile, byHand);
    const commands = `sed -n '/^2 /,/^3 /s/^    //p' "$1" > "$1.sh" && . "$1.sh" && artifact postgresql/db1/database-bulk.dump`;
    const joined = await startProgram('sh', ['-c', commands, 'sh', byHandFile], { UNPACKED: unpacked }).finished;
    expect(joined).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('not complete') as unknown });
    expect(
      await lsbackup(
        'extract',
        '-t',
        target,
        archive,
        '--artifact',
        'postgresql/db1/database-bulk.dump',
        '--into',
        join(directory.path, 'out'),
      ),
    ).toMatchObject({ status: 10 });
    expect(await lsbackup('verify', '-t', target, archive)).toMatchObject({ status: 0 });
    await untilNothingIsLeft(hosts);
  });
});

describe('a run that is stopped', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('by %s ends with %i and leaves nothing at the target or on hosts', async (signal, status) => {
    const run = startLsbackup(['-b', build, '-t', target, '--json']);
    await untilReading(run, 'database-bulk.dump');
    run.child.kill(signal);
    const finished = await run.finished;
    expect(finished.status).toBe(status);
    const lines = jsonLines(finished.stdout);
    expect(lines.filter(({ type }) => type === 'summary')).toHaveLength(1);
    expect(lines.at(-1)).toMatchObject({ type: 'exit', code: status });
    expect(await readdir(target)).toEqual([]);
    await untilNothingIsLeft(hosts);
  });

  it('by kill -9 publishes nothing, the hosts clean up by themselves, and the next run sweeps the target', async () => {
    const run = startLsbackup(['-b', build, '-t', target, '--json']);
    await untilReading(run, 'database-bulk.dump');
    run.child.kill('SIGKILL');
    await once(run.child, 'exit');
    expect((await readdir(target)).filter((name) => !name.startsWith('.'))).toEqual([]);
    expect(await readdir(target)).not.toEqual([]);
    expect(await lsbackup('list', '-t', target, '--json')).toMatchObject({
      status: 0,
      stdout: expect.not.stringContaining('.tar.gz') as unknown,
    });
    await untilNothingIsLeft(hosts);
    expect(await lsbackup('-b', build, '-t', target, '--only', 'haproxy')).toMatchObject({ status: 0 });
    expect(await readdir(target)).toEqual([expect.stringMatching(/^lsbackup-testcluster-.*\.tar\.gz$/)]);
  });
});

describe('a target', () => {
  it('that becomes full ends the run with 14 and keeps nothing', async () => {
    await must('mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', target);
    try {
      const run = await lsbackup('-b', build, '-t', target, '--json');
      expect(run.status).toBe(14);
      expect(await readdir(target)).toEqual([]);
    } finally {
      await must('umount', target);
    }
    await untilNothingIsLeft(hosts);
  });

  it('that is read-only is 13, before any host is touched', async () => {
    await must('mount', '-t', 'tmpfs', '-o', 'ro', 'tmpfs', target);
    try {
      const run = await lsbackup('-b', build, '-t', target, '--json');
      expect(run.status).toBe(13);
      expect(jsonLines(run.stdout).filter(({ type }) => type === 'host')).toEqual([]);
    } finally {
      await must('umount', target);
    }
  });

  it('that is missing is 2 and is not created', async () => {
    await rm(target, { recursive: true });
    expect(await lsbackup('-b', build, '-t', target)).toMatchObject({ status: 2 });
    expect(await readdir(directory.path)).toEqual([]);
  });
});

it('with every host down publishes nothing and ends with 13', async () => {
  const file = await inventory((text) => text.replaceAll(/172\.28\.0\.\d+/g, '172.28.0.250'));
  const run = await lsbackup('-b', file, '-t', target, '--json');
  expect(run.status).toBe(13);
  expect(await readdir(target)).toEqual([]);
});
