import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, readdir, writeFile, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Secret } from '../../packages/core/src/model/secret.js';
import type { RemoteHost } from '../../packages/core/src/remote/remote-host.js';
import { startCutProxy } from '../support/cut-proxy.js';
import { drain, rejection, trusting } from '../support/sample-remote.js';
import {
  addUser,
  asRoot,
  authorize,
  connectAs,
  removeUser,
  running,
  sshDirectory,
  untilGone,
  untilRuns,
} from '../support/test-users.js';

// Becoming root with a password, by the sudo and the su of the host mq1 of the test cluster.

jest.setTimeout(120_000);

const host = { name: 'mq1', address: '172.28.0.31' };
const name = 'lsbackup-become';
const password = `pä$$ "w'o\\rd!`;
const rootPassword = `rö"t's word$`;
const sudoers = '/etc/sudoers.d/lsbackup-test-become';
const mebibyte = 1024 * 1024;

let root: RemoteHost;
let shadow: string;

type Method = 'sudo' | 'su';
const become = (method: Method, text: string | undefined) => ({
  method,
  password: text === undefined ? undefined : new Secret(text),
});
const connect = (method: Method, text: string | undefined) =>
  connectAs(host, { user: name, become: become(method, text) });
const allow = (defaults: string, rule = `${name} ALL=(ALL:ALL) ALL`) =>
  asRoot(root, 'cat > "$1.new"; visudo -cqf "$1.new"; mv "$1.new" "$1"', `${defaults}\n${rule}\n`, sudoers);

beforeAll(async () => {
  root = await connectAs(host);
  shadow = (await asRoot(root, 'getent shadow root | cut -d: -f2')).trim();
  await addUser(root, { name, password });
  await asRoot(root, 'chpasswd', `root:${rootPassword}\n`);
});

afterAll(async () => {
  await asRoot(root, 'usermod -p "$1" root; rm -f "$2"', '', shadow, sudoers);
  await removeUser(root, name);
  await root[Symbol.asyncDispose]();
});

/** Every way to run a command, as root and as another user, gives what it should and nothing more. */
async function useAllWays(remote: RemoteHost): Promise<void> {
  for (const user of ['root', 'www-data']) {
    const who = await remote.run({ argv: ['sh', '-c', 'id -un; echo ~; echo "$HOME"'], become: user });
    expect(who.stdout.toString().split('\n')[0]).toBe(user);
    expect(who.stdout.toString().split('\n')[1]).toBe(who.stdout.toString().split('\n')[2]);
    expect(who.stderr).toBe('');
    const echoed = await remote.run({ argv: ['cat'], become: user }, { input: Buffer.from('in put\n') });
    expect(echoed.stdout.toString()).toBe('in put\n');
    expect((await remote.run({ argv: ['cat'], become: user }, { input: Buffer.alloc(0) })).stdout).toHaveLength(0);
    expect((await remote.run({ argv: ['sh', '-c', 'exit 7'], become: user, accept: [7] })).status).toBe(7);
    expect(await rejection(remote.run({ argv: ['sh', '-c', 'kill -9 $$'], become: user }))).toMatchObject({
      code: 'COMMAND_FAILED',
      message: expect.stringContaining('signal 9'),
    });
  }
  await using talk = await remote.start({
    argv: ['sh', '-c', 'while read -r line; do echo "got $line"; done'],
    become: 'root',
  });
  talk.stdin.write('one\n');
  expect(String((await once(talk.stdout, 'data'))[0])).toBe('got one\n');
  talk.stdin.end('two\n');
  talk.stdout.resume();
  expect(await talk.exit).toBe(0);
}

/** Random bytes to the host and back are the same. */
async function moveBothWays(remote: RemoteHost, mebibytes: number): Promise<void> {
  const piece = randomBytes(mebibyte);
  const sent = createHash('sha256');
  for (let count = 0; count < mebibytes; count += 1) sent.update(piece);
  const file = `/var/tmp/${name}`;
  const pieces = Readable.from(Array.from({ length: mebibytes }, () => piece));
  await remote.write({ argv: ['sh', '-c', 'cat > "$1"', 'sh', file], become: 'root' }, pieces);
  const received = createHash('sha256');
  const back = await remote.read({ argv: ['sh', '-c', 'cat "$1"; rm "$1"', 'sh', file], become: 'root' });
  for await (const bytes of back as AsyncIterable<Buffer>) received.update(bytes);
  expect(received.digest('hex')).toBe(sent.digest('hex'));
}

/** Whatever ends the command at our side, nothing of it is left on the host. */
async function endAllWays(remote: RemoteHost): Promise<void> {
  for (const user of ['root', 'www-data']) {
    const controller = new AbortController();
    const stream = await remote.read({ argv: ['sleep', '3401'], become: user }, { signal: controller.signal });
    const end = drain(stream);
    await untilRuns(root, 'sleep 3401');
    controller.abort(new Error('stop'));
    expect(await end).toMatchObject({ error: { code: 'ABORTED' } });
    expect(await running(root, 'sleep 3401')).toBe('');
    const session = await remote.start({ argv: ['sh', '-c', 'sleep 3402; cat'], become: user });
    await untilRuns(root, 'sleep 3402');
    await session[Symbol.asyncDispose]();
    expect(await running(root, 'sleep 3402')).toBe('');
  }
}

/** The host itself ends a silent command when the connection is cut. */
async function cutConnection(method: Method, text: string): Promise<void> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'lsbackup-become-'));
  try {
    await using proxy = await startCutProxy({ host: host.address, port: 22 });
    const keys = (await readFile(path.join(sshDirectory, 'known_hosts'), 'utf8')).split('\n');
    const known = keys.filter((line) => line.startsWith(`${host.address} `));
    const file = path.join(directory, 'known_hosts');
    const proxyName = `[127.0.0.1]:${String(proxy.port)}`;
    await writeFile(file, known.map((line) => `${line.replace(host.address, proxyName)}\n`).join(''));
    await using remote = await connectAs(
      { name: host.name, address: '127.0.0.1' },
      { port: proxy.port, user: name, hostKeys: trusting(file), become: become(method, text) },
    );
    const silence = drain(await remote.read({ argv: ['sleep', '3403'], become: 'root' }));
    await untilRuns(root, 'sleep 3403');
    proxy.cutAfter(0);
    expect(await silence).toMatchObject({ error: { code: 'STREAM_CUT' } });
    await untilGone(root, 'sleep 3403');
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

describe('sudo with a password', () => {
  it.each([
    ['as the distribution has it', '', password],
    ['with a lecture and insults', `Defaults:${name} lecture=always, insults`, password],
    ['asking each time', `Defaults:${name} timestamp_timeout=0, passwd_tries=5, !use_pty`, password],
    [
      'with a pseudo-terminal and logs',
      `Defaults:${name} use_pty, log_input, log_output, iolog_dir=/var/tmp/${name}-io`,
      password,
    ],
    ['with a path and an environment of its own', `Defaults:${name} secure_path="/usr/bin", !setenv`, password],
    ["with root's password", `Defaults:${name} rootpw, timestamp_timeout=0`, rootPassword],
    ['in another language', `Defaults:${name} sudoers_locale=de_DE.UTF-8`, password],
    ['that comes with a line break', '', `${password}\n`],
  ])('%s', async (_name, defaults, text) => {
    await allow(defaults);
    await using remote = await connect('sudo', text);
    expect(remote.facts).toMatchObject({ loginIsRoot: false, tar: 'gnu', hostname: 'mq1' });
    await useAllWays(remote);
    await asRoot(root, 'rm -rf "$1"', '', `/var/tmp/${name}-io`);
  });

  it('asks for the password of the user it becomes (targetpw)', async () => {
    await allow(`Defaults:${name} targetpw, timestamp_timeout=0`);
    await using remote = await connect('sudo', rootPassword);
    expect((await remote.run({ argv: ['id', '-un'], become: 'root' })).stdout.toString()).toBe('root\n');
    expect(await rejection(remote.run({ argv: ['id'], become: 'www-data' }))).toMatchObject({
      code: 'HOST_SUDO',
      message: 'mq1: sudo does not accept the password for www-data.',
    });
  });

  it('gives nothing to a sudo that does not ask', async () => {
    await allow('', `${name} ALL=(ALL:ALL) NOPASSWD: ALL`);
    await using remote = await connect('sudo', password);
    await useAllWays(remote);
    await moveBothWays(remote, 3);
  });

  it.each(['use_pty', '!use_pty', 'use_pty, log_output, iolog_dir=/var/tmp/lsbackup-become-io'])(
    'carries 100 MiB both ways and ends commands: %s',
    async (setting) => {
      await allow(`Defaults:${name} ${setting}`);
      await using remote = await connect('sudo', password);
      await moveBothWays(remote, 100);
      await endAllWays(remote);
      await cutConnection('sudo', password);
      await asRoot(root, 'rm -rf /var/tmp/lsbackup-become-io');
    },
  );

  it('asks for many commands at once', async () => {
    await allow(`Defaults:${name} timestamp_timeout=0`);
    await using remote = await connect('sudo', password);
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        remote.run({ argv: ['cat'], become: 'root' }, { input: Buffer.from(String(index)) }),
      ),
    );
    expect(answers.map(({ stdout }) => Number(stdout.toString()))).toEqual(answers.map((_, index) => index));
  });
});

describe('a sudo that cannot be used', () => {
  const wrong = { code: 'HOST_SUDO', host: 'mq1', message: `mq1: sudo does not accept the password for ${name}.` };

  it.each([
    ['a wrong password', '', undefined, 'wrong', wrong],
    ['a wrong password, one try', `Defaults:${name} passwd_tries=1`, undefined, 'wrong', wrong],
    ['a wrong password, insulted', `Defaults:${name} insults, badpass_message="Nein!"`, undefined, 'wrong', wrong],
    [
      "the user's password where root's is wanted",
      `Defaults:${name} rootpw`,
      undefined,
      password,
      { ...wrong, message: 'mq1: sudo does not accept the password for root.' },
    ],
    [
      'no password',
      '',
      undefined,
      undefined,
      {
        code: 'HOST_SUDO',
        message: `mq1: sudo needs a password for ${name}.`,
        hint: expect.stringMatching(/--ask-become-pass.*ansible_become_password.*NOPASSWD/),
      },
    ],
    [
      'no entry in sudoers',
      '',
      'nobody ALL=(ALL) ALL',
      password,
      { code: 'HOST_SUDO', message: expect.stringContaining(`${name} is not in the sudoers file`) },
    ],
    [
      'another user only',
      '',
      `${name} ALL=(www-data) ALL`,
      password,
      { code: 'HOST_SUDO', message: expect.stringContaining('not allowed to execute') },
    ],
    [
      'a terminal is required',
      `Defaults:${name} requiretty`,
      undefined,
      password,
      { code: 'HOST_TTY', hint: expect.stringContaining('!requiretty') },
    ],
    [
      'a password too long for sudo',
      '',
      undefined,
      'x'.repeat(300),
      { code: 'HOST_SUDO', message: expect.stringContaining('longer than 255 bytes') },
    ],
  ])('is told: %s', async (_name, defaults, rule, text, expected) => {
    await allow(defaults, rule);
    const error = await rejection(connect('sudo', text));
    expect(error).toMatchObject(expected);
    expect(String(error)).not.toMatch(/lsbackup-[0-9a-f]{32}/);
  });

  it('is given a wrong password once', async () => {
    await allow(`Defaults:${name} passwd_tries=5, logfile=/var/tmp/${name}.log`);
    await rejection(connect('sudo', 'wrong'));
    const log = await asRoot(root, 'cat "$1"; rm "$1"', '', `/var/tmp/${name}.log`);
    expect(log.replaceAll(/\s+/g, ' ').match(/\d+ incorrect password attempts?/g)).toEqual([
      '1 incorrect password attempt',
    ]);
  });

  it('fails a command whose password was changed meanwhile, and gives it none of its input', async () => {
    await allow(`Defaults:${name} timestamp_timeout=0`);
    await using remote = await connect('sudo', password);
    await asRoot(root, 'chpasswd', `${name}:other\n`);
    try {
      const file = `/var/tmp/${name}-never`;
      const command = { argv: ['tee', file], become: 'root' };
      expect(await rejection(remote.write(command, Readable.from([Buffer.from('data')])))).toMatchObject(wrong);
      expect(await asRoot(root, 'ls "$1" 2>/dev/null || echo none', '', file)).toBe('none\n');
    } finally {
      await asRoot(root, 'chpasswd', `${name}:${password}\n`);
    }
  });
});

describe('su with a password', () => {
  it('does all that sudo does', async () => {
    await using remote = await connect('su', rootPassword);
    expect(remote.facts).toMatchObject({ loginIsRoot: false, hostname: 'mq1' });
    await useAllWays(remote);
    await moveBothWays(remote, 100);
    await endAllWays(remote);
    await cutConnection('su', rootPassword);
  });

  it("is told when root's shell may not be replaced by another", async () => {
    await asRoot(root, 'usermod -s /usr/bin/tail root');
    try {
      expect(await rejection(connect('su', rootPassword))).toMatchObject({
        code: 'HOST_SUDO',
        message: expect.stringContaining('su: using restricted shell /usr/bin/tail'),
      });
    } finally {
      await asRoot(root, 'usermod -s /bin/bash root');
    }
  });

  it.each([
    ['a wrong password', 'wrong', 'mq1: su does not accept the password for root.'],
    ['no password', undefined, 'mq1: su needs the password of root.'],
  ])('is told: %s', async (_name, text, message) => {
    const error = await rejection(connect('su', text));
    expect(error).toMatchObject({ code: 'HOST_SUDO', host: 'mq1', message });
  });

  it('is told when pam_wheel refuses', async () => {
    const pam = '/etc/pam.d/su';
    await asRoot(
      root,
      'cp -p "$1" "$1.lsbackup-test"; sed -i "1i auth required pam_wheel.so group=daemon" "$1"',
      '',
      pam,
    );
    try {
      expect(await rejection(connect('su', rootPassword))).toMatchObject({
        code: 'HOST_SUDO',
        message: expect.stringContaining('Permission denied'),
      });
    } finally {
      await asRoot(root, 'mv "$1.lsbackup-test" "$1"', '', pam);
    }
  });
});

describe('a login that is root already', () => {
  it.each(['sudo', 'su'] as const)('needs no %s', async (method) => {
    await authorize(root, 'root', await readFile(path.join(sshDirectory, 'id_ed25519.pub'), 'utf8'));
    try {
      await using remote = await connectAs(host, { user: 'root', become: become(method, 'unused') });
      expect(remote.facts.loginIsRoot).toBe(true);
      await useAllWays(remote);
    } finally {
      await asRoot(root, 'rm /etc/ssh/authorized_keys.d/root');
    }
  });

  it('is not needed where nothing is to be become', async () => {
    await using remote = await connectAs(host, { user: name, become: undefined });
    expect(remote.facts.loginIsRoot).toBe(false);
    expect((await remote.run({ argv: ['id', '-un'], become: 'root' })).stdout.toString()).toBe(`${name}\n`);
  });
});

describe('the password', () => {
  it.each([
    ['sudo', password],
    ['su', rootPassword],
  ] as const)('of %s is seen nowhere', async (method, text) => {
    await allow(`Defaults:${name} timestamp_timeout=0, use_pty`);
    await using remote = await connect(method, text);
    const controller = new AbortController();
    const seen: string[] = [];
    const stream = await remote.read({ argv: ['sleep', '3404'], become: 'root' }, { signal: controller.signal });
    const end = drain(stream);
    for (let samples = 0; samples < 20; samples += 1) {
      void remote.run({ argv: ['true'], become: 'root' }).catch(() => undefined);
      seen.push(await processesOf(root), await localProcesses());
      await delay(20);
    }
    controller.abort();
    const { error } = await end;
    const refused = await rejection(connect(method, `${text}x`));
    seen.push(inspect([error, refused, remote], { depth: 10 }), JSON.stringify([error, refused, remote.host]));
    expect(seen.join('')).toContain('3404');
    expect(seen.some((sample) => sample.includes(text))).toBe(false);
  });
});

async function processesOf(remote: RemoteHost): Promise<string> {
  const script = 'ps -efww; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr "\\000" "\\n" || true';
  return asRoot(remote, script);
}

async function localProcesses(): Promise<string> {
  const processes = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  const files = processes.flatMap((id) => [`/proc/${id}/cmdline`, `/proc/${id}/environ`]);
  return (await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')))).join('\n');
}
