import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { feedHost, onHost, shellOnHost, untilNothingIsLeft } from '../support/cluster-host.js';
import { lsbackup, must, startLsbackup, temporaryDirectory, type Running } from '../support/lsbackup.js';

jest.setTimeout(180_000);

const build = 'test/cluster/build';
const snapshots = '/var/lib/prometheus/snapshots';

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

/** Prometheus makes the directory with its first snapshot. */
async function namesOf(host: string): Promise<string[]> {
  return (await shellOnHost(host, `if [ -d ${snapshots} ]; then ls -1 ${snapshots}; fi`)).split('\n').filter(Boolean);
}

/** Waits until Prometheus answers: a busy machine takes its time to start it. */
async function untilReady(host: string): Promise<void> {
  await shellOnHost(
    host,
    'for i in $(seq 60); do if (exec 3<>/dev/tcp/127.0.0.1/9090; printf "GET /-/ready HTTP/1.0\\r\\n\\r\\n" >&3; grep -q " 200 " <&3) 2>/dev/null; then exit 0; fi; sleep 1; done; exit 1',
  );
}

describe('a run that is stopped leaves no snapshot of Prometheus', () => {
  let whole: number;
  const start = async (place: string): Promise<Running> => {
    const run = startLsbackup(['-b', build, '-t', place, '--only', 'prometheus', '--json']);
    await once(run.child.stdout!, 'data');
    return run;
  };

  // What a run takes differs by machine and by how busy it is, and each has to be stopped while it works.
  beforeAll(async () => {
    await using place = await temporaryDirectory();
    const run = await start(place.path);
    const started = performance.now();
    expect((await run.finished).status).toBe(0);
    whole = performance.now() - started;
  });

  it.each([0.1, 0.3, 0.5, 0.65, 0.8])('after %f of its time', async (part) => {
    let status: number | null = 0;
    // A run that had ended before, with 0, was not stopped and proves nothing: the machine is less busy than it was.
    for (let tries = 0; status === 0 && tries < 5; tries += 1) {
      const run = await start(target);
      await sleep(part * whole);
      run.child.kill('SIGTERM');
      ({ status } = await run.finished);
      if (status === 0) whole *= 0.85;
    }
    expect(status).toBe(143);
    expect(await namesOf('mon2')).toEqual([]);
    await untilNothingIsLeft(['mon1', 'mon2']);
  });

  it('that it makes only when the run has been stopped', async () => {
    const run = startLsbackup(['-b', build, '-t', target, '--only', 'prometheus@mon2', '--json']);
    try {
      await shellOnHost(
        'mon2',
        // The record of what must not outlive the run is opened just before the request.
        'for i in $(seq 3000); do if grep -qs snapshots /var/lib/lsbackup/*/paths; then pkill -STOP -x prometheus; exit 0; fi; sleep 0.01; done; exit 1',
      );
      await sleep(500);
      run.child.kill('SIGTERM');
      await sleep(2000);
    } finally {
      await onHost('mon2', 'pkill', '-CONT', '-x', 'prometheus');
    }
    expect((await run.finished).status).toBe(143);
    await sleep(1000);
    expect(await namesOf('mon2')).toEqual([]);
    await untilNothingIsLeft(['mon2']);
  });
});

it('a Prometheus without the admin API gives its finished blocks', async () => {
  await shellOnHost('mon1', 'cp -a /etc/default/prometheus /root/prometheus.default');
  try {
    await shellOnHost(
      'mon1',
      'sed -i "s/--web.enable-admin-api//" /etc/default/prometheus && systemctl restart prometheus',
    );
    await untilReady('mon1');
    const blocks = await shellOnHost('mon1', 'cd /var/lib/prometheus/metrics2 && ls -d 01*');
    const run = await lsbackup('-b', build, '-t', target, '--only', 'prometheus@mon1', '--json');
    expect(run.status).toBe(0);
    expect(run.stdout).toContain('PROM_ADMIN');
    const [archive = ''] = await readdir(target);
    const file = join(directory.path, 'out');
    const extracted = await lsbackup(
      'extract',
      '-t',
      target,
      archive,
      '--artifact',
      'prometheus/mon1/tsdb.tar',
      '--into',
      file,
    );
    expect(extracted.status).toBe(0);
    await shellOnHost('mon1', 'rm -rf /root/tsdb && mkdir /root/tsdb');
    await feedHost('mon1', join(file, 'prometheus/mon1/tsdb.tar'), 'tar', '-xf', '-', '-C', '/root/tsdb');
    const listed = await onHost('mon1', 'promtool', 'tsdb', 'list', '/root/tsdb');
    for (const block of blocks.split('\n').filter(Boolean)) expect(listed).toContain(block);
    await untilNothingIsLeft(['mon1']);
  } finally {
    await shellOnHost(
      'mon1',
      'rm -rf /root/tsdb; mv /root/prometheus.default /etc/default/prometheus; systemctl restart prometheus',
    );
    await untilReady('mon1');
  }
});
