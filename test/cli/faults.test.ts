import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { generateKey } from '../support/ssh-server.mjs';
import { type Ended, type Place, collect, makePlace, program, readsFiles, runCli, startCli, until } from './harness.js';
import { linesOf, summaryOf } from './json-lines.js';

describe('hosts', () => {
  let place: Place;
  beforeEach(async () => {
    place = await makePlace();
  });
  afterEach(async () => {
    await place[Symbol.asyncDispose]();
  });

  /** One archive, partial, in which `lb1` is failed with `code` and the other two are whole. */
  const expectOneFailed = async (ended: Ended, code: string): Promise<void> => {
    const summary = summaryOf(ended);
    expect(ended.status).toBe(3);
    expect(summary).toMatchObject({
      status: 'partial',
      artifacts: 2,
      units: { complete: 2, failed: 1 },
      notBackedUp: { units: [{ component: 'haproxy', unit: 'lb1', status: 'failed', code }] },
    });
    const shown = await runCli('show', ...(await place.targetFiles()), '-t', place.target);
    expect(shown).toMatchObject({ status: 0, stdout: expect.stringMatching(/NOT backed up:[^]*haproxy\/lb1 failed/) });
    expect(await runCli('verify', ...(await place.targetFiles()), '-t', place.target)).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('PARTIAL'),
    });
    expect(await runCli('verify', '-t', place.target)).toMatchObject({ status: 10 });
  };

  it('one is down: the others are backed up, exit 3, and everything says so', async () => {
    await place.cluster.hosts[0]?.server.close();
    await expectOneFailed(await place.backup('--json'), 'HOST_UNREACHABLE');
    expect(await runCli('plan', '-b', place.cluster.directory)).toMatchObject({
      status: 13,
      stdout: expect.stringContaining('Would NOT be backed up'),
    });
  });

  it('one is down, for people', async () => {
    await place.cluster.hosts[0]?.server.close();
    const ended = await place.backup();
    expect(ended).toMatchObject({
      status: 3,
      stdout: expect.stringMatching(/^PARTIAL: [^]*NOT backed up:\n {2}host lb1: /),
    });
  });

  it('one has another host key', async () => {
    const file = join(place.cluster.directory, 'ssh/known_hosts');
    const [, ...others] = (await readFile(file, 'utf8')).split('\n');
    const port = place.cluster.hosts[0]?.server.port ?? 0;
    const other = generateKey('other').publicKey.split(' ').slice(0, 2).join(' ');
    await writeFile(file, [`[127.0.0.1]:${port} ${other}`, ...others].join('\n'));
    await expectOneFailed(await place.backup('--json'), 'HOST_KEY');
  });

  it('one has not what is configured: what to do about it is said everywhere', async () => {
    const file = join(place.cluster.directory, 'inventory');
    const text = await readFile(file, 'utf8');
    await writeFile(
      file,
      text.replace(/^lb1 .*$/m, (line) => `${line} lsbackup_haproxy_paths='["/nope"]'`),
    );
    const hint = 'Correct the option haproxy.paths';
    const lines = await place.backup('--json');
    await expectOneFailed(lines, 'SERVICE_MISSING');
    expect(linesOf(lines)).toContainEqual(
      expect.objectContaining({
        type: 'component',
        unit: 'lb1',
        status: 'failed',
        error: expect.objectContaining({ code: 'SERVICE_MISSING', hint: expect.stringContaining(hint) }),
      }),
    );
    const [archive = ''] = await place.targetFiles();
    for (const command of [
      ['backup', '-b', place.cluster.directory],
      ['show', archive],
    ])
      expect((await runCli(...command, '-t', place.target)).stdout).toContain(hint);
    expect((await runCli('plan', '-b', place.cluster.directory)).stdout).toContain(hint);
  });

  it('one does not take the key', async () => {
    await writeFile(join(place.cluster.directory, 'ssh/other'), generateKey('other').privateKey, { mode: 0o600 });
    const file = join(place.cluster.directory, 'inventory');
    const text = await readFile(file, 'utf8');
    await writeFile(
      file,
      text.replace('lb1 ', `lb1 ansible_ssh_private_key_file='${place.cluster.directory}/ssh/other' `),
    );
    await expectOneFailed(await place.backup('--json'), 'HOST_AUTH');
  });

  it('all are down: 13, nothing published, nothing left', async () => {
    await place.cluster.close();
    const ended = await place.backup('--json');
    expect(ended.status).toBe(13);
    const hosts = ['lb1', 'lb2', 'lb3'].map((host) => ({ host, reason: expect.any(String) }));
    expect(summaryOf(ended)).toMatchObject({
      status: 'failed',
      archive: null,
      error: { code: 'NO_HOST_REACHED' },
      notBackedUp: { hosts: expect.arrayContaining(hosts) },
    });
    expect(await place.targetFiles()).toEqual([]);
  });
});

describe('the service is not there', () => {
  it('on one host: 3; on all: 1 and nothing published', async () => {
    await using place = await makePlace();
    const [first, ...others] = place.cluster.hosts;
    await rm(first?.configuration ?? '', { recursive: true });
    expect(await place.backup()).toMatchObject({ status: 3 });
    for (const { configuration } of others) await rm(configuration, { recursive: true });
    const before = await place.targetFiles();
    const ended = await place.backup('--json');
    expect(ended.status).toBe(1);
    expect(summaryOf(ended)).toMatchObject({ status: 'failed', error: { code: 'NOTHING_SAVED' } });
    expect(await place.targetFiles()).toEqual(before);
  });
});

describe('a stream that breaks', () => {
  it.each([
    ['the connection is cut', { cutAfter: 10_000 }],
    ['the command fails after some bytes', { endAfter: 10_000, exitStatus: 2 }],
    ['the stream ends too early, with status 0', { endAfter: 10_240 }],
    ['the channel closes without an exit status', { noExitStatus: true }],
  ])('%s: that host fails, exit 3', async (_title, fault) => {
    await using place = await makePlace({
      faults: (host, command) => (host === 'lb2' && readsFiles(command) ? fault : undefined),
    });
    const ended = await place.backup('--json');
    expect(ended.status).toBe(3);
    expect(summaryOf(ended)).toMatchObject({
      status: 'partial',
      artifacts: 2,
      units: { complete: 2, failed: 1 },
      notBackedUp: { units: [{ unit: 'lb2' }], artifacts: [{ path: 'haproxy/lb2/config.tar' }] },
    });
    expect(await runCli('verify', ...(await place.targetFiles()), '-t', place.target)).toMatchObject({ status: 0 });
    expect(
      await runCli(
        'extract',
        ...(await place.targetFiles()),
        '-t',
        place.target,
        '--into',
        join(place.directory, 'out'),
        '-a',
        'haproxy/lb2',
      ),
    ).toMatchObject({ status: 10 });
  });
});

describe('the target', () => {
  /**
   * Runs a backup into a filesystem of its own, which only that process and its shell see, so it needs no root and is gone afterwards.
   * The last line of standard output is what is in it then.
   */
  const backupInto = (place: Place, mount: string): Promise<Ended> => {
    const script = `${mount} || exit 99; "$@"; status=$?; echo "left: $(ls -A "$TARGET" | tr '\\n' ' ')"; exit $status`;
    const namespaces = process.getuid?.() === 0 ? ['--mount'] : ['--user', '--map-root-user', '--mount'];
    const backup = [process.execPath, program, '-b', place.cluster.directory, '-t', place.target];
    const child = spawn('unshare', [...namespaces, 'sh', '-c', script, 'sh', ...backup], {
      env: { PATH: process.env.PATH, HOME: place.directory, TARGET: place.target },
    });
    child.stdin.end();
    return collect(child);
  };

  it('is read-only: 13, nothing published', async () => {
    await using place = await makePlace();
    const ended = await backupInto(place, 'mount -t tmpfs -o size=8m,ro tmpfs "$TARGET"');
    expect(ended).toMatchObject({
      status: 13,
      stdout: 'left: \n',
      stderr: expect.stringContaining('TARGET_READ_ONLY'),
    });
    expect(place.cluster.hosts.map(({ server }) => server.connections)).toEqual([0, 0, 0]);
  });

  it.each([
    ['from the start', '4k'],
    ['in the middle', '512k'],
  ])('is full %s: 14, nothing published, no temporary file left', async (_title, size) => {
    await using place = await makePlace();
    for (const { configuration } of place.cluster.hosts)
      await writeFile(join(configuration, 'maps/random.map'), randomBytes(1_000_000));
    const ended = await backupInto(place, `mount -t tmpfs -o size=${size} tmpfs "$TARGET"`);
    expect(ended).toMatchObject({ status: 14, stderr: expect.stringContaining('TARGET_NO_SPACE') });
    expect(ended.stdout).toMatch(/left: \n$/);
    expect(place.cluster.hosts.map(({ server }) => server.running)).toEqual([0, 0, 0]);
  });
});

describe('a run that is stopped', () => {
  let stalled = true;
  const makeStalledPlace = (): Promise<Place> => {
    stalled = true;
    return makePlace({
      faults: (host, command) => (stalled && host === 'lb2' && readsFiles(command) ? { stallAfter: 1000 } : undefined),
    });
  };

  const startStalled = async (place: Place, ...parameters: string[]): Promise<ReturnType<typeof startCli>> => {
    const run = startCli(['-b', place.cluster.directory, '-t', place.target, ...parameters]);
    const reads = (): boolean => place.cluster.hosts[1]?.server.commands.some(readsFiles) ?? false;
    await until('the run reads lb2', reads);
    expect((await place.targetFiles()).some((name) => name.endsWith('.partial'))).toBe(true);
    return run;
  };

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s: exit %d, nothing left on target or hosts', async (signal, status) => {
    await using place = await makeStalledPlace();
    const { child, ended } = await startStalled(place, '--json');
    child.kill(signal);
    const end = await ended;
    expect(end.status).toBe(status);
    expect(linesOf(end).at(-2)).toMatchObject({
      type: 'summary',
      status: 'aborted',
      archive: null,
      error: { code: 'ABORTED' },
    });
    expect(end.stderr).toContain(signal);
    expect(await place.targetFiles()).toEqual([]);
    await until('no command runs on the hosts', () => place.cluster.hosts.every(({ server }) => server.running === 0));
  });

  it('a second signal ends it at once, still with one summary and one exit', async () => {
    await using place = await makeStalledPlace();
    const { child, ended } = await startStalled(place, '--json');
    child.kill('SIGTERM');
    child.kill('SIGINT');
    const end = await ended;
    expect([130, 143]).toContain(end.status);
    expect(summaryOf(end)).toMatchObject({ status: 'aborted' });
  });

  it('kill -9: nothing is listed, nothing runs on the hosts, and the next run sweeps what was left', async () => {
    await using place = await makeStalledPlace();
    const { child, ended } = await startStalled(place);
    child.kill('SIGKILL');
    expect(await ended).toMatchObject({ signal: 'SIGKILL' });
    expect((await place.targetFiles()).filter((name) => !name.startsWith('.'))).toEqual([]);
    expect(await place.targetFiles()).not.toEqual([]);
    expect(await runCli('list', '-t', place.target)).toMatchObject({ status: 0, stdout: '' });
    await until('no command runs on the hosts', () => place.cluster.hosts.every(({ server }) => server.running === 0));

    stalled = false;
    expect(await place.backup()).toMatchObject({ status: 0 });
    expect(await place.targetFiles()).toEqual([expect.stringMatching(/^lsbackup-.*\.tar\.gz$/)]);
  });

  it('a run beside it does not touch what is its', async () => {
    await using place = await makeStalledPlace();
    const { child, ended } = await startStalled(place);
    stalled = false;
    expect(await place.backup()).toMatchObject({ status: 0 });
    expect((await place.targetFiles()).filter((name) => name.endsWith('.partial'))).toHaveLength(1);
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ status: 143 });
    expect(await place.targetFiles()).toHaveLength(1);
  });
});

describe('a damaged archive', () => {
  it('one flipped bit, a cut, bytes after the footer: verify exits 4, list says damaged, nothing is extracted', async () => {
    await using place = await makePlace({ hosts: ['lb1'] });
    expect(await place.backup()).toMatchObject({ status: 0 });
    const [name = ''] = await place.targetFiles();
    const file = join(place.target, name);
    const whole = await readFile(file);
    const flipped = Buffer.from(whole);
    flipped[400] = (flipped[400] ?? 0) ^ 4;

    await writeFile(file, flipped);
    const verified = await runCli('verify', name, '-t', place.target, '--json');
    expect(verified.status).toBe(4);
    expect(summaryOf(verified)).toMatchObject({
      status: 'corrupt',
      archives: [{ intact: false, problems: [{ entry: 'haproxy/lb1/config.tar', offset: 0 }] }],
    });
    expect(await runCli('extract', name, '-t', place.target, '--into', join(place.directory, 'out'))).toMatchObject({
      status: 4,
    });

    for (const damaged of [whole.subarray(0, -1), Buffer.concat([whole, Buffer.from('x')]), Buffer.alloc(0)]) {
      await writeFile(file, damaged);
      const [listed, named, shown, newest] = await Promise.all([
        runCli('list', '-t', place.target),
        runCli('verify', name, '-t', place.target, '--json'),
        runCli('show', name, '-t', place.target),
        runCli('verify', '-t', place.target),
      ]);
      expect(listed).toMatchObject({ status: 0, stdout: expect.stringMatching(/ damaged /) });
      expect(summaryOf(named)).toMatchObject({ status: 'corrupt' });
      expect([named.status, shown.status, newest.status]).toEqual([4, 4, 10]);
    }
  });
});
