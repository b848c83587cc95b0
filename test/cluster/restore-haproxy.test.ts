import { open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { clusterSeed } from './cluster.mjs';
import { shellOnHost } from '../support/cluster-host.js';
import { lsbackup, must, root, temporaryDirectory } from '../support/lsbackup.js';
import { manifest, RestoreRuns, summaryOf } from '../support/restore-run.js';

jest.setTimeout(180_000);

const build = 'test/cluster/build';
const twin = 'test/cluster/twin';
const trees = ['/etc/haproxy', '/etc/ssl/haproxy', '/etc/default/haproxy'];

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let target: string;
let runs: RestoreRuns;
let atBackup: string;
const only = (...more: readonly string[]): readonly string[] => [
  '-b',
  build,
  '-t',
  target,
  '--only',
  'haproxy@lb2',
  ...more,
];

beforeAll(async () => {
  directory = await temporaryDirectory();
  target = join(directory.path, 'target');
  runs = new RestoreRuns(join(directory.path, 'state'));
  await must('mkdir', target);
  // Of a test that was interrupted.
  await shellOnHost('lb2', 'rm -rf /var/lib/lsbackup');
  expect(await lsbackup('-b', build, '-t', target, '--only', 'haproxy,rabbitmq')).toMatchObject({ status: 0 });
  atBackup = await manifest('lb2', ...trees);
}, 120_000);

afterAll(async () => {
  await clusterSeed(['lb1', 'lb2', 'lb8', 'lb9']);
  await directory[Symbol.asyncDispose]();
});

/** What people and other tools do to a load balancer, with a service that runs by a configuration of its own. */
async function otherConfiguration(): Promise<string> {
  await shellOnHost(
    'lb2',
    `rm -rf /etc/haproxy/maps /etc/haproxy/errors; mkdir -p /etc/haproxy/errors /etc/haproxy/conf.d
    printf 'global\\n  user haproxy\\ndefaults\\n  mode tcp\\n  timeout connect 5s\\n  timeout client 5s\\n  timeout server 5s\\nlisten other\\n  bind *:7001\\n' > /etc/haproxy/haproxy.cfg
    echo extra > /etc/haproxy/conf.d/extra.cfg; chmod 600 /etc/haproxy/conf.d; ln -sfn conf.d /etc/haproxy/current.cfg
    rm -f /etc/ssl/haproxy/*; systemctl restart haproxy`,
  );
  return manifest('lb2', ...trees);
}

async function listens(port: number): Promise<boolean> {
  const answer = await shellOnHost(
    'lb2',
    `timeout 2 bash -c '</dev/tcp/127.0.0.1/${String(port)}' 2>/dev/null && echo yes || echo no`,
  );
  return answer.trim() === 'yes';
}

/** Old service with its old data, and nothing in the way of the next restore. */
async function expectOld(old: string): Promise<void> {
  expect(await manifest('lb2', ...trees)).toBe(old);
  expect([await listens(7001), await listens(5000)]).toEqual([true, false]);
  expect(await keptOnHost()).toBe('');
}

/** What restores have moved aside. */
async function keptOnHost(): Promise<string> {
  return (await shellOnHost('lb2', 'if [ -e /var/lib/lsbackup ]; then ls -R /var/lib/lsbackup; fi')).trim();
}

async function dropOld(): Promise<void> {
  expect(await runs.run('--drop-old', await runs.lastRun(), '--yes')).toMatchObject({ status: 0 });
}

async function expectNew(): Promise<void> {
  expect(await manifest('lb2', ...trees)).toBe(atBackup);
  expect([await listens(7001), await listens(5000), await listens(8443)]).toEqual([false, true, true]);
}

describe('haproxy is restored', () => {
  it('byte for byte over garbage, serves again, and goes back and forth', async () => {
    const old = await otherConfiguration();
    const restored = await runs.run(...only('--yes', '--json'));
    expect(summaryOf(restored)).toMatchObject({ status: 'complete', sets: [{ set: 'haproxy@lb2', status: 'done' }] });
    expect(restored.status).toBe(0);
    await expectNew();
    const runId = await runs.lastRun();
    // Where the run was started from is in its journal.
    expect(await runs.run('--rollback', runId, '--yes')).toMatchObject({ status: 0 });
    await expectOld(old);
    expect(await runs.run('--resume', runId, '--yes')).toMatchObject({ status: 0 });
    await expectNew();
    await dropOld();
    expect(await keptOnHost()).toBe('');
    expect(await runs.run('--rollback', runId, '--yes')).toMatchObject({ status: 2 });
    await expectNew();
  });

  it('also where its whole configuration is gone and the service is stopped', async () => {
    await shellOnHost('lb2', 'systemctl stop haproxy; rm -rf /etc/haproxy /etc/ssl/haproxy /etc/default/haproxy');
    expect(await runs.run(...only('--yes'))).toMatchObject({ status: 0 });
    await expectNew();
    await dropOld();
  });

  it('on another host of another cluster, and says what still names the old one', async () => {
    const restored = await runs.run('-b', twin, '--from', build, '-t', target, '--only', 'haproxy', '--yes', '--json');
    expect(restored).toMatchObject({ status: 0 });
    expect(await manifest('lb9', ...trees)).toBe(atBackup);
    const plan = restored.stdout.split('\n').find((line) => line.includes('"type":"plan"')) ?? '';
    const { findings } = JSON.parse(plan) as { findings: { host: string; where: string; text: string; why: string }[] };
    expect(findings).toContainEqual({
      host: 'lb9',
      where: expect.stringMatching(/^\/etc\/haproxy\/haproxy\.cfg:\d+$/) as unknown,
      text: 'server mq1 172.28.0.31:5672 check',
      why: expect.stringContaining('mq9, 172.28.0.71') as unknown,
    });
  });
});

describe('nothing is touched', () => {
  it('without confirmation, on another machine, with a damaged part that is needed, or while another works on the host', async () => {
    const old = await otherConfiguration();
    const dry = await runs.run(...only('--dry-run'));
    expect(dry).toMatchObject({ status: 0, stdout: expect.stringContaining('the other') as unknown });
    expect(await runs.run(...only())).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('RESTORE_UNCONFIRMED') as unknown,
    });

    const inventory = join(directory.path, 'inventory');
    const text = await readFile(join(root, build, 'inventory'), 'utf8');
    await writeFile(inventory, text.replace('lb2 ansible_host=172.28.0.12', 'lb2 ansible_host=172.28.0.11'));
    const other = ['-b', inventory, '-t', target, '--only', 'haproxy@lb2'];
    expect(await runs.run(...other, '--yes')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--map lb2=lb2') as unknown,
    });
    expect(await runs.run(...other, '--map', 'lb2=lb2', '--dry-run')).toMatchObject({ status: 0 });

    const holder = shellOnHost('lb2', 'mkdir -p /run/lsbackup; flock -s /run/lsbackup sleep 6');
    await delay(500);
    expect(await runs.run(...only('--yes'))).toMatchObject({ status: 11 });
    await holder;

    expect(await runs.run(...only('--yes'), await damagedCopy('haproxy/lb2/config.tar'))).toMatchObject({ status: 4 });
    await expectOld(old);
  });

  it('but a part that is not needed may be damaged, which is said', async () => {
    const name = await damagedCopy('rabbitmq/mq1/definitions.json');
    expect(await runs.run(...only('--yes'), name)).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/the other \d+ of the archive were not read/) as unknown,
    });
    await expectNew();
    await dropOld();
  });
});

/** A copy of the archive with one byte of this artifact's member changed. */
async function damagedCopy(path: string): Promise<string> {
  const [archive = ''] = (await readdir(target)).filter((name) => !name.includes('damaged'));
  const show = await lsbackup('show', '-t', target, archive, '--json');
  const { metadata } = JSON.parse(show.stdout) as {
    metadata: { artifacts: { path: string; member: { offset: number; length: number } }[] };
  };
  const member = metadata.artifacts.find((artifact) => artifact.path === path)!.member;
  const name = `lsbackup-damaged-${path.replaceAll('/', '-')}.tar.gz`;
  await must('cp', join(target, archive), join(directory.path, name));
  const file = await open(join(directory.path, name), 'r+');
  try {
    const at = member.offset + Math.floor(member.length / 2);
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    await file.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, at);
  } finally {
    await file.close();
  }
  await must('mv', join(directory.path, name), join(target, name));
  return name;
}

describe('the old service is back with its old data', () => {
  it('when haproxy rejects what is restored', async () => {
    const broken = join(directory.path, 'broken');
    await must('mkdir', broken);
    await clusterSeed(['lb2']);
    await shellOnHost('lb2', 'echo "  bind nonsense nonsense" >> /etc/haproxy/haproxy.cfg');
    expect(await lsbackup('-b', build, '-t', broken, '--only', 'haproxy@lb2')).toMatchObject({ status: 0 });
    const old = await otherConfiguration();
    const before = await shellOnHost('lb2', 'systemctl show --property=MainPID haproxy');
    const failed = await runs.run('-b', build, '-t', broken, '--only', 'haproxy@lb2', '--yes');
    expect(failed).toMatchObject({ status: 1, stderr: expect.stringMatching(/haproxy rejects .*nonsense/) as unknown });
    await expectOld(old);
    expect(await shellOnHost('lb2', 'systemctl show --property=MainPID haproxy')).toBe(before);
  });

  it('when it cannot run with what is restored', async () => {
    const old = await otherConfiguration();
    // Somebody else has the port: haproxy finds that out only after the swap.
    const listen =
      'import socket, time; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("", 5000)); s.listen(); time.sleep(60)';
    await shellOnHost(
      'lb2',
      `systemd-run --quiet --unit=port-holder python3 -c '${listen}'; sleep 1; systemctl is-active port-holder`,
    );
    const failed = await runs.run(...only('--yes'));
    await shellOnHost('lb2', 'systemctl stop port-holder');
    expect(failed).toMatchObject({ status: 1, stdout: expect.stringContaining('is as it was before') as unknown });
    await expectOld(old);
  });

  it('when the disk is full', async () => {
    const old = await otherConfiguration();
    await shellOnHost(
      'lb2',
      'mkdir -p /var/lib/lsbackup; mount -t tmpfs -o size=64m,nr_inodes=12 tmpfs /var/lib/lsbackup',
    );
    try {
      expect(await runs.run(...only('--yes'))).toMatchObject({
        status: 14,
        stderr: expect.stringContaining('HOST_SPACE') as unknown,
      });
    } finally {
      await shellOnHost('lb2', 'umount /var/lib/lsbackup; rmdir /var/lib/lsbackup');
    }
    await expectOld(old);
  });

  it('when the connection is lost, at any step', async () => {
    let lost = 0;
    for (let event = 1; event <= 6; event += 1) {
      const old = await otherConfiguration();
      const result = await runs.during(only('--yes'), event, async () => {
        await shellOnHost('lb2', 'pkill -KILL -u admin sshd || [ $? -eq 1 ]');
      });
      expect(result.acted).toBe(true);
      // After the last step there is nothing left to be lost.
      if (result.status === 0) {
        await expectNew();
        await dropOld();
      } else {
        lost += 1;
        expect({ event, sets: summaryOf(result).sets }).toMatchObject({ event, sets: [{ status: 'undone' }] });
        await expectOld(old);
      }
    }
    expect(lost).toBeGreaterThanOrEqual(4);
  }, 300_000);
});

describe('killed', () => {
  it('at every step and in the middle, it goes on or back in another process', async () => {
    let killed = 0;
    for (let event = 1; event <= 6; event += 1)
      for (const way of ['--rollback', '--resume'] as const) {
        const old = await otherConfiguration();
        const result = await runs.during(only('--yes'), event, async (kill) => {
          // As soon as it is told, and a little later, when the host is at work.
          await delay(event % 2 === 0 ? 0 : 60);
          kill();
        });
        if (result.signal !== 'SIGKILL') {
          await dropOld();
          continue;
        }
        killed += 1;
        const finished = await runs.run(way, await runs.lastRun(), '--yes');
        expect({ event, way, status: finished.status, stderr: finished.stderr }).toMatchObject({
          event,
          way,
          status: 0,
        });
        if (way === '--rollback') await expectOld(old);
        else {
          await expectNew();
          await dropOld();
        }
      }
    expect(killed).toBeGreaterThanOrEqual(9);
  }, 600_000);
});
