import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Connection } from '../cluster/cluster.js';
import { BoundedText } from './bounded-text.js';
import { controlSocket, logFile, masterStart } from './openssh-arguments.js';
import { OpensshLog } from './openssh-log.js';
import { opensshVersion } from './openssh-version.js';
import { startGuarded } from './process-guard.js';
import type { GuardedProcess } from './process-guard.js';

/** Of a Unix socket's path on the system with the shortest (macOS), and of what ssh puts behind it while it makes the socket. */
const maximumSocketPath = 103 - '.0123456789abcdef'.length;
/** Milliseconds between requests to end, and seconds for them: ssh misses one that comes just before it waits (clientloop.c). */
const endPause = 200;
const endTimeout = 5;
/** Milliseconds that what is written to standard error may take to get here after the end. */
const lastWords = 500;

/** An ssh that holds one connection and takes commands at a socket in a directory of its own. */
export class OpensshMaster {
  readonly controlPath: string;
  readonly #process: GuardedProcess;
  readonly #stderr = new BoundedText();
  readonly #logFile: string;
  #lastLog: string | undefined;
  #stopped: Promise<void> | undefined;
  /** Resolves when ssh has ended. */
  readonly ended: Promise<void>;

  constructor(directory: string, process: GuardedProcess) {
    this.#process = process;
    this.controlPath = path.join(directory, controlSocket);
    this.#logFile = path.join(directory, logFile);
    const { child } = process;
    child.stderr?.on('data', (chunk: Buffer) => this.#stderr.add(chunk));
    let late: NodeJS.Timeout | undefined;
    child.once('exit', () => {
      // The directory goes at the end.
      this.#lastLog = this.#readLog();
      void process.end();
      // After its last words, for which is waited only so long: what a proxy command left behind may hold standard error open for ever.
      late = setTimeout(() => child.stderr?.destroy(), lastWords);
    });
    this.ended = new Promise((resolve) => {
      child.once('close', () => {
        clearTimeout(late);
        resolve();
      });
    });
  }

  /** What ssh has written so far. */
  get log(): OpensshLog {
    return new OpensshLog(this.#lastLog ?? this.#readLog(), this.#stderr.toString());
  }

  /** Ends ssh and what it started, and removes the directory. Never rejects. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    const asking = setInterval(() => this.#process.child.kill('SIGTERM'), endPause);
    const late = setTimeout(() => this.#process.child.kill('SIGKILL'), endTimeout * 1000);
    this.#process.child.kill('SIGTERM');
    await this.ended;
    clearInterval(asking);
    clearTimeout(late);
    await this.#process.end();
  }

  /** ssh writes each line at once, so that all of what was before anything else that is seen of it is there. */
  #readLog(): string {
    try {
      return readFileSync(this.#logFile, 'utf8');
    } catch {
      // ssh did not get so far as to open it: what went wrong is on standard error. A login without it is refused.
      return '';
    }
  }
}

export interface MasterOptions {
  /** For proxy commands. */
  readonly shell: string;
  readonly signal: AbortSignal;
}

/**
 * Starts ssh for a connection. Rejects when there is no OpenSSH that will do on this machine, and when the directory for its socket
 * cannot be made.
 */
export async function startMaster(connection: Connection, { shell, signal }: MasterOptions): Promise<OpensshMaster> {
  const version = await opensshVersion(signal);
  const name = `lsbackup-${process.pid}-`;
  const parent =
    path.join(os.tmpdir(), `${name}XXXXXX`, controlSocket).length > maximumSocketPath ? '/tmp' : os.tmpdir();
  const directory = await mkdtemp(path.join(parent, name));
  const { argv, files } = masterStart(connection, { directory, version, shell });
  try {
    for (const [file, content] of Object.entries(files))
      await writeFile(path.join(directory, file), content, { mode: 0o600 });
    // ssh finds no terminal to ask at, and an interrupt at ours reaches the program alone, which needs the connection to clean up. The
    // ssh of a jump host is not told of BatchMode, and must not ask in a window either.
    const words = ['SSH_ASKPASS_REQUIRE=never', 'ssh', ...argv];
    return new OpensshMaster(
      directory,
      await startGuarded('env', words, { stdio: ['ignore', 'ignore', 'pipe'], directory }),
    );
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}
