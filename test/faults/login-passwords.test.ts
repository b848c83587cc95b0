import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Connection, LocalUser } from '../../packages/core/src/cluster/cluster.js';
import { plainConnection } from '../../packages/core/src/cluster/connection/plain-connection.js';
import { Secret } from '../../packages/core/src/model/secret.js';
import { connectSsh } from '../../packages/core/src/remote/ssh.js';
import { shellOnHost } from '../support/cluster-host.js';
import { makeKey } from '../support/real-sshd.js';
import { rejection, trusting } from '../support/sample-remote.js';

// Logging in with passwords, to an sshd with PAM: one of its own on the host lb2, with users that are gone afterwards.

const sshDirectory = path.join(import.meta.dirname, '../cluster/build/ssh');
const right = 'Tr0ub4dor-and-3';
const ports = { password: 2301, keyboard: 2302, keyAndPassword: 2303, keyAndKeyboard: 2304, both: 2305 };
let directory: string;
let user: LocalUser;

const start = `
umask 077
rm -rf /root/lsb-login && mkdir /root/lsb-login && cd /root/lsb-login
for name in lsb-login lsb-expired; do
  userdel -rf "$name" 2>/dev/null || true
  useradd -m -s /bin/bash "$name"
  echo "$name:${right}" | chpasswd
done
chage -d 0 lsb-expired
echo 'KEY' > keys
cat > sshd_config <<END
${Object.values(ports)
  .map((port) => `Port ${port}`)
  .join('\n')}
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile /root/lsb-login/pid
AuthorizedKeysFile /etc/lsb-login-keys
StrictModes no
UsePAM yes
LogLevel VERBOSE
PasswordAuthentication yes
KbdInteractiveAuthentication yes
Match LocalPort ${ports.password}
  KbdInteractiveAuthentication no
Match LocalPort ${ports.keyboard}
  PasswordAuthentication no
Match LocalPort ${ports.keyAndPassword}
  AuthenticationMethods publickey,password
Match LocalPort ${ports.keyAndKeyboard}
  AuthenticationMethods publickey,keyboard-interactive
END
install -m 644 keys /etc/lsb-login-keys
/usr/sbin/sshd -f /root/lsb-login/sshd_config -E /root/lsb-login/log
`;
const stop = `
cd /root/lsb-login && kill "$(cat pid)"
rm -rf /root/lsb-login /etc/lsb-login-keys
for name in lsb-login lsb-expired; do
  pkill -KILL -u "$name" || true
  userdel -rf "$name" 2>/dev/null || true
  systemctl reset-failed
done
`;

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'lsbackup-password-'));
  await makeKey(path.join(directory, 'key'));
  user = { name: 'nobody', homeDirectory: directory };
  await shellOnHost('lb2', start.replace('KEY', await readFile(path.join(directory, 'key.pub'), 'utf8')));
});

afterAll(async () => {
  await shellOnHost('lb2', stop);
  await rm(directory, { recursive: true, force: true });
});

const logIn = async (port: number, change: Partial<Connection> = {}): Promise<string> => {
  const connection: Connection = {
    ...plainConnection('172.28.0.12'),
    port,
    user: 'lsb-login',
    become: undefined,
    identityFiles: [],
    password: new Secret(right),
    hostKeys: trusting(path.join(sshDirectory, 'known_hosts')),
    ...change,
  };
  await using remote = await connectSsh({ name: 'lb2', groups: [], variables: {}, connection }, { user });
  const { stdout } = await remote.run({ argv: ['id', '-un'] });
  return stdout.toString().trim();
};
const failures = async (): Promise<number> => {
  const log = await shellOnHost('lb2', 'cat /root/lsb-login/log');
  return log.split('Failed password').length + log.split('Failed keyboard-interactive').length - 2;
};

describe('a password', () => {
  it.each(Object.keys(ports).filter((name) => !name.startsWith('key')))(
    'logs in where the server takes: %s',
    async (name) => {
      expect(await logIn(ports[name as keyof typeof ports])).toBe('lsb-login');
    },
  );
  it('answers the one question of keyboard-interactive', async () => {
    expect(await logIn(ports.keyboard)).toBe('lsb-login');
  });

  it.each([ports.keyAndPassword, ports.keyAndKeyboard])('completes what a key begins, port %s', async (port) => {
    const identityFiles = [path.join(directory, 'key')];
    expect(await logIn(port, { identityFiles })).toBe('lsb-login');
    expect(await rejection(logIn(port, { identityFiles, password: undefined }))).toMatchObject({
      code: 'HOST_AUTH',
      message: expect.stringMatching(
        /tried: .*key \(accepted, but not enough\); the server takes: (?:password|keyboard-interactive)\)/,
      ),
    });
  });

  it.each([ports.password, ports.keyboard, ports.both])('that is wrong is given once, port %s', async (port) => {
    const before = await failures();
    const password = new Secret('wr0ng-secret');
    const error = await rejection(logIn(port, { password }));
    expect(error).toMatchObject({
      code: 'HOST_AUTH',
      host: 'lb2',
      message: expect.stringContaining('tried: the password'),
      hint: expect.stringContaining('password'),
    });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('wr0ng-secret');
    expect((await failures()) - before).toBe(1);
  });

  it('is given only in ways that are allowed, in their order', async () => {
    expect(await logIn(ports.both, { authentications: ['password'] })).toBe('lsb-login');
    expect(await rejection(logIn(ports.keyboard, { authentications: ['password'] }))).toMatchObject({
      code: 'HOST_AUTH',
      message: expect.stringContaining('the server takes: publickey, keyboard-interactive'),
    });
  });

  it.each([ports.password, ports.keyboard])('that has expired is said to have, port %s', async (port) => {
    const error = await rejection(logIn(port, { user: 'lsb-expired' }));
    expect(error).toMatchObject({
      code: 'HOST_AUTH',
      message: expect.stringContaining('the password of lsb-expired has expired'),
      hint: 'Log in as lsb-expired by hand and change it.',
    });
  });
});
