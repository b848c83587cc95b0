import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { Duplex } from 'node:stream';
import { BoundedText } from '../bounded-text.js';
import { systemReason } from '../../model/system-errors.js';
import { startGuarded } from '../process-guard.js';
import type { GuardedProcess } from '../process-guard.js';

/** A proxy command that failed. The message has no word of the command itself: there may be a password in it. */
export class ProxyEndedError extends Error {}

/**
 * The standard input and output of a command of this machine as a connection (ssh_config(5), ProxyCommand). The command leads a process
 * group of its own, and all of it is ended with the connection, also when this program is killed. As with ssh it is the user's shell that
 * runs it (sshconnect.c, ssh_proxy_connect).
 */
export class ProxySocket extends Duplex {
  readonly #process: GuardedProcess;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #errors = new BoundedText();
  #outputEnded = false;
  #exit: { readonly status: number | null; readonly signal: string | null } | undefined;

  /** Rejects with a ProxyEndedError when the command cannot be started. */
  static async open(command: string, shell: string): Promise<ProxySocket> {
    try {
      return new ProxySocket(await startGuarded(shell, ['-c', `exec ${command}`], { stdio: 'pipe' }));
    } catch (error) {
      throw new ProxyEndedError(`the proxy command cannot be started: ${systemReason(error)}`, { cause: error });
    }
  }

  private constructor(process: GuardedProcess) {
    super({ allowHalfOpen: false });
    this.#process = process;
    this.#child = process.child as ChildProcessWithoutNullStreams;
    // It may fail before ssh2 listens; what is written then fails.
    this.on('error', () => undefined);
    const { stdin, stdout, stderr } = this.#child;
    this.#child.on('exit', (status, signal) => {
      this.#exit = { status, signal };
      void this.#process.end();
      this.#finish();
    });
    // The exit says why.
    stdin.on('error', () => undefined);
    stderr.on('data', (chunk: Buffer) => this.#errors.add(chunk));
    stdout.on('data', (chunk: Buffer) => {
      if (!this.destroyed && !this.push(chunk)) stdout.pause();
    });
    stdout.on('end', () => {
      this.#outputEnded = true;
      this.#finish();
    });
  }

  override _read(): void {
    this.#child.stdout.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    // Without a reader a pipe calls back with an error of its own; the exit says more.
    this.#child.stdin.write(chunk, () => callback());
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#child.stdin.end(callback);
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    const { stdin, stdout, stderr } = this.#child;
    for (const stream of [stdin, stdout, stderr]) stream.destroy();
    void this.#process.end();
    callback(error);
  }

  /** The output may end before the exit is known, and the other way round. */
  #finish(): void {
    if (this.#exit === undefined || !this.#outputEnded || this.destroyed) return;
    const { status, signal } = this.#exit;
    if (status === 0) this.push(null);
    else
      this.destroy(new ProxyEndedError(`the proxy command ended with ${signal ?? `status ${status}`}${this.#said()}`));
  }

  #said(): string {
    const last = this.#errors.toString().trim().split('\n').at(-1) ?? '';
    const printable = last.replaceAll(/\p{C}+/gu, ' ').trim();
    return printable === '' ? '' : `: ${printable.slice(0, 300)}`;
  }
}
