import { createHash, randomBytes } from 'node:crypto';
import path from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { drain, rejection } from '../support/sample-remote.js';
import { home, name, oldCsh, shellHost, shells, useWell, type ShellHost } from '../support/shell-host.js';
import { asRoot, running, untilRuns } from '../support/test-users.js';

// Login shells of all kinds, and what may be in their start files, on a real host.

const startFiles: Readonly<Record<string, string>> = {
  bash: '.bashrc',
  zsh: '.zshenv',
  fish: '.config/fish/config.fish',
  tcsh: '.tcshrc',
  'bsd-csh': '.cshrc',
};

jest.setTimeout(90_000);

let the: ShellHost;

beforeAll(async () => {
  the = await shellHost();
});

afterAll(async () => the[Symbol.asyncDispose]());

describe.each(shells)('a login with %s', (shell) => {
  const longest = shell === oldCsh ? 300 : 60_000;
  beforeAll(() => the.setShell(shell));

  it('runs commands as any other', async () => {
    await using remote = await the.connect();
    await useWell(remote, longest);
    await using plain = await the.connect({ become: undefined });
    await useWell(plain, longest);
  });

  it('ends commands as any other', async () => {
    await using remote = await the.connect();
    const controller = new AbortController();
    const end = drain(await remote.read({ argv: ['sleep', '3501'], become: 'root' }, { signal: controller.signal }));
    await untilRuns(the.root, 'sleep 3501');
    controller.abort(new Error('stop'));
    expect(await end).toMatchObject({ error: { code: 'ABORTED' } });
    expect(await running(the.root, 'sleep 3501')).toBe('');
  });

  const startFile = startFiles[path.posix.basename(shell)];
  if (startFile === undefined) return;

  it('may print what it likes before', async () => {
    const noise = 'echo "Welcome, Password: "; sh -c "echo careful >&2; printf no-line-break"\n';
    await the.withStartFile(startFile, noise, async () => {
      await using remote = await the.connect();
      await useWell(remote, longest);
    });
  });
});

it('is told when the old csh takes no long words', async () => {
  await the.setShell(oldCsh);
  await using remote = await the.connect();
  expect(await rejection(remote.run({ argv: ['echo', 'x'.repeat(10_000)] }))).toMatchObject({
    code: 'HOST_PREFLIGHT',
    message: expect.stringContaining('the login shell takes no word of the length needed'),
  });
});

describe('the start file of bash', () => {
  beforeAll(() => the.setShell('/bin/bash'));

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
    await the.withStartFile('.bashrc', `${text}\n`, async () => {
      await using remote = await the.connect();
      await useWell(remote);
      expect(await drain(await remote.read({ argv: ['sh', '-c', 'sleep 2; echo data'], become: 'root' }))).toEqual({
        bytes: 5,
        error: undefined,
      });
      const files = await remote.run({ argv: ['sh', '-c', 'umask'], become: false });
      expect(files.stdout.toString()).toBe('0077\n');
    });
  });
});

describe('a home directory', () => {
  it.each([
    ['that is missing', 'mv "$1" "$1.away"', 'mv "$1.away" "$1"'],
    ['that may not be entered', 'chmod 0 "$1"; chown root "$1"', 'chown "$2" "$1"; chmod 755 "$1"'],
  ])('%s is not needed', async (_name, take, give) => {
    await the.setShell('/bin/bash');
    await asRoot(the.root, take, '', home, name);
    try {
      await using remote = await the.connect();
      await useWell(remote);
    } finally {
      await asRoot(the.root, give, '', home, name);
    }
  });
});

it('writes a file whole through every shell', async () => {
  for (const shell of shells) {
    await the.setShell(shell);
    await using remote = await the.connect();
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
