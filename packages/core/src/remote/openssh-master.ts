import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Connection } from '../cluster/cluster.js';
import { BoundedText } from './bounded-text.js';
import { controlSocket, masterStart } from './openssh-arguments.js';
import { opensshVersion } from './openssh-version.js';

/** Of a Unix socket's path on the system with the shortest (macOS), and of what ssh puts behind it while it makes the socket. */
const maximumSocketPath = 103 - '.0123456789abcdef'.length;
/** Milliseconds between requests to end, and seconds for them: ssh misses one that comes just before it waits (clientloop.c). */
const endPause = 200;
const endTimeout = 5;
/** Milliseconds that what is written to standard error may take to get here after the end. */
const lastWords = 500;

/**
 * Runs beside ssh. Its standard input says `done` when ssh has ended, and ends when this program does, however that happens; then ssh is
 * ended too, with what it started. In both cases the directory goes. Arguments: the process group, the directory.
 */
const guard = 'read -r word || { kill -- "-$1"; sleep 1; kill -KILL -- "-$1"; } 2>/dev/null; rm -rf -- "$2"';

/** An ssh that holds one connection and takes commands at a socket in a directory of its own. */
export class OpensshMaster {
  readonly controlPath: string;
  readonly #ssh: ChildProcess;
  readonly #stderr = new BoundedText();
  readonly #directory: string;
  readonly #guarded: Promise<unknown>;
  #stopped: Promise<void> | undefined;
  /** Resolves when ssh has ended, also when it could not be started; then with the reason. */
  readonly ended: Promise<Error | undefined>;

  constructor(directory: string, argv: readonly string[]) {
    this.#directory = directory;
    this.controlPath = path.join(directory, controlSocket);
    // In sessions of their own: ssh finds no terminal to ask at, and an interrupt at ours reaches the program alone, which needs the
    // connection to clean up. The ssh of a jump host is not told of BatchMode, and must not ask in a window either.
    const ssh = spawn('env', ['SSH_ASKPASS_REQUIRE=never', 'ssh', ...argv], {
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    this.#ssh = ssh;
    ssh.stderr.on('data', (chunk: Buffer) => this.#stderr.add(chunk));
    let late: NodeJS.Timeout | undefined;
    // After its last words, for which is waited only so long: what a proxy command left behind may hold standard error open for ever.
    ssh.once('exit', () => (late = setTimeout(() => ssh.stderr.destroy(), lastWords)));
    this.ended = new Promise((resolve) => {
      ssh.once('error', resolve);
      ssh.once('close', () => {
        clearTimeout(late);
        resolve(undefined);
      });
    });
    const child = ssh.pid === undefined ? undefined : startGuard(ssh.pid, directory);
    this.#guarded = child === undefined ? Promise.resolve() : once(child, 'close').catch(() => undefined);
    ssh.once('exit', () => {
      // At once: the number may soon be another's.
      if (ssh.pid !== undefined) endGroup(ssh.pid);
      child?.stdin?.end('done\n');
    });
  }

  /** What ssh has said so far. */
  get said(): string {
    return this.#stderr.toString();
  }

  /** Ends ssh and removes the directory. Never rejects. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    const asking = setInterval(() => this.#ssh.kill('SIGTERM'), endPause);
    const late = setTimeout(() => this.#ssh.kill('SIGKILL'), endTimeout * 1000);
    this.#ssh.kill('SIGTERM');
    await this.ended;
    clearInterval(asking);
    clearTimeout(late);
    await this.#guarded;
    await rm(this.#directory, { recursive: true, force: true }).catch(() => undefined);
  }
}

/**
 * Starts ssh for a connection. Rejects when there is no OpenSSH that will do on this machine, and when the directory for its socket
 * cannot be made.
 */
export async function startMaster(connection: Connection, signal: AbortSignal): Promise<OpensshMaster> {
  const version = await opensshVersion(signal);
  const name = `lsbackup-${process.pid}-`;
  const parent =
    path.join(os.tmpdir(), `${name}XXXXXX`, controlSocket).length > maximumSocketPath ? '/tmp' : os.tmpdir();
  const directory = await mkdtemp(path.join(parent, name));
  const { argv, files } = masterStart(connection, { directory, version });
  for (const [file, content] of Object.entries(files))
    await writeFile(path.join(directory, file), content, { mode: 0o600 });
  return new OpensshMaster(directory, argv);
}

/** Ends what ssh has left behind: parts of a proxy command that do not care that it is gone. */
function endGroup(group: number): void {
  try {
    process.kill(-group, 'SIGTERM');
  } catch {
    // Nothing is left, as it should be.
  }
}

function startGuard(pid: number, directory: string): ChildProcess {
  const child = spawn('/bin/sh', ['-c', guard, 'lsbackup', String(pid), directory], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  for (const emitter of [child, child.stdin]) emitter.on('error', () => undefined);
  return child;
}
