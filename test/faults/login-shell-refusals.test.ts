import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Connection } from '../../packages/core/src/cluster/cluster.js';
import { temporaryDirectory } from '../support/lsbackup.js';
import { rejection, trusting } from '../support/sample-remote.js';
import { host, name, shellHost, useWell, type ShellHost } from '../support/shell-host.js';
import { sshDirectory } from '../support/test-users.js';

// Logins to a real host that run something else than they are sent, or nothing.

jest.setTimeout(90_000);

let the: ShellHost;

beforeAll(async () => {
  the = await shellHost();
});

afterAll(async () => the[Symbol.asyncDispose]());

describe('a start file of bash', () => {
  beforeAll(() => the.setShell('/bin/bash'));

  it.each([
    ['exit 0', 'something else runs than what is sent; it printed nothing'],
    [
      'echo closed for repair; exit 3',
      'the login shell ended with status 3 and ran nothing; it printed: closed for repair',
    ],
    ['exec echo another program', 'something else runs than what is sent; it printed: another program'],
    ['exec no-such-program', 'the login shell ended with status 127 and ran nothing'],
  ])('is told when it never gets to the command: %s', async (text, message) => {
    await the.withStartFile('.bashrc', `${text}\n`, async () => {
      expect(await rejection(the.connect())).toMatchObject({
        code: 'HOST_PREFLIGHT',
        host: 'db1',
        message: expect.stringContaining(`db1: ${name} can log in, but ${message}`),
      });
    });
  });

  it('is told when it starts another shell', async () => {
    await the.withStartFile('.bashrc', 'exec zsh\n', async () => {
      expect(await rejection(the.connect())).toMatchObject({
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
    await the.setShell(shell);
    const error = await rejection(the.connect());
    expect(error).toMatchObject({
      code: 'HOST_PREFLIGHT',
      host: 'db1',
      message: expect.stringContaining(`db1: ${name} can log in, but ${message}`),
    });
  });
});

describe('a forced command', () => {
  beforeAll(() => the.setShell('/bin/bash'));
  afterAll(() => the.restrictKey(''));

  it.each([
    ['echo only for backups', 'HOST_PREFLIGHT', 'something else runs than what is sent; it printed: only for backups'],
    [
      'echo denied >&2; exit 1',
      'HOST_PREFLIGHT',
      'the login shell ended with status 1 and ran nothing; it printed: denied',
    ],
  ])('is told: %s', async (command, code, message) => {
    await the.restrictKey(`command="${command}"`);
    expect(await rejection(the.connect())).toMatchObject({
      code,
      message: expect.stringContaining(message),
      hint: expect.stringContaining('forced command'),
    });
  });

  it('that runs what was sent does no harm', async () => {
    await the.restrictKey(`command="eval \\"$SSH_ORIGINAL_COMMAND\\""`);
    await using remote = await the.connect();
    await useWell(remote);
  });
});

describe('an sshd of its own mind', () => {
  beforeAll(() => the.setShell('/bin/bash'));

  async function withServer(settings: readonly string[], action: (change: Partial<Connection>) => Promise<void>) {
    const port = 2223;
    const unit = 'lsbackup-test-sshd';
    const options = [...settings, 'PidFile=none'].flatMap((text) => ['-o', text]);
    const known = `[${host.address}]:${String(port)}`;
    const keys = await readFile(path.join(sshDirectory, 'known_hosts'), 'utf8');
    await using directory = await temporaryDirectory();
    const file = path.join(directory.path, 'known_hosts');
    await writeFile(file, keys.replaceAll(new RegExp(`^${host.address} `, 'gm'), `${known} `));
    // By systemd: the processes of a login keep its user number (pam_loginuid), and could let in nobody else.
    const sshd = ['/usr/sbin/sshd', '-D', '-p', String(port), ...options];
    await the.root.run({ argv: ['systemd-run', '--collect', '--unit', unit, ...sshd], become: 'root' });
    const listening = 'until (exec 3<>"/dev/tcp/127.0.0.1/$0") 2>/dev/null; do sleep 0.1; done';
    await the.root.run({ argv: ['bash', '-c', listening, String(port)] });
    try {
      await action({ port, hostKeys: trusting(file) });
    } finally {
      await the.root.run({ argv: ['systemctl', 'stop', unit], become: 'root' });
    }
  }

  it('may greet with a banner', async () => {
    await withServer(['Banner=/etc/services', 'PrintMotd=yes', 'PrintLastLog=yes'], async (change) => {
      await using remote = await the.connect(change);
      await useWell(remote);
    });
  });

  it.each([
    ['/bin/echo nothing here', 'it printed: nothing here'],
    ['internal-sftp', 'the login is for sftp only'],
  ])('is told when it forces a command: %s', async (command, message) => {
    await withServer([`ForceCommand=${command}`], async (change) => {
      expect(await rejection(the.connect(change))).toMatchObject({
        code: 'HOST_PREFLIGHT',
        message: expect.stringContaining(message),
      });
    });
  });
});
