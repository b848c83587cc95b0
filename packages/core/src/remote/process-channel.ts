import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { freeMemory } from '../model/memory.js';
import type { Channel, ChannelReceiver } from './transport.js';

/** A process of this machine as a channel. It must have been started as the leader of its own process group. */
export class ProcessChannel implements Channel {
  readonly #child: ChildProcessWithoutNullStreams;
  #isGivenUp = false;

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    // A process that ends before it took its input is no error of ours: its status says what it is.
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => undefined);
  }

  listen(receiver: ChannelReceiver): void {
    const { stdout, stderr } = this.#child;
    stdout.on('data', (packet: Buffer) => {
      if (!receiver.output(packet)) {
        stdout.pause();
        stderr.pause();
      }
      freeMemory(packet);
    });
    stderr.on('data', (packet: Buffer) => {
      receiver.error(packet);
      freeMemory(packet);
    });
    this.#child.on('error', (error) => receiver.failed(error));
    this.#child.on('exit', (status, signal) => receiver.exit(status ?? undefined, signal ?? undefined));
    // Comes when the process has ended and both outputs have been read to their end.
    this.#child.on('close', () => {
      if (!this.#isGivenUp) receiver.ended();
      receiver.closed();
    });
  }

  resume(): void {
    this.#child.stdout.resume();
    this.#child.stderr.resume();
  }

  /** Never calls back once the process reads no more, as sshd takes nothing more either. */
  write(chunk: Buffer, callback: () => void): void {
    this.#child.stdin.write(chunk, (error) => {
      if (!error) callback();
    });
  }

  end(): void {
    this.#child.stdin.end();
  }

  close(): void {
    this.#isGivenUp = true;
    const { pid, stdin, stdout, stderr } = this.#child;
    for (const stream of [stdin, stdout, stderr]) stream.destroy();
    if (pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    try {
      process.kill(-pid, 'SIGTERM');
    } catch {
      // It is gone, or belongs to another user; then the closed pipes have to do, as with sshd.
    }
  }
}
