import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { BoundedText } from './bounded-text.js';

/** Of a Unix socket's path on the system with the shortest (macOS), and of what ssh puts behind it while it makes the socket. */
const maximumSocketPath = 103 - '.0123456789abcdef'.length;
/** Seconds for ssh to end when asked. */
const endTimeout = 5;

/**
 * Runs beside ssh. Its standard input ends when this program ends, however that happens; then ssh is ended too. In both cases the
 * directory goes. Arguments: ssh's process id, the directory.
 */
const guard = 'read -r word || kill "$1" 2>/dev/null; rm -rf -- "$2"';

/** An ssh that holds one connection and takes commands at a socket in a directory of its own. */
export class OpensshMaster {
  readonly controlPath: string;
  readonly #ssh: ChildProcess;
  readonly #stderr = new BoundedText();
  readonly #directory: string;
  readonly #guard: ChildProcess | undefined;
  #stopped: Promise<void> | undefined;
  /** Resolves when ssh has ended, also when it could not be started; then with the reason. */
  readonly ended: Promise<Error | undefined>;

  constructor(directory: string, argv: (controlPath: string) => readonly string[]) {
    this.#directory = directory;
    this.controlPath = path.join(directory, 's');
    // In sessions of their own: ssh finds no terminal to ask at, and an interrupt at ours reaches the program alone, which needs the connection to clean up.
    const ssh = spawn('ssh', [...argv(this.controlPath)], { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    this.#ssh = ssh;
    ssh.stderr.on('data', (chunk: Buffer) => this.#stderr.add(chunk));
    this.ended = new Promise((resolve) => {
      ssh.once('error', resolve);
      // After its last words.
      ssh.once('close', () => resolve(undefined));
    });
    this.#guard = ssh.pid === undefined ? undefined : startGuard(ssh.pid, directory);
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
    const late = setTimeout(() => this.#ssh.kill('SIGKILL'), endTimeout * 1000);
    this.#ssh.kill('SIGTERM');
    await this.ended;
    clearTimeout(late);
    const guarded = this.#guard && once(this.#guard, 'close').catch(() => undefined);
    this.#guard?.stdin?.end('done\n');
    await guarded;
    await rm(this.#directory, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Starts ssh with what `argv` says for a control socket. Rejects when the directory for it cannot be made. */
export async function startMaster(argv: (controlPath: string) => readonly string[]): Promise<OpensshMaster> {
  const name = 'lsbackup-';
  const parent = path.join(os.tmpdir(), `${name}XXXXXX`, 's').length > maximumSocketPath ? '/tmp' : os.tmpdir();
  return new OpensshMaster(await mkdtemp(path.join(parent, name)), argv);
}

function startGuard(pid: number, directory: string): ChildProcess {
  const child = spawn('/bin/sh', ['-c', guard, 'lsbackup', String(pid), directory], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  for (const emitter of [child, child.stdin]) emitter.on('error', () => undefined);
  return child;
}
