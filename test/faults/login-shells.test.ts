import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Connection } from '../../packages/core/src/cluster/cluster.js';
import { Secret } from '../../packages/core/src/model/secret.js';
import type { RemoteHost } from '../../packages/core/src/remote/remote-host.js';
import { drain, rejection, trusting } from '../support/sample-remote.js';
import {
  addUser,
  asRoot,
  authorize,
  connectAs,
  removeUser,
  running,
  sshDirectory,
  untilRuns,
} from '../support/test-users.js';

// Login shells of all kinds, and what may be in their start files, on the host db1 of the test cluster.

jest.setTimeout(90_000);

const host = { name: 'db1', address: '172.28.0.21' };
const name = 'lsbackup-shell';
const password = 'open sesame';
const home = `/home/${name}`;
const ash = '/usr/local/lib/lsbackup-test/ash';
const sudoers = '/etc/sudoers.d/lsbackup-test-shell';

/** Takes words of about 2,000 bytes at most. */
const oldCsh = '/usr/bin/bsd-csh';
const shells = ['/bin/sh', '/bin/bash', '/usr/bin/zsh', '/usr/bin/fish', '/usr/bin/tcsh', oldCsh, '/usr/bin/mksh', ash];

const startFiles: Readonly<Record<string, string>> = {
  bash: '.bashrc',
  zsh: '.zshenv',
  fish: '.config/fish/config.fish',
  tcsh: '.tcshrc',
  'bsd-csh': '.cshrc',
};

/** Whatever means something to some shell. */
const words = [
  '',
  ' ',
  "it's",
  '"double"',
  'back\\slash',
  '\\\\two\\\\',
  "\\'",
  'trailing\\',
  'line\nbreak\n\nend\n',
  'tab\tcr\rend',
  '!event !! !$ a!b',
  '$HOME ${HOME} $(id) `id` $?',
  '* ? [a-z] {a,b} ~ ~root',
  '%self %1 %%',
  '# no comment',
  'a=b =ls',
  '; & | < > ( ) ^',
  'ünï©ödé 漢字 \u{1f600}',
  '-n',
  '@x',
];

let root: RemoteHost;
let directory: string;

const connect = (change: Partial<Connection> = {}) => connectAs(host, { user: name, become: undefined, ...change });
const withSudo = { become: { method: 'sudo', password: new Secret(password) } } as const;
const setShell = (shell: string) => asRoot(root, 'usermod -s "$1" "$2"', '', shell, name);
const key = () => readFile(path.join(sshDirectory, 'id_ed25519.pub'), 'utf8');

/** Writes a start file into the user's home for as long as the action takes. */
async function withStartFile<T>(file: string, text: string, action: () => Promise<T>): Promise<T> {
  const full = path.posix.join(home, file);
  const owner = `${name}:${name}`;
  const write = 'mkdir -p "$(dirname "$1")"; cat > "$1"; chown -R "$2" "$3"';
  await asRoot(root, write, text, full, owner, home);
  try {
    return await action();
  } finally {
    await asRoot(root, 'rm -f "$1"', '', full);
  }
}

/** The command gets its words and its input as they are, and its output and status come back so. */
async function useWell(remote: RemoteHost, longest = 60_000): Promise<void> {
  for (const become of ['root', false] as const) {
    const printed = await remote.run({ argv: ['printf', '%s\\0', ...words], become });
    expect(printed.stdout.toString()).toBe(words.map((word) => `${word}\0`).join(''));
    expect(printed.stderr).toBe('');
    const long = 'x y'.repeat(longest / 3);
    expect((await remote.run({ argv: ['printf', '%s', long], become })).stdout.toString()).toBe(long);
    const bytes = randomBytes(3_000_000);
    const echoed = await remote.run({ argv: ['cat'], become }, { input: bytes });
    expect(createHash('sha256').update(echoed.stdout).digest('hex')).toBe(
      createHash('sha256').update(bytes).digest('hex'),
    );
    expect((await remote.run({ argv: ['sh', '-c', 'exit 9'], become, accept: [9] })).status).toBe(9);
    const environment = { argv: ['sh', '-c', 'echo "$A|$LC_ALL|$(pwd)"'], env: { A: "b'\n!" }, cwd: '/usr', become };
    expect((await remote.run(environment)).stdout.toString()).toBe("b'\n!|C|/usr\n");
  }
}

beforeAll(async () => {
  root = await connectAs(host);
  directory = await mkdtemp(path.join(os.tmpdir(), 'lsbackup-shells-'));
  await addUser(root, { name, password });
  await asRoot(root, 'cat > "$1"', `${name} ALL=(ALL:ALL) ALL\n`, sudoers);
  await asRoot(root, 'd=$(dirname "$1"); mkdir -p "$d"; chmod 755 "$d"; ln -sf /usr/bin/busybox "$1"', '', ash);
});

afterAll(async () => {
  await asRoot(root, 'rm -rf "$1" "$(dirname "$2")"', '', sudoers, ash);
  await removeUser(root, name);
  await root[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

describe.each(shells)('a login with %s', (shell) => {
  const longest = shell === oldCsh ? 300 : 60_000;
  beforeAll(() => setShell(shell));

  it('runs commands as any other', async () => {
    await using remote = await connect(withSudo);
    await useWell(remote, longest);
    await using plain = await connect();
    await useWell(plain, longest);
  });

  it('ends commands as any other', async () => {
    await using remote = await connect(withSudo);
    const controller = new AbortController();
    const end = drain(await remote.read({ argv: ['sleep', '3501'], become: 'root' }, { signal: controller.signal }));
    await untilRuns(root, 'sleep 3501');
    controller.abort(new Error('stop'));
    expect(await end).toMatchObject({ error: { code: 'ABORTED' } });
    expect(await running(root, 'sleep 3501')).toBe('');
  });

  const startFile = startFiles[path.posix.basename(shell)];
  if (startFile === undefined) return;

  it('may print what it likes before', async () => {
    const noise = 'echo "Welcome, Password: "; sh -c "echo careful >&2; printf no-line-break"\n';
    await withStartFile(startFile, noise, async () => {
      await using remote = await connect(withSudo);
      await useWell(remote, longest);
    });
  });
});

it('is told when the old csh takes no long words', async () => {
  await setShell(oldCsh);
  await using remote = await connect(withSudo);
  expect(await rejection(remote.run({ argv: ['echo', 'x'.repeat(10_000)] }))).toMatchObject({
    code: 'HOST_PREFLIGHT',
    message: expect.stringContaining('the login shell takes no word of the length needed'),
  });
});

describe('the start file of bash', () => {
  beforeAll(() => setShell('/bin/bash'));

  it.each([
    ['traces what it does', 'set -x'],
    ['repeats what it reads', 'set -v; set -x; PS4="+ $(date) "'],
    ['leaves a short path', 'PATH=/bin'],
    ['leaves no path', 'PATH=/nonexistent'],
    ['leaves an empty path', 'PATH='],
    ['sets up a terminal that is not there', 'mesg n; stty erase ^H; tput reset'],
    ['sets a language', 'export LANG=de_DE.UTF-8 LC_ALL=de_DE.UTF-8 LANGUAGE=de'],
    ['goes elsewhere', 'cd /tmp; cd() { echo no; false; }'],
    ['ends idle shells', 'readonly TMOUT=1; export TMOUT'],
    ['limits itself', 'ulimit -n 64; umask 0777; set -u; set -C'],
    [
      'has aliases and functions',
      'shopt -s expand_aliases; alias sudo=false env=false; sudo() { false; }; export -f sudo',
    ],
    ['fails', 'false; no-such-program; return 5'],
  ])('does no harm when it %s', async (_name, text) => {
    await withStartFile('.bashrc', `${text}\n`, async () => {
      await using remote = await connect(withSudo);
      await useWell(remote);
      expect(await drain(await remote.read({ argv: ['sh', '-c', 'sleep 2; echo data'], become: 'root' }))).toEqual({
        bytes: 5,
        error: undefined,
      });
      const files = await remote.run({ argv: ['sh', '-c', 'umask'], become: false });
      expect(files.stdout.toString()).toBe('0077\n');
    });
  });

  it.each([
    ['exit 0', 'something else runs than what is sent; it printed nothing'],
    [
      'echo closed for repair; exit 3',
      'the login shell ended with status 3 and ran nothing; it printed: closed for repair',
    ],
    ['exec echo another program', 'something else runs than what is sent; it printed: another program'],
    ['exec no-such-program', 'the login shell ended with status 127 and ran nothing'],
  ])('is told when it never gets to the command: %s', async (text, message) => {
    await withStartFile('.bashrc', `${text}\n`, async () => {
      expect(await rejection(connect(withSudo))).toMatchObject({
        code: 'HOST_PREFLIGHT',
        host: 'db1',
        message: expect.stringContaining(`db1: ${name} can log in, but ${message}`),
      });
    });
  });

  it('is told when it starts another shell', async () => {
    await withStartFile('.bashrc', 'exec zsh\n', async () => {
      expect(await rejection(connect(withSudo))).toMatchObject({
        code: 'COMMAND_TIMEOUT',
        message: expect.stringContaining('did not begin within 30 s'),
        hint: expect.stringContaining('start files of the login shell'),
      });
    });
  });
});

describe('a login shell that runs nothing', () => {
  it.each([
    ['/bin/false', 'the login shell ended with status 1 and ran nothing; it printed nothing'],
    ['/usr/sbin/nologin', 'the login shell lets nobody in; it printed: This account is currently not available.'],
    ['/bin/rbash', 'the login shell is restricted'],
  ])('is told: %s', async (shell, message) => {
    await setShell(shell);
    const error = await rejection(connect(withSudo));
    expect(error).toMatchObject({
      code: 'HOST_PREFLIGHT',
      host: 'db1',
      message: expect.stringContaining(`db1: ${name} can log in, but ${message}`),
    });
  });
});

describe('a home directory', () => {
  it.each([
    ['that is missing', 'mv "$1" "$1.away"', 'mv "$1.away" "$1"'],
    ['that may not be entered', 'chmod 0 "$1"; chown root "$1"', 'chown "$2" "$1"; chmod 755 "$1"'],
  ])('%s is not needed', async (_name, take, give) => {
    await setShell('/bin/bash');
    await asRoot(root, take, '', home, name);
    try {
      await using remote = await connect(withSudo);
      await useWell(remote);
    } finally {
      await asRoot(root, give, '', home, name);
    }
  });
});

describe('a forced command', () => {
  beforeAll(() => setShell('/bin/bash'));
  afterAll(async () => authorize(root, name, await key()));

  it.each([
    ['echo only for backups', 'HOST_PREFLIGHT', 'something else runs than what is sent; it printed: only for backups'],
    [
      'echo denied >&2; exit 1',
      'HOST_PREFLIGHT',
      'the login shell ended with status 1 and ran nothing; it printed: denied',
    ],
  ])('is told: %s', async (command, code, message) => {
    await authorize(root, name, `command="${command}" ${await key()}`);
    expect(await rejection(connect(withSudo))).toMatchObject({
      code,
      message: expect.stringContaining(message),
      hint: expect.stringContaining('forced command'),
    });
  });

  it('that runs what was sent does no harm', async () => {
    await authorize(root, name, `command="eval \\"$SSH_ORIGINAL_COMMAND\\"" ${await key()}`);
    await using remote = await connect(withSudo);
    await useWell(remote);
  });
});

describe('an sshd of its own mind', () => {
  beforeAll(() => setShell('/bin/bash'));

  async function withServer(settings: readonly string[], action: (change: Partial<Connection>) => Promise<void>) {
    const port = 2223;
    const unit = 'lsbackup-test-sshd';
    const options = [...settings, 'PidFile=none'].flatMap((text) => ['-o', text]);
    const keys = await readFile(path.join(sshDirectory, 'known_hosts'), 'utf8');
    const known = path.join(directory, 'known_hosts');
    await writeFile(
      known,
      keys.replaceAll(new RegExp(`^${host.address} `, 'gm'), `[${host.address}]:${String(port)} `),
    );
    // By systemd: the processes of a login keep its user number (pam_loginuid), and could let in nobody else.
    const sshd = ['/usr/sbin/sshd', '-D', '-p', String(port), ...options];
    await root.run({ argv: ['systemd-run', '--collect', '--unit', unit, ...sshd], become: 'root' });
    const listening = 'until (exec 3<>"/dev/tcp/127.0.0.1/$0") 2>/dev/null; do sleep 0.1; done';
    await root.run({ argv: ['bash', '-c', listening, String(port)] });
    try {
      await action({ ...withSudo, port, hostKeys: trusting(known) });
    } finally {
      await root.run({ argv: ['systemctl', 'stop', unit], become: 'root' });
    }
  }

  it('may greet with a banner', async () => {
    await withServer(['Banner=/etc/services', 'PrintMotd=yes', 'PrintLastLog=yes'], async (change) => {
      await using remote = await connect(change);
      await useWell(remote);
    });
  });

  it.each([
    ['/bin/echo nothing here', 'it printed: nothing here'],
    ['internal-sftp', 'the login is for sftp only'],
  ])('is told when it forces a command: %s', async (command, message) => {
    await withServer([`ForceCommand=${command}`], async (change) => {
      expect(await rejection(connect(change))).toMatchObject({
        code: 'HOST_PREFLIGHT',
        message: expect.stringContaining(message),
      });
    });
  });
});

it('writes a file whole through every shell', async () => {
  for (const shell of shells) {
    await setShell(shell);
    await using remote = await connect(withSudo);
    const bytes = randomBytes(2_000_000);
    const file = `/var/tmp/${name}`;
    await remote.write({ argv: ['tee', file], become: 'root' }, Readable.from([bytes]));
    const { stdout } = await remote.run({
      argv: ['sh', '-c', 'sha256sum < "$1"; rm "$1"', 'sh', file],
      become: 'root',
    });
    expect(stdout.toString().slice(0, 64)).toBe(createHash('sha256').update(bytes).digest('hex'));
  }
});
