import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { Duplex } from 'node:stream';
import { BoundedText } from '../bounded-text.js';
import { guardProcesses } from '../process-guard.js';
import type { ProcessGuard } from '../process-guard.js';

/** A proxy command that failed. The message has no word of the command itself: there may be a password in it. */
export class ProxyEndedError extends Error {}

/**
 * The standard input and output of a command of this machine as a connection (ssh_config(5), ProxyCommand). The command leads a process
 * group of its own, and all of it is ended with the connection, also when this program is killed. As with ssh it is the user's shell that
 * runs it (sshconnect.c, ssh_proxy_connect).
 */
export class ProxySocket extends Duplex {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #guard: ProcessGuard | undefined;
  readonly #errors = new BoundedText();
  #outputEnded = false;
  #exit: { readonly status: number | null; readonly signal: string | null } | undefined;

  constructor(command: string, shell: string) {
    super({ allowHalfOpen: false });
    this.#child = spawn(shell, ['-c', `exec ${command}`], { detached: true, stdio: 'pipe' });
    const { pid } = this.#child;
    this.#guard = pid === undefined ? undefined : guardProcesses(pid);
    // It may fail before ssh2 listens; what is written then fails.
    this.on('error', () => undefined);
    const { stdin, stdout, stderr } = this.#child;
    this.#child.on('error', (error) => this.destroy(new ProxyEndedError(`the proxy command: ${error.message}`)));
    this.#child.on('exit', (status, signal) => {
      this.#exit = { status, signal };
      void this.#guard?.end();
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
    void this.#guard?.end();
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
