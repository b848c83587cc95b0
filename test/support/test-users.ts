import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Connection, Host } from '../../packages/core/src/cluster/cluster.js';
import { plainConnection } from '../../packages/core/src/cluster/connection/plain-connection.js';
import { connectSsh } from '../../packages/core/src/remote/ssh.js';
import type { RemoteHost } from '../../packages/core/src/remote/remote-host.js';
import { trusting } from './sample-remote.js';

// Users that a test makes on a host of the test cluster, and takes away again.

export const sshDirectory = path.join(import.meta.dirname, '../cluster/build/ssh');

export interface TestHost {
  readonly name: string;
  readonly address: string;
}

export interface TestUser {
  readonly name: string;
  /** `/bin/sh` unless set. */
  readonly shell?: string;
  readonly password?: string;
}

/** A login with the key of the test cluster; as admin, who may use sudo without a password, unless changed. */
export function connectAs({ name, address }: TestHost, change: Partial<Connection> = {}): Promise<RemoteHost> {
  const connection: Connection = {
    ...plainConnection(address),
    user: 'admin',
    identityFiles: [path.join(sshDirectory, 'id_ed25519')],
    hostKeys: trusting(path.join(sshDirectory, 'known_hosts')),
    ...change,
  };
  const host: Host = { name, groups: [], variables: {}, connection };
  return connectSsh(host, { user: { name: 'nobody', homeDirectory: '/nonexistent' } });
}

/** Runs a script as root; its input is what it reads. Resolves with what it printed. */
export async function asRoot(root: RemoteHost, script: string, input = '', ...words: string[]): Promise<string> {
  const command = { argv: ['sh', '-euc', script, 'sh', ...words], become: 'root' };
  return (await root.run(command, { input: Buffer.from(input) })).stdout.toString();
}

export async function addUser(root: RemoteHost, { name, shell = '/bin/sh', password }: TestUser): Promise<void> {
  await removeUser(root, name);
  await asRoot(root, 'useradd -m -s "$2" "$1"', '', name, shell);
  const key = await readFile(path.join(sshDirectory, 'id_ed25519.pub'), 'utf8');
  await authorize(root, name, key);
  if (password !== undefined) await asRoot(root, 'chpasswd', `${name}:${password}\n`);
}

/** Replaces the lines of the user's authorized_keys. */
export async function authorize(root: RemoteHost, name: string, lines: string): Promise<void> {
  await asRoot(root, 'f=/etc/ssh/authorized_keys.d/$1; cat > "$f"; chmod 644 "$f"', lines, name);
}

export async function removeUser(root: RemoteHost, name: string): Promise<void> {
  const script =
    'rm -f "/etc/ssh/authorized_keys.d/$1"; pkill -KILL -u "$1" || true; userdel -rf "$1" 2>/dev/null || true';
  await asRoot(root, script, '', name);
}

/** Waits until no process on the host has exactly this command line, 10 seconds at most. */
export async function untilGone(root: RemoteHost, commandLine: string): Promise<void> {
  for (let tries = 0; tries < 40; tries += 1) {
    if ((await running(root, commandLine)) === '') return;
    await delay(250);
  }
  throw new Error(`${commandLine} still runs on ${root.host.name}`);
}

/** Process ids on the host whose command line is exactly this. */
export async function running(root: RemoteHost, commandLine: string): Promise<string> {
  const argv = ['pgrep', '-xf', commandLine];
  return (await root.run({ argv, become: 'root', accept: [0, 1] })).stdout.toString().trim();
}

export async function untilRuns(root: RemoteHost, commandLine: string): Promise<void> {
  for (let tries = 0; tries < 40; tries += 1) {
    if ((await running(root, commandLine)) !== '') return;
    await delay(100);
  }
  throw new Error(`${commandLine} does not run on ${root.host.name}`);
}
