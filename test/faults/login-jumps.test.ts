import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Connection, Host, LocalUser, Login } from '../../packages/core/src/cluster/cluster.js';
import { plainConnection, plainLogin } from '../../packages/core/src/cluster/connection/plain-connection.js';
import { createHostPool } from '../../packages/core/src/remote/host-pool.js';
import type { RemoteHost } from '../../packages/core/src/remote/remote-host.js';
import { connectSsh } from '../../packages/core/src/remote/ssh.js';
import { startProgram } from '../support/lsbackup.js';
import { freePort, makeKey, startRealSshd } from '../support/real-sshd.js';
import type { RealSshd } from '../support/real-sshd.js';
import { drain, rejection, trusting } from '../support/sample-remote.js';

// Ways to a server: jump hosts and proxy commands, each an sshd of OpenSSH on this machine.

let directory: string;
let target: RealSshd;
let bastion: RealSshd;
let second: RealSshd;
let user: LocalUser;
const file = (name: string): string => path.join(directory, name);

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'lsbackup-jumps-'));
  for (const name of ['for-target', 'for-jumps', 'stranger']) await makeKey(file(name));
  const authorizedKeys = await readFile(file('for-jumps.pub'), 'utf8');
  target = await startRealSshd({ authorizedKeys: await readFile(file('for-target.pub'), 'utf8') });
  // It forwards, and gives nobody a session.
  bastion = await startRealSshd({ authorizedKeys, settings: ['MaxSessions 0'] });
  second = await startRealSshd({ authorizedKeys });
  const lines = [target, bastion, second].map(({ knownHostsLine }) => knownHostsLine);
  await writeFile(file('known_hosts'), lines.join(''));
  user = { name: os.userInfo().username, homeDirectory: directory };
}, 60_000);

afterAll(async () => {
  for (const sshd of [target, bastion, second]) await sshd[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const jump = ({ port }: { readonly port: number }, change: Partial<Login> = {}): Login => ({
  ...plainLogin('127.0.0.1'),
  port,
  identityFiles: [file('for-jumps')],
  hostKeys: trusting(file('known_hosts')),
  ...change,
});
const host = (change: Partial<Connection>, name = 'web1'): Host => ({
  name,
  groups: [],
  variables: {},
  connection: {
    ...plainConnection('127.0.0.1'),
    port: target.port,
    become: undefined,
    identityFiles: [file('for-target')],
    hostKeys: trusting(file('known_hosts')),
    ...change,
  },
});
const connect = (change: Partial<Connection>): Promise<RemoteHost> =>
  connectSsh(host(change), { user, retryPause: 10 });
const logins = (sshd: RealSshd): number => sshd.log().split('Accepted publickey').length - 1;

/** Connections that the jump host has made. */
async function untilEnded(sshd: RealSshd, sessions: number): Promise<void> {
  for (
    let tries = 0;
    sshd.log().split('Connection closed by').length + sshd.log().split('Received disconnect').length - 2 < sessions;
    tries += 1
  ) {
    if (tries > 100) throw new Error(`connections are still open: ${sshd.log()}`);
    await delay(50);
  }
}

describe('jump hosts', () => {
  it('are gone through in order, and each is logged in to once for all hosts behind it', async () => {
    const before = { bastion: logins(bastion), second: logins(second) };
    const names = ['a', 'b', 'c', 'd', 'e'];
    {
      await using pool = createHostPool({ user });
      const jumps = [jump(bastion), jump(second)];
      const remotes = await Promise.all(names.map((name) => pool.get(host({ jumps }, name))));
      // Megabytes, so that the windows of all three connections are used up.
      const reads = remotes.map((remote) =>
        remote.read({ argv: ['head', '-c', String(8 * 1024 * 1024), '/dev/zero'] }),
      );
      for (const read of reads) expect(await drain(await read)).toEqual({ bytes: 8 * 1024 * 1024, error: undefined });
      expect(logins(bastion) - before.bastion).toBe(1);
      expect(logins(second) - before.second).toBe(1);
    }
    await untilEnded(bastion, 1);
    await untilEnded(second, 1);
  });

  it('whose login differs are logged in to apart', async () => {
    const before = logins(bastion);
    await using pool = createHostPool({ user });
    await pool.get(host({ jumps: [jump(bastion)] }, 'a'));
    await pool.get(host({ jumps: [jump(bastion, { keepAliveSeconds: 5 })] }, 'b'));
    expect(logins(bastion) - before).toBe(2);
  });

  it('are named when they do not let us in', async () => {
    const jumps = [jump(bastion), jump(second, { identityFiles: [file('stranger')] })];
    expect(await rejection(connect({ jumps }))).toMatchObject({
      code: 'HOST_AUTH',
      host: 'web1',
      message: expect.stringMatching(
        `^web1: jump host 127.0.0.1 port ${second.port}: .* refuses to log us in \\(tried: ${file('stranger')}`,
      ),
    });
    const unknown = [jump(bastion, { hostKeys: trusting(file('none')) })];
    expect(await rejection(connect({ jumps: unknown }))).toMatchObject({
      code: 'HOST_KEY',
      message: expect.stringContaining(`web1: jump host 127.0.0.1 port ${bastion.port}: host key not known`),
    });
    const down = [jump({ port: await freePort() })];
    expect(await rejection(connect({ jumps: down }))).toMatchObject({
      code: 'HOST_UNREACHABLE',
      message: expect.stringMatching(/^web1: jump host .*ECONNREFUSED/),
    });
  });

  it('that let nobody in are asked once for all hosts', async () => {
    const failed = (): number => bastion.log().split('Connection from').length;
    const before = failed();
    await using pool = createHostPool({ user });
    const jumps = [jump(bastion, { identityFiles: [file('stranger')] })];
    const errors = await Promise.all(['a', 'b', 'c'].map((name) => rejection(pool.get(host({ jumps }, name)))));
    expect(errors.map((error) => (error as { message: string }).message.slice(0, 2))).toEqual(['a:', 'b:', 'c:']);
    expect(failed() - before).toBe(1);
  });

  it('that do not forward are told apart from hosts that do not answer', async () => {
    const settings = ['AllowTcpForwarding no'];
    await using closed = await startRealSshd({
      authorizedKeys: await readFile(file('for-jumps.pub'), 'utf8'),
      settings,
    });
    await writeFile(file('known_closed'), closed.knownHostsLine);
    const jumps = [jump(closed, { hostKeys: trusting(file('known_closed')) })];
    expect(await rejection(connect({ jumps }))).toMatchObject({
      code: 'HOST_FORWARD',
      host: 'web1',
      message: expect.stringContaining(
        `web1: the jump host 127.0.0.1 port ${closed.port} refuses to forward to 127.0.0.1 port ${target.port}`,
      ),
      hint: expect.stringContaining('AllowTcpForwarding'),
    });
    const port = await freePort();
    expect(await rejection(connect({ port, jumps: [jump(bastion)] }))).toMatchObject({
      code: 'HOST_UNREACHABLE',
      message: expect.stringMatching(
        new RegExp(`^web1: the jump host .* cannot connect to 127.0.0.1 port ${port}: Connection refused`),
      ),
    });
  });

  it('that die end the streams of the hosts behind them', async () => {
    const authorizedKeys = await readFile(file('for-jumps.pub'), 'utf8');
    await using mortal = await startRealSshd({ authorizedKeys });
    await writeFile(file('known_mortal'), mortal.knownHostsLine);
    await using remote = await connect({ jumps: [jump(mortal, { hostKeys: trusting(file('known_mortal')) })] });
    const stream = await remote.read({ argv: ['sh', '-c', 'echo begun; sleep 60'] });
    const ended = drain(stream);
    await mortal.stop();
    const name = `jump host 127.0.0.1 port ${mortal.port}`;
    expect((await ended).error).toMatchObject({ code: 'STREAM_CUT', message: expect.stringContaining(name) });
    expect(await rejection(remote.run({ argv: ['true'] }))).toMatchObject({
      code: 'STREAM_CUT',
      message: expect.stringContaining(name),
    });
  });

  it('are checked by their own keys: a host may not answer in the place of another', async () => {
    const other = [jump(bastion, { hostKeys: { ...trusting(file('known_hosts')), alias: '127.0.0.1' } })];
    expect(await rejection(connect({ jumps: other }))).toMatchObject({ code: 'HOST_KEY' });
    const hostKeys = { ...trusting(file('known_hosts')), alias: `[127.0.0.1]:${bastion.port}` };
    expect(await rejection(connect({ jumps: [jump(bastion)], hostKeys }))).toMatchObject({
      code: 'HOST_KEY',
      message: expect.stringContaining('web1: host key changed'),
    });
  });
});

describe('a proxy command', () => {
  const sshdAsProxy = (): string => `/usr/sbin/sshd -i -f ${target.configFile} 2>/dev/null`;
  const running = (text: string): string =>
    execFileSync('sh', ['-c', `pgrep -f "$1" || true`, 'sh', text], { encoding: 'utf8' });
  const untilGone = async (text: string): Promise<void> => {
    for (let tries = 0; running(text) !== '' && tries < 60; tries += 1) await delay(100);
    expect(running(text)).toBe('');
  };

  it('is the connection, and ends with it', async () => {
    {
      await using remote = await connect({ proxyCommand: `sleep 987 > /dev/null & ${sshdAsProxy()}` });
      expect(remote.facts.hostname).not.toBe('');
      expect(await drain(await remote.read({ argv: ['head', '-c', '5000000', '/dev/zero'] }))).toMatchObject({
        bytes: 5_000_000,
      });
      expect(running('^sleep 987$')).not.toBe('');
    }
    await untilGone('^sleep 987$');
  });

  it('ends also where a part of it does not want to, and when this program is killed', async () => {
    const stubborn = `sh -c 'trap "" TERM; sleep 985; true' > /dev/null & ${sshdAsProxy()}`;
    await (await connect({ proxyCommand: stubborn }))[Symbol.asyncDispose]();
    await untilGone('^sleep 985$');
    const kept = host({ proxyCommand: stubborn, user: user.name });
    const { child, finished } = startProgram(process.execPath, [
      'test/faults/kept-connection.mjs',
      JSON.stringify(kept),
    ]);
    if (child.stdout === null) throw new Error('no standard output');
    await once(child.stdout, 'data');
    expect(running('^sleep 985$')).not.toBe('');
    child.kill('SIGKILL');
    await finished;
    await untilGone('^sleep 985$');
  });

  it("is run by the user's shell, as by ssh", async () => {
    const proxyCommand = `${sshdAsProxy()} 2> >(cat >&2)`;
    const shell = { user: { ...user, shell: '/bin/bash' }, retryPause: 10 };
    await using remote = await connectSsh(host({ proxyCommand }), shell);
    expect(remote.facts.hostname).not.toBe('');
    expect(await rejection(connect({ proxyCommand }))).toMatchObject({ hint: expect.stringContaining('ProxyCommand') });
  });

  it('that fails is told by its last words, never by its own text', async () => {
    const error = await rejection(
      connect({ proxyCommand: "sh -c 'echo one >&2; echo no route to hell >&2; exit 3' --password hidden" }),
    );
    expect(error).toMatchObject({
      code: 'HOST_UNREACHABLE',
      message: expect.stringMatching(/the proxy command ended with status 3: no route to hell$/),
    });
    expect(JSON.stringify(error) + String(error)).not.toContain('hidden');
    expect(await rejection(connect({ proxyCommand: '/nonexistent/proxy' }))).toMatchObject({
      code: 'HOST_UNREACHABLE',
      message: expect.stringContaining('status 127'),
    });
  });

  it('that says nothing is given up', async () => {
    const error = await rejection(connect({ proxyCommand: 'sleep 986', connectSeconds: 1 }));
    expect(error).toMatchObject({ code: 'HOST_UNREACHABLE', message: expect.stringContaining('no answer within 1 s') });
    await untilGone('^sleep 986$');
  });
});

describe('an address', () => {
  it('may be a name with several of them', async () => {
    const hostKeys = { ...trusting(file('known_hosts')), alias: `[127.0.0.1]:${target.port}` };
    await using remote = await connect({ address: 'localhost', hostKeys });
    expect(remote.facts.hostname).not.toBe('');
  });
});
