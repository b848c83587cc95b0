import { describe, expect, it } from '@jest/globals';
import { rejection, sampleRemote } from '../../../../test/support/sample-remote.js';
import { thisController } from '../controller/controller.js';
import type { HostPool } from '../remote/host-pool.js';
import type { Warning } from '../model/artifact.js';
import { BackupError } from '../model/errors.js';
import type { RemoteHost } from '../remote/remote-host.js';
import { listScript } from '../run/ledger-scripts.js';
import type { FakeRule } from '../testing/fake-host.js';
import { examineHost } from './host-checks.js';
import { healthyHost } from './healthy-host.test-support.js';
import { forwardingFinding, sessionFinding } from './session-checks.js';

const { signal } = new AbortController();

async function examine(remote: RemoteHost, ended = signal) {
  const pool = { get: () => Promise.resolve(remote) } as unknown as HostPool;
  const user = { name: 'me', homeDirectory: '/home/me' };
  const findings = await examineHost(remote.host, {
    pool,
    wayIn: () => ({ user, milliseconds: 1, warnings: [] }),
    controller: await thisController(),
    tools: () => ['cat', 'flock'],
    signal: ended,
  });
  return findings.filter(({ status }) => status !== 'ok');
}

const answering = (argv: FakeRule['argv'], answer: FakeRule['answer']) => healthyHost({ rules: [{ argv, answer }] });

describe('a host', () => {
  it('without a tool is told which', async () => {
    expect(await examine(answering(/^sh -c for tool do.* cat flock$/, { stdout: 'flock\n' }))).toEqual([
      {
        check: 'tools',
        status: 'warning',
        detail: 'not found: flock',
        remedy: "Install flock on host1, or put them into root's PATH.",
      },
    ]);
  });

  it.each([
    ['bsdtar', 'failed', 'HOST_PREFLIGHT'],
    ['none', 'failed', 'HOST_PREFLIGHT'],
    ['busybox', 'warning', undefined],
  ] as const)('whose tar is %s: %s', async (tar, status, code) => {
    const [finding, ...others] = await examine(healthyHost({ facts: { tar } }));
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ check: 'tar', status, remedy: expect.stringContaining('Install GNU tar') });
    expect(finding?.code).toBe(code);
  });

  it('where dead runs left something is told what, and it stays', async () => {
    const stdout = '20240506T070809Z-11111111-1\t1801\t{}\n20240506T070809Z-22222222-1\t3\t{}\n';
    const host = answering(['sh', '-c', listScript, 'lsbackup', ''], { stdout });
    expect(await examine(host)).toMatchObject([
      { check: 'leftovers', status: 'warning', detail: expect.stringMatching(/: 20240506T070809Z-11111111-1$/) },
    ]);
    expect(host.transcript.join('\n')).not.toContain('rm ');
  });

  it('whose one check fails is still asked the others', async () => {
    expect(await examine(answering(['date', '+%s.%N'], { status: 1, stderr: 'no clock' }))).toMatchObject([
      {
        check: 'commands',
        status: 'failed',
        code: 'COMMAND_FAILED',
        detail: expect.stringMatching(/^date .*no clock$/),
      },
      { check: 'clock', status: 'skipped' },
    ]);
  });

  it('that is lost on the way is told once', async () => {
    const lost = (): never => {
      throw new BackupError('STREAM_CUT', 'host1: the SSH connection is gone', { host: 'host1' });
    };
    const findings = await examine(answering(/^sh -c for tool do/, lost));
    expect(findings.map(({ check, status }) => `${check} ${status}`)).toEqual([
      'tools failed',
      'leftovers skipped',
      'forwarding skipped',
      'sessions skipped',
    ]);
  });

  it('is left when the signal says so', async () => {
    const stop = new AbortController();
    const host = answering(['date', '+%s.%N'], () => {
      stop.abort(new BackupError('ABORTED', 'enough'));
      return {};
    });
    expect(await rejection(examine(host, stop.signal))).toMatchObject({ code: 'ABORTED', message: 'enough' });
    expect(host.transcript).toHaveLength(1);
  });
});

describe('sessions at once', () => {
  it.each([
    [1, 'warning', /only 1 of 4 sessions at once/],
    // A session that has just ended may still count.
    [2, 'warning', /only [12] of 4 sessions at once/],
    [3, 'warning', /only [23] of 4 sessions at once/],
    [5, 'ok', /at least 4 sessions/],
    [10, 'ok', /at least 4 sessions/],
  ])('%d: %s', async (maximumSessions, status, detail) => {
    await using sample = await sampleRemote({ maximumSessions });
    const remote = await sample.connect();
    expect(await sessionFinding(remote, signal)).toMatchObject({ status, detail: expect.stringMatching(detail) });
    // Nothing of it is left: the connection can be used, and no command runs any more.
    expect((await remote.run({ argv: ['echo', 'on'] })).stdout.toString()).toBe('on\n');
    expect(sample.server.running).toBe(0);
  });

  it('end with the run', async () => {
    await using sample = await sampleRemote({ maximumSessions: 1 });
    const remote = await sample.connect();
    const stop = new AbortController();
    const asked = sessionFinding(remote, stop.signal);
    stop.abort(new BackupError('ABORTED', 'enough'));
    expect(await rejection(asked)).toMatchObject({ code: 'ABORTED' });
  });
});

describe('forwarding', () => {
  it.each([
    [false, 'ok', undefined],
    [true, 'warning', 'HOST_FORWARD'],
  ])('refused: %j is %s', async (refuseForwarding, status, code) => {
    await using sample = await sampleRemote({ refuseForwarding });
    const warnings: Warning[] = [];
    const remote = await sample.connect({}, (each) => warnings.push(each));
    const finding = await forwardingFinding(remote, { signal, told: () => warnings });
    expect(finding.status).toBe(status);
    expect(finding.code).toBe(code);
    if (refuseForwarding) expect(finding.remedy).toContain('AllowTcpForwarding');
  });

  it('is allowed also where nothing listens at the port that is known here', async () => {
    await using sample = await sampleRemote();
    const remote = await sample.connect();
    const connection = { ...remote.host.connection, port: 1 };
    const behindTranslation = { ...remote, host: { ...remote.host, connection }, connect: remote.connect.bind(remote) };
    expect(
      await forwardingFinding(behindTranslation as unknown as RemoteHost, { signal, told: () => [] }),
    ).toMatchObject({ status: 'ok' });
  });
});
