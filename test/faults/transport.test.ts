import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Connection, Host, LocalUser } from '../../packages/core/src/cluster/cluster.js';
import { plainConnection } from '../../packages/core/src/cluster/connection/plain-connection.js';
import { createHostPool } from '../../packages/core/src/remote/host-pool.js';
import { httpRequest } from '../../packages/core/src/remote/http.js';
import { connectSsh } from '../../packages/core/src/remote/ssh.js';
import type { RemoteHost } from '../../packages/core/src/remote/remote-host.js';
import { startCutProxy } from '../support/cut-proxy.js';
import { drain, rejection, trusting } from '../support/sample-remote.js';
import { generateKey } from '../support/ssh-server.mjs';

// The transport against a real sshd: the host lb1 of the test cluster.

jest.setTimeout(60_000);

const address = '172.28.0.11';
const sshDirectory = path.join(import.meta.dirname, '../cluster/build/ssh');
const chunk = 4 * 1024 * 1024;
const mebibytes = (count: number) => ({ argv: ['head', '-c', String(count * 1024 * 1024), '/dev/urandom'] });

let directory: string;
let user: LocalUser;
let root: RemoteHost;

const connection = (change: Partial<Connection> = {}): Connection => ({
  ...plainConnection(address),
  user: 'admin',
  identityFiles: [path.join(sshDirectory, 'id_ed25519')],
  hostKeys: trusting(path.join(sshDirectory, 'known_hosts')),
  ...change,
});
const host = (change?: Partial<Connection>): Host => ({
  name: 'lb1',
  groups: [],
  variables: {},
  connection: connection(change),
});
const connect = (change?: Partial<Connection>): Promise<RemoteHost> => connectSsh(host(change), { user });

async function sha256(stream: Readable): Promise<string> {
  const hash = createHash('sha256');
  for await (const bytes of stream as AsyncIterable<Buffer>) hash.update(bytes);
  return hash.digest('hex');
}

/** Makes a login that is gone after the tests. */
async function addUser(name: string, shell: string): Promise<void> {
  const script =
    'id "$1" >/dev/null 2>&1 || useradd -m -s "$2" "$1"; mkdir -p /etc/ssh/authorized_keys.d; cat > "/etc/ssh/authorized_keys.d/$1"; chmod 644 "/etc/ssh/authorized_keys.d/$1"; chmod 755 /etc/ssh/authorized_keys.d';
  await root.run(
    { argv: ['sh', '-c', script, 'sh', name, shell], become: 'root' },
    { input: await readFile(path.join(sshDirectory, 'id_ed25519.pub')) },
  );
}

async function removeUser(name: string): Promise<void> {
  await root.run({
    argv: ['sh', '-c', 'rm -f "/etc/ssh/authorized_keys.d/$1"; userdel -rf "$1" 2>/dev/null; true', 'sh', name],
    become: 'root',
  });
}

/** Process ids on the host whose command line is exactly this. */
async function running(commandLine: string): Promise<string> {
  const { stdout } = await root.run({ argv: ['pgrep', '-xf', commandLine], become: 'root', accept: [0, 1] });
  return stdout.toString().trim();
}

async function untilRuns(commandLine: string): Promise<void> {
  for (let tries = 0; tries < 40; tries += 1) {
    if ((await running(commandLine)) !== '') return;
    await delay(100);
  }
  throw new Error(`${commandLine} does not run on the host`);
}

async function untilGone(commandLine: string): Promise<void> {
  for (let tries = 0; tries < 40; tries += 1) {
    if ((await running(commandLine)) === '') return;
    await delay(250);
  }
  throw new Error(`${commandLine} still runs on the host`);
}

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'lsbackup-transport-'));
  user = { name: 'nobody', homeDirectory: directory };
  root = await connect();
  await addUser('noisy', '/bin/bash');
  await addUser('plain', '/bin/sh');
  const banner = 'echo "Welcome to lb1"; echo "careful" >&2; printf "no line break"\n';
  await root.run({ argv: ['tee', '/home/noisy/.bashrc'], become: 'root' }, { input: Buffer.from(banner) });
});

afterAll(async () => {
  await removeUser('noisy');
  await removeUser('plain');
  await root[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

describe('a stream from a real sshd', () => {
  it('is whole', async () => {
    expect(await drain(await root.read(mebibytes(40)))).toEqual({ bytes: 40 * 1024 * 1024, error: undefined });
  });

  it.each(['aes128-gcm@openssh.com', 'aes128-ctr', 'chacha20-poly1305@openssh.com'])(
    'is whole with %s, although keys are exchanged again for every MiB',
    async (cipher) => {
      const port = 2222;
      const pidFile = '/run/lsbackup-test-sshd.pid';
      const settings = [`Ciphers=${cipher}`, 'RekeyLimit=1M', `PidFile=${pidFile}`].flatMap((text) => ['-o', text]);
      const keys = await readFile(path.join(sshDirectory, 'known_hosts'), 'utf8');
      const known = path.join(directory, 'rekey_known_hosts');
      await writeFile(known, keys.replaceAll(new RegExp(`^${address} `, 'gm'), `[${address}]:${String(port)} `));
      const file = '/var/tmp/lsbackup-test-content';
      const make = 'head -c 25000001 /dev/urandom > "$1"; sha256sum < "$1"';
      const { stdout } = await root.run({ argv: ['sh', '-c', make, 'sh', file] });
      await root.run({ argv: ['/usr/sbin/sshd', '-p', String(port), ...settings], become: 'root' });
      try {
        await using remote = await connect({ port, hostKeys: trusting(known) });
        const command = { argv: ['sh', '-c', 'cat "$1"; echo said >&2', 'sh', file] };
        const streams = await Promise.all([1, 2, 3].map(() => remote.read(command)));
        expect(await Promise.all(streams.map(sha256))).toEqual(Array(3).fill(stdout.toString().slice(0, 64)));
      } finally {
        await root.run({ argv: ['pkill', '-F', pidFile], become: 'root' });
        await root.run({ argv: ['rm', '-f', file] });
      }
    },
  );

  it.each([0, 1, chunk - 1, chunk, 5 * chunk + 17])(
    'fails when the connection is cut after %i bytes',
    async (bytes) => {
      await using proxy = await startCutProxy({ host: address, port: 22 });
      const known = path.join(directory, 'proxy_known_hosts');
      const keys = (await readFile(path.join(sshDirectory, 'known_hosts'), 'utf8'))
        .split('\n')
        .filter((line) => line.startsWith(`${address} `));
      await writeFile(known, keys.map((line) => `${line.replace(address, `[127.0.0.1]:${proxy.port}`)}\n`).join(''));
      await using remote = await connect({ address: '127.0.0.1', port: proxy.port, hostKeys: trusting(known) });
      const [silent, stream] = [
        await remote.read({ argv: ['sleep', '3301'], become: 'root' }),
        await remote.read(mebibytes(64)),
      ];
      await untilRuns('sleep 3301');
      const silence = drain(silent);
      proxy.cutAfter(bytes);
      const end = await drain(stream);
      expect(end.error).toMatchObject({ code: 'STREAM_CUT', host: 'lb1', message: expect.stringContaining('head -c') });
      expect(end.bytes).toBeLessThan(64 * 1024 * 1024);
      expect(await silence).toMatchObject({ error: { code: 'STREAM_CUT' } });
      expect(proxy.cuts).toBe(1);
      // The host ends a silent command by itself when we are gone, as when the controller is killed.
      await untilGone('sleep 3301');
    },
  );

  it.each([0, 1, chunk - 1, chunk, 5 * chunk + 17])('fails when its sshd is killed after %i bytes', async (bytes) => {
    await using remote = await connect();
    const { stdout } = await remote.run({
      argv: [
        'sh',
        '-c',
        'while read -r name value; do if test "$name" = PPid:; then echo "$value"; fi; done < /proc/$PPID/status',
      ],
    });
    const stream = await remote.read(mebibytes(64));
    let received = 0;
    let killed: Promise<unknown> | undefined;
    const kill = (): Promise<unknown> =>
      root.run({ argv: ['kill', '-KILL', stdout.toString().trim()], become: 'root' });
    if (bytes === 0) killed = kill();
    const error = await rejection(
      (async () => {
        for await (const part of stream) {
          received += (part as Buffer).length;
          if (killed === undefined && received >= bytes) killed = kill();
          if (killed) await killed;
        }
      })(),
    );
    expect(error).toMatchObject({ code: 'STREAM_CUT', host: 'lb1' });
    await killed;
    expect(received).toBeLessThan(64 * 1024 * 1024);
  });

  it.each([0, 1, chunk - 1, chunk])('fails when the command exits 2 after %i bytes', async (bytes) => {
    const stream = await root.read({
      argv: ['sh', '-c', 'head -c "$1" /dev/zero; echo read error >&2; exit 2', 'sh', String(bytes)],
      become: 'root',
    });
    const { bytes: received, error } = await drain(stream);
    // Bytes that were still on their way when the status came are dropped: the stream has failed.
    expect(received).toBeLessThanOrEqual(bytes);
    expect(error).toMatchObject({ code: 'COMMAND_FAILED', message: expect.stringMatching(/status 2: read error/) });
  });

  it('fails when the command is killed on the host', async () => {
    const stream = await root.read({ argv: ['sh', '-c', 'head -c 100000 /dev/zero; kill -KILL $$'], become: 'root' });
    expect(await drain(stream)).toMatchObject({
      error: { code: 'COMMAND_FAILED', message: expect.stringContaining('signal 9') },
    });
  });

  it('is not held up by 8 MB of standard error', async () => {
    const script = 'head -c 8000000 /dev/zero | tr "\\0" x >&2; head -c 1000000 /dev/zero';
    const stream = await root.read({ argv: ['sh', '-c', script], become: 'root' });
    expect(await drain(stream)).toEqual({ bytes: 1_000_000, error: undefined });
  });

  it('is free of what the login shell prints', async () => {
    await using remote = await connect({ user: 'noisy', become: undefined });
    expect((await remote.run({ argv: ['printf', 'data'] })).stdout.toString()).toBe('data');
    expect(await drain(await remote.read(mebibytes(1)))).toEqual({ bytes: 1024 * 1024, error: undefined });
  });

  it('keeps its status when the command closes its outputs long before it ends', async () => {
    const argv = ['sh', '-c', 'cat >/dev/null; exec >&- 2>&-; sleep 1; exit 3'];
    expect(await rejection(root.run({ argv }, { input: Buffer.from('x') }))).toMatchObject({
      code: 'COMMAND_FAILED',
      message: expect.stringContaining('status 3'),
    });
  });
});

describe('an aborted command on a real host', () => {
  it.each(['root', 'www-data', false] as const)('leaves no process of %s behind', async (become) => {
    for (const argv of [
      ['sleep', '3302'],
      ['tail', '-f', '/dev/null'],
      ['sh', '-c', 'sleep 3303; true'],
      ['yes', 'line'],
    ]) {
      const controller = new AbortController();
      const stream = await root.read({ argv, become }, { signal: controller.signal });
      const end = drain(stream);
      await delay(200);
      controller.abort(new Error('stop'));
      expect(await end).toMatchObject({ error: { code: 'ABORTED' } });
    }
    for (const line of ['sleep 3302', 'tail -f /dev/null', 'sh -c sleep 3303; true', 'sleep 3303', 'yes line'])
      expect(await running(line)).toBe('');
  });

  it('is killed when it ignores the request to end', async () => {
    const controller = new AbortController();
    const stream = await root.read(
      { argv: ['sh', '-c', 'trap "" TERM; sleep 3304; sleep 3305; true'], become: 'root' },
      { signal: controller.signal },
    );
    const end = drain(stream);
    await delay(300);
    controller.abort(new Error('stop'));
    expect(await end).toMatchObject({ error: { code: 'ABORTED' } });
    for (const line of ['sleep 3304', 'sleep 3305']) expect(await running(line)).toBe('');
  });

  it('is killed with a child that ignores the request to end when it does not itself', async () => {
    const controller = new AbortController();
    const stream = await root.read(
      { argv: ['sh', '-c', '(trap "" TERM; exec sleep 3307) & wait'], become: 'root' },
      { signal: controller.signal },
    );
    const end = drain(stream);
    await untilRuns('sleep 3307');
    controller.abort(new Error('stop'));
    expect(await end).toMatchObject({ error: { code: 'ABORTED' } });
    await untilGone('sleep 3307');
  });

  it('leaves nothing behind when it reads standard input', async () => {
    const talk = await root.start({ argv: ['sh', '-c', 'sleep 3306; cat'], become: 'root' });
    await untilRuns('sleep 3306');
    await talk[Symbol.asyncDispose]();
    expect(await running('sleep 3306')).toBe('');
  });
});

describe('many at once', () => {
  it('fits into what sshd allows (MaxSessions)', async () => {
    await using remote = await connect();
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        remote.run({ argv: ['sh', '-c', `sleep 0.05; echo ${index}`], become: 'root' }),
      ),
    );
    expect(answers.map(({ stdout }) => Number(stdout.toString()))).toEqual(
      Array.from({ length: 40 }, (_, index) => index),
    );
    const streams = await Promise.all(Array.from({ length: 20 }, () => remote.read(mebibytes(1)).then(drain)));
    expect(streams).toEqual(Array.from({ length: 20 }, () => ({ bytes: 1024 * 1024, error: undefined })));
  });

  it('logs in in spite of MaxStartups', async () => {
    const remotes = await Promise.all(Array.from({ length: 25 }, () => connect()));
    await Promise.all(remotes.map((remote) => remote[Symbol.asyncDispose]()));
    expect(remotes).toHaveLength(25);
  });
});

describe('a host that cannot be used', () => {
  it('is told when sudo needs a password', async () => {
    const error = await rejection(connect({ user: 'plain' }));
    expect(error).toMatchObject({ code: 'HOST_SUDO', host: 'lb1', hint: expect.stringContaining('NOPASSWD') });
    expect(String(error)).toContain('sudo needs a password for plain');
    await using remote = await connect({ user: 'plain', become: undefined });
    expect((await remote.run({ argv: ['id', '-un'], become: 'root' })).stdout.toString()).toBe('plain\n');
  });

  it('is told when sudo wants a terminal', async () => {
    const file = '/etc/sudoers.d/lsbackup-test-tty';
    await root.run(
      { argv: ['tee', file], become: 'root' },
      { input: Buffer.from('Defaults:plain requiretty\nplain ALL=(ALL) NOPASSWD:ALL\n') },
    );
    try {
      expect(await rejection(connect({ user: 'plain' }))).toMatchObject({
        code: 'HOST_TTY',
        hint: expect.stringContaining('!requiretty'),
      });
    } finally {
      await root.run({ argv: ['rm', '-f', file], become: 'root' });
    }
  });

  it('is told when it refuses the key', async () => {
    const file = path.join(directory, 'wrong');
    await writeFile(file, generateKey().privateKey, { mode: 0o600 });
    expect(await rejection(connect({ identityFiles: [file] }))).toMatchObject({ code: 'HOST_AUTH', host: 'lb1' });
  });

  it('is told when its key has changed, or is not known', async () => {
    const changed = path.join(directory, 'changed');
    await writeFile(changed, `${address} ${generateKey().publicKey}\n`);
    expect(await rejection(connect({ hostKeys: trusting(changed) }))).toMatchObject({
      code: 'HOST_KEY',
      message: expect.stringContaining('changed'),
    });
    expect(await rejection(connect({ hostKeys: trusting('/dev/null') }))).toMatchObject({
      code: 'HOST_KEY',
      message: expect.stringContaining('not known'),
    });
  });

  it('is asked for the key type that is known', async () => {
    const lines = (await readFile(path.join(sshDirectory, 'known_hosts'), 'utf8'))
      .split('\n')
      .filter((line) => line.startsWith(`${address} `));
    for (const line of lines) {
      const only = path.join(directory, 'only');
      await writeFile(only, `${line}\n`);
      await using remote = await connect({ hostKeys: trusting(only) });
      expect(remote.facts.hostname).toBe('lb1');
    }
    expect(lines.length).toBeGreaterThan(0);
  });

  it('is told when it is down', async () => {
    const down = { ...host(), name: 'down' };
    await using pool = createHostPool({ user });
    expect(await rejection(pool.get({ ...down, connection: connection({ address: '172.28.0.99' }) }))).toMatchObject({
      code: 'HOST_UNREACHABLE',
      host: 'down',
      retryable: true,
    });
    expect(await rejection(connect({ port: 1 }))).toMatchObject({ code: 'HOST_UNREACHABLE' });
  });
});

describe('a forwarded connection', () => {
  it('reaches what listens on the host only, and says when nothing does', async () => {
    const answer = await httpRequest(root, { host: '127.0.0.1', port: 9000, path: '/' });
    expect(answer.status).toBeGreaterThan(0);
    expect(await rejection(httpRequest(root, { host: '127.0.0.1', port: 1, path: '/' }))).toMatchObject({
      code: 'HOST_FORWARD',
      retryable: true,
    });
  });
});
