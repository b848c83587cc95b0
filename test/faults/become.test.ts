import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { cutConnection, endAllWays, moveBothWays, useAllWays } from '../support/become-checks.js';
import { become, becomeHost, host, name, password, rootPassword, type BecomeHost } from '../support/become-host.js';
import { rejection } from '../support/sample-remote.js';
import { asRoot, authorize, connectAs, sshDirectory } from '../support/test-users.js';

// Becoming root with a password, by the sudo of a real host.

jest.setTimeout(120_000);

let the: BecomeHost;

beforeAll(async () => {
  the = await becomeHost();
});

afterAll(async () => the[Symbol.asyncDispose]());

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
    await the.allow(defaults);
    await using remote = await the.connect('sudo', text);
    expect(remote.facts).toMatchObject({ loginIsRoot: false, tar: 'gnu', hostname: 'mq1' });
    await useAllWays(remote);
    await asRoot(the.root, 'rm -rf "$1"', '', `/var/tmp/${name}-io`);
  });

  it('asks for the password of the user it becomes (targetpw)', async () => {
    await the.allow(`Defaults:${name} targetpw, timestamp_timeout=0`);
    await using remote = await the.connect('sudo', rootPassword);
    expect((await remote.run({ argv: ['id', '-un'], become: 'root' })).stdout.toString()).toBe('root\n');
    expect(await rejection(remote.run({ argv: ['id'], become: 'www-data' }))).toMatchObject({
      code: 'HOST_SUDO',
      message: 'mq1: sudo does not accept the password for www-data.',
    });
  });

  it('gives nothing to a sudo that does not ask', async () => {
    await the.allow('', `${name} ALL=(ALL:ALL) NOPASSWD: ALL`);
    await using remote = await the.connect('sudo', password);
    await useAllWays(remote);
    await moveBothWays(remote, 3);
  });

  it.each(['use_pty', '!use_pty', 'use_pty, log_output, iolog_dir=/var/tmp/lsbackup-become-io'])(
    'carries 100 MiB both ways and ends commands: %s',
    async (setting) => {
      await the.allow(`Defaults:${name} ${setting}`);
      await using remote = await the.connect('sudo', password);
      await moveBothWays(remote, 100);
      await endAllWays(remote, the.root);
      await cutConnection(the, 'sudo', password);
      await asRoot(the.root, 'rm -rf /var/tmp/lsbackup-become-io');
    },
  );

  it('asks for many commands at once', async () => {
    await the.allow(`Defaults:${name} timestamp_timeout=0`);
    await using remote = await the.connect('sudo', password);
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        remote.run({ argv: ['cat'], become: 'root' }, { input: Buffer.from(String(index)) }),
      ),
    );
    expect(answers.map(({ stdout }) => Number(stdout.toString()))).toEqual(answers.map((_, index) => index));
  });
});

describe('a login that is root already', () => {
  it.each(['sudo', 'su'] as const)('needs no %s', async (method) => {
    await authorize(the.root, 'root', await readFile(path.join(sshDirectory, 'id_ed25519.pub'), 'utf8'));
    try {
      await using remote = await connectAs(host, { user: 'root', become: become(method, 'unused') });
      expect(remote.facts.loginIsRoot).toBe(true);
      await useAllWays(remote);
    } finally {
      await asRoot(the.root, 'rm /etc/ssh/authorized_keys.d/root');
    }
  });

  it('is not needed where nothing is to be become', async () => {
    await using remote = await connectAs(host, { user: name, become: undefined });
    expect(remote.facts.loginIsRoot).toBe(false);
    expect((await remote.run({ argv: ['id', '-un'], become: 'root' })).stdout.toString()).toBe(`${name}\n`);
  });
});
