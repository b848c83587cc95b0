import { randomBytes } from 'node:crypto';
import type { Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Host } from '../cluster/cluster.js';
import type { Warning } from '../model/artifact.js';
import { BackupError, abortError, asBackupError } from '../model/errors.js';
import { GatedProcess } from './exit-gate.js';
import { factsCommand, readFacts } from './facts.js';
import { Forwards } from './forwards.js';
import { lostWhere } from './login/jump-socket.js';
import { channelRefused, noSession, openChannel } from './open-channel.js';
import { commandLine, describeCommand } from './quote.js';
import type { Command, HostFacts, Output, RemoteHost, RemoteProcess, StreamOptions } from './remote-host.js';
import { Slots } from './slots.js';
import type { Slot, SlotKind } from './slots.js';
import type { Channel, ForwardAddress, OpenCallback, Transport } from './transport.js';

/** Sessions on one connection: sshd's MaxSessions is 10, one more is ours for ending a command, and closed ones may linger. */
const sessions = 8;
const runDeadline = 60;
const streamQuiet = 120;
/** Seconds a stream or a session may wait for its place; streams wait for their turn before they come here, so this is a fault. */
const sessionWait = 120;
const maximumOutput = 16 * 1024 * 1024;
const maximumRefusals = 20;

interface Mode {
  readonly usesInput: boolean;
  readonly kind: SlotKind;
  readonly quiet: number | undefined;
  readonly deadline: number | undefined;
  readonly giveWay?: (() => void) | undefined;
}

/** A relay may be silent for as long as the connection that it stands for. */
const relayMode: Mode = { usesInput: true, kind: 'session', quiet: undefined, deadline: undefined };

interface SessionRequest {
  readonly line: string;
  readonly gate: (channel: Channel) => GatedProcess;
  readonly mode: Mode;
  readonly signal: AbortSignal | undefined;
  /** The command, for people. */
  readonly what: string;
}

/** A host behind any transport: sessions within what its server takes, exit gates, forwarded connections. */
export class CommandHost implements RemoteHost {
  readonly host: Host;
  readonly #transport: Transport;
  readonly #slots = new Slots(sessions);
  readonly #processes = new Set<GatedProcess>();
  readonly #forwards: Forwards;
  #facts: HostFacts | undefined;
  #lost: { readonly cause: Error | undefined } | undefined;

  constructor(host: Host, transport: Transport, warn: (warning: Warning) => void) {
    this.host = host;
    this.#transport = transport;
    this.#forwards = new Forwards(host.name, {
      // The limits of a remote machine's server; this machine has none.
      mayRelay: transport.isRemote,
      warn,
      open: (to, use, signal) => this.#openChannel((callback) => transport.forward(to, callback), use, signal),
      start: (command, signal) => this.#open(command, { signal }, relayMode),
    });
    transport.onLost((cause) => this.#onLost(cause));
  }

  get facts(): HostFacts {
    if (!this.#facts)
      throw new BackupError('INTERNAL', `${this.host.name}: facts were asked for before they were gathered`);
    return this.#facts;
  }

  async gatherFacts(signal: AbortSignal | undefined): Promise<void> {
    const { stdout } = await this.run(factsCommand(), signal && { signal });
    this.#facts = readFacts(stdout.toString(), this.#transport);
  }

  async run(command: Command, options: StreamOptions & { readonly maximumBytes?: number } = {}): Promise<Output> {
    const deadline = command.deadline ?? runDeadline;
    const mode: Mode = { usesInput: options.input !== undefined, kind: 'helper', quiet: options.quiet, deadline };
    await using process = await this.#open(command, options, mode);
    if (options.input) process.stdin.end(options.input);
    const stdout = await this.#collect(process, command, options.maximumBytes ?? maximumOutput);
    return { stdout, stderr: process.stderr, status: await process.exit };
  }

  async read(command: Command, options: StreamOptions = {}): Promise<Readable> {
    const mode: Mode = {
      usesInput: options.input !== undefined,
      kind: 'stream',
      quiet: options.quiet ?? streamQuiet,
      deadline: command.deadline,
    };
    const process = await this.#open(command, options, mode);
    if (options.input) process.stdin.end(options.input);
    return process.stdout;
  }

  async write(command: Command, input: Readable, options: StreamOptions = {}): Promise<void> {
    const mode: Mode = { usesInput: true, kind: 'stream', quiet: options.quiet, deadline: command.deadline };
    await using process = await this.#open(command, options, mode);
    process.stdout.resume();
    // The end of the command decides: it says why its input was not taken, and the input's own error comes back as its cause.
    const fed = pipeline(input, process.stdin, { ...(options.signal && { signal: options.signal }) }).catch(
      (error: unknown) => error,
    );
    await Promise.allSettled([process.exit, fed]);
    await process.exit;
    const error = await fed;
    if (error !== undefined) throw asBackupError(error, { host: this.host.name });
  }

  async start(
    command: Command,
    options: StreamOptions & { readonly giveWay?: () => void } = {},
  ): Promise<RemoteProcess> {
    const { quiet, giveWay } = options;
    const mode: Mode = { usesInput: true, kind: 'session', quiet, deadline: command.deadline, giveWay };
    const process = await this.#open(command, options, mode);
    if (options.input) process.stdin.write(options.input);
    return process;
  }

  connect(to: ForwardAddress, options: { readonly signal?: AbortSignal } = {}): Promise<Duplex> {
    return this.#forwards.connect(to, options.signal);
  }

  /** Ends what still runs, then the transport. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([...this.#processes].map((process) => process[Symbol.asyncDispose]()));
    this.#forwards.close();
    await this.#transport.close();
  }

  /** Waiting for a place counts in the command's deadline. */
  async #open(command: Command, options: StreamOptions, mode: Mode): Promise<GatedProcess> {
    const { signal } = options;
    const asked = performance.now();
    const marker = `lsbackup-${randomBytes(16).toString('hex')}`;
    const loginIsRoot = this.#facts?.loginIsRoot;
    const { become } = this.host.connection;
    const user = become !== undefined && command.become !== false ? command.become : undefined;
    const line = commandLine(command, { marker, usesInput: mode.usesInput, user, become, loginIsRoot });
    const gate = (channel: Channel): GatedProcess => {
      const process = new GatedProcess(channel, {
        command,
        place: {
          host: this.host.name,
          login: this.#transport.login,
          what: describeCommand(command),
          isDoubtful: this.#transport.isDoubtful,
        },
        marker,
        become: user === undefined || loginIsRoot === true ? undefined : become,
        ...mode,
        waited: (performance.now() - asked) / 1000,
        signal,
        warn: options.warn,
        changed: options.changed,
        kill: (pid) => this.#kill(pid, command.become),
      });
      this.#processes.add(process);
      return process;
    };
    const { process, slot } = await this.#session({ line, gate, mode, signal, what: describeCommand(command) });
    void process.closed.then(() => {
      this.#processes.delete(process);
      slot.release();
    });
    return process;
  }

  /**
   * A session with the line running in it. A server that refuses a session gets it again when one of ours has ended, until the
   * command's deadline is over (120 seconds where it has none, or a longer one, and is no helper).
   */
  async #session(session: SessionRequest): Promise<{ process: GatedProcess; slot: Slot }> {
    const { mode, signal, what } = session;
    const deadline = mode.deadline ?? sessionWait;
    const seconds = mode.kind === 'helper' ? deadline : Math.min(deadline, sessionWait);
    const patience = new AbortController();
    let refusal: unknown;
    const timer = setTimeout(
      () => patience.abort(noSession({ host: this.host.name, what, seconds, cause: refusal })),
      seconds * 1000,
    );
    const wait = signal ? AbortSignal.any([signal, patience.signal]) : patience.signal;
    try {
      for (let refusals = 1; ; refusals += 1) {
        const opened = await this.#trySession(session, wait);
        if (!('refusal' in opened)) return opened;
        refusal = opened.refusal;
        // With nothing else open there is nothing to wait for.
        if (refusals > maximumRefusals && this.#slots.taken === 0) throw channelRefused(this.host.name, refusal);
        await delay(100 + Math.random() * 400, undefined, { signal: wait }).catch(() => undefined);
        if (wait.aborted) throw abortError(wait);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async #trySession(
    { line, gate, mode }: SessionRequest,
    wait: AbortSignal,
  ): Promise<{ process: GatedProcess; slot: Slot } | { refusal: unknown }> {
    const slot = await this.#slots.take(mode.kind, wait, mode.giveWay).catch(() => {
      throw abortError(wait);
    });
    try {
      const process = await this.#openChannel((callback) => this.#transport.session(line, callback), gate, wait);
      slot.opened();
      return { process, slot };
    } catch (error) {
      if (error instanceof BackupError) {
        slot.release();
        throw error;
      }
      slot.refused();
      return { refusal: error };
    }
  }

  #openChannel<Result>(
    open: (callback: OpenCallback) => void,
    use: (channel: Channel) => Result,
    signal?: AbortSignal,
  ): Promise<Result> {
    if (this.#lost) return Promise.reject(this.#connectionLost());
    const lost = (cause?: unknown): BackupError => this.#connectionLost(cause);
    return openChannel(open, { use, signal, host: this.host.name, lost }).catch((error: unknown) => {
      throw this.#lost && !(error instanceof BackupError) ? this.#connectionLost() : error;
    });
  }

  async #collect(process: GatedProcess, command: Command, maximum: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of process.stdout as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes <= maximum) continue;
      throw new BackupError(
        'COMMAND_FAILED',
        `${this.host.name}: ${describeCommand(command)} printed more than ${maximum} bytes`,
        { host: this.host.name },
      );
    }
    return Buffer.concat(chunks);
  }

  /** Asks the wrapper of a command to end it. */
  async #kill(pid: number, become: Command['become']): Promise<void> {
    const argv = ['kill', '-TERM', String(pid)];
    const command: Command = become === undefined ? { argv } : { argv, become };
    await using process = await this.#open(
      command,
      {},
      { usesInput: false, kind: 'urgent', quiet: undefined, deadline: 5 },
    );
    process.stdout.resume();
    await process.exit;
  }

  #onLost(cause: Error | undefined): void {
    this.#lost = { cause };
    for (const process of this.#processes) process.lost(cause);
    this.#forwards.lost(this.#connectionLost());
  }

  #connectionLost(cause: unknown = this.#lost?.cause): BackupError {
    return new BackupError('STREAM_CUT', `${this.host.name}: the SSH connection is gone${lostWhere(cause)}`, {
      host: this.host.name,
      cause,
      retryable: true,
    });
  }
}
