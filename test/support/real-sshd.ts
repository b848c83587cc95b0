import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** An sshd of OpenSSH on the loopback interface of this machine, where the user of this process may log in with keys. */
export interface RealSshd extends AsyncDisposable {
  readonly port: number;
  /** For a known_hosts file, with its line break. */
  readonly knownHostsLine: string;
  /** The configuration file, and the host key. */
  readonly configFile: string;
  readonly hostKeyFile: string;
  /** Everything it has said, at LogLevel VERBOSE. */
  log(): string;
  /** Ends it and every connection that it serves. */
  stop(): Promise<void>;
}

export interface RealSshdOptions {
  /** Public keys, one a line. */
  readonly authorizedKeys: string;
  /** Lines of sshd_config(5), before our own. */
  readonly settings?: readonly string[];
}

export async function startRealSshd({ authorizedKeys, settings = [] }: RealSshdOptions): Promise<RealSshd> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'lsbackup-sshd-'));
  const hostKeyFile = path.join(directory, 'host_key');
  await makeKey(hostKeyFile);
  await writeFile(path.join(directory, 'authorized_keys'), authorizedKeys);
  // Where sshd runs as root it wants this directory; systemd or the init script makes it otherwise.
  if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true });
  const port = await freePort();
  const configFile = path.join(directory, 'sshd_config');
  const lines = [
    ...settings,
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${hostKeyFile}`,
    `AuthorizedKeysFile ${path.join(directory, 'authorized_keys')}`,
    `PidFile none`,
    'PermitRootLogin yes',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'StrictModes no',
    'UsePAM no',
    'LogLevel VERBOSE',
  ];
  await writeFile(configFile, `${lines.join('\n')}\n`);
  // A process group of its own, so that what serves connections ends with it.
  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', configFile], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  const closed = once(child, 'close');
  for (let tries = 0; !log.includes('Server listening'); tries += 1) {
    if (tries > 100 || child.exitCode !== null) throw new Error(`sshd does not start: ${log}`);
    await delay(50);
  }
  const stop = async (): Promise<void> => {
    for (const pid of await sessionsOf(child.pid ?? 0)) end(pid);
    if (child.exitCode === null && child.signalCode === null) end(-(child.pid ?? 0));
    await closed;
  };
  return {
    port,
    knownHostsLine: `[127.0.0.1]:${port} ${(await readFile(`${hostKeyFile}.pub`, 'utf8')).trim()}\n`,
    configFile,
    hostKeyFile,
    log: () => log,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A key pair by ssh-keygen: `file` and `file.pub`. */
export async function makeKey(file: string, ...options: readonly string[]): Promise<void> {
  const type = options.includes('-t') ? [] : ['-t', 'ed25519'];
  const passphrase = options.includes('-N') ? [] : ['-N', ''];
  await run('ssh-keygen', ['-q', ...type, ...passphrase, ...options, '-C', path.basename(file), '-f', file]);
}

/** A TCP port of the loopback interface that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Each connection is served by children that lead sessions of their own. */
async function sessionsOf(pid: number): Promise<readonly number[]> {
  const { stdout } = await run('ps', ['-e', '-o', 'pid=,ppid=']);
  const rows = stdout.split('\n').map((line) => line.trim().split(/\s+/).map(Number));
  const children = rows.flatMap(([child, parent]) => (parent === pid && child !== undefined ? [child] : []));
  const deeper = await Promise.all(children.map((child) => sessionsOf(child)));
  return [...deeper.flat(), ...children];
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
