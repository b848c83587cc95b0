import { Readable, type Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Become } from '../cluster/cluster.js';
import { BackupError, abortError } from '../model/errors.js';
import type { Warning } from '../model/artifact.js';
import { countReaders, giveAway } from '../model/memory.js';
import { BecomeDialogue, mayAsk, textOfBecome, withoutMarkers, type OutputName } from './become-dialogue.js';
import { BoundedText } from './bounded-text.js';
import { Clocks } from './clocks.js';
import { commandError } from './command-errors.js';
import type { CommandEnd, CommandPlace } from './command-errors.js';
import { CommandInput } from './command-input.js';
import { HeldOutput } from './held-output.js';
import { lostWhere } from './login/jump-socket.js';
import { MarkerFilter } from './marker-filter.js';
import { markerPrefix } from './quote.js';
import type { Command, RemoteProcess } from './remote-host.js';
import {
  commandTimeout,
  inputBroken,
  readerStopped,
  streamBanner,
  streamCut,
  streamStalled,
  type StreamProgress,
} from './stream-errors.js';
import { TarJudge } from './tar-messages.js';
import type { Channel } from './transport.js';

/** Bytes a login shell may print before the command's own output. */
const maximumNoise = 64 * 1024;
/** Bytes of standard output that wait for the reader, beside what is held. */
const outputBuffer = 64 * 1024;
/** Seconds for a command that was told to end: the lifeline sends TERM at once and KILL after 5. */
const endGrace = 8;
const closeGrace = 3;

export interface GateOptions {
  readonly command: Command;
  readonly place: CommandPlace;
  readonly marker: string;
  /** How the command's user is reached from the login user; undefined: it is not changed, or by root, who is asked nothing. */
  readonly become: Become | undefined;
  /** The command reads standard input; otherwise our end of it is the lifeline that ends the command when it is closed. */
  readonly usesInput: boolean;
  /** Seconds; undefined: the stream may be silent for ever. */
  readonly quiet: number | undefined;
  /** Seconds; undefined: none. */
  readonly deadline: number | undefined;
  /** Seconds of the deadline that went by before the channel was open. */
  readonly waited: number;
  readonly signal: AbortSignal | undefined;
  readonly warn: ((warning: Warning) => void) | undefined;
  readonly changed: ((names: readonly string[]) => void) | undefined;
  /** Ends a command that reads standard input, by the process id of its wrapper. */
  readonly kill: (pid: number) => Promise<void>;
}

/**
 * A command on an open channel. Its output ends only after an explicit, accepted exit status, and after the host said that there is
 * no more output, whether or not anybody reads it.
 */
export class GatedProcess implements RemoteProcess {
  readonly stdout: Readable;
  readonly exit: Promise<number>;
  /** Resolves when the channel is gone, so that its slot is free again. Never rejects. */
  readonly closed: Promise<unknown>;

  readonly #channel: Channel;
  readonly #options: GateOptions;
  readonly #held = new HeldOutput();
  readonly #outputMarker: MarkerFilter;
  readonly #errorMarker: MarkerFilter;
  readonly #stderr = new BoundedText();
  readonly #tar: TarJudge | undefined;
  readonly #input: CommandInput;
  readonly #become: BecomeDialogue | undefined;
  readonly #clocks: Clocks;
  #bytes = 0;
  #wanting = true;
  #status: number | undefined;
  #signalName: string | undefined;
  #allReceived = false;
  #isClosed = false;
  #passed = false;
  #finished = false;
  #failure: BackupError | undefined;
  #windDown: Promise<void> | undefined;
  readonly #resolveExit: (status: number) => void;
  readonly #rejectExit: (error: BackupError) => void;
  readonly #resolveClosed: () => void;
  readonly #started: Promise<unknown>;
  readonly #resolveStarted: () => void;
  readonly #onAbort = (): void => {
    const { signal } = this.#options;
    if (signal) this.#fail(abortError(signal));
  };

  constructor(channel: Channel, options: GateOptions) {
    this.#channel = channel;
    this.#options = options;
    this.#outputMarker = new MarkerFilter(markerPrefix(options.marker), maximumNoise);
    this.#errorMarker = new MarkerFilter(markerPrefix(options.marker), maximumNoise);
    const { accept } = options.command;
    this.#tar =
      accept !== undefined && 'tar' in accept ? new TarJudge(accept.tar, options.changed !== undefined) : undefined;
    const exit = deferred<number>();
    const closed = deferred<undefined>();
    const started = deferred<undefined>();
    this.#started = started.promise;
    this.#resolveStarted = () => {
      started.resolve(undefined);
      this.#input.begin();
    };
    this.exit = exit.promise;
    this.closed = closed.promise;
    this.#resolveExit = exit.resolve;
    this.#rejectExit = exit.reject;
    this.#resolveClosed = () => closed.resolve(undefined);
    // A caller who only reads never looks at `exit`; the stream carries the same error.
    this.exit.catch(() => undefined);
    this.stdout = new Readable({
      highWaterMark: outputBuffer,
      read: () => this.#want(),
      destroy: (error, callback) => this.#destroyed(error, callback),
    });
    // Without a listener an error that comes while nobody listens would be thrown.
    this.stdout.on('error', () => undefined);
    countReaders(this.stdout);
    this.#input = new CommandInput(channel, {
      state: () => (this.#passed ? 'over' : this.#failure || this.#isClosed ? 'lost' : 'open'),
      broken: (cause) => this.#fail(inputBroken(options.place, cause)),
      waits: mayAsk(options.become),
    });
    this.#become = becomeDialogue(channel, options);
    this.#clocks = this.#startClocks();
    this.#listen();
  }

  get stdin(): Writable {
    return this.#input.stream;
  }

  get stderr(): string {
    return this.#errorMarker.found === undefined
      ? withoutMarkers(this.#errorMarker.noise, this.#options.marker)
      : this.#stderr.toString();
  }

  /** The connection is gone. What was complete before stays complete. */
  lost(cause: Error | undefined): void {
    this.#isClosed = true;
    this.#input.release();
    if (!this.#passed) this.#fail(this.#cut(`connection lost${lostWhere(cause)}`, cause));
    this.#resolveClosed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#passed)
      this.#fail(new BackupError('ABORTED', `${this.#options.place.host}: ${this.#options.place.what} was closed`));
    else this.stdout.destroy();
    await this.#windDown;
  }

  #listen(): void {
    const channel = this.#channel;
    const { signal } = this.#options;
    channel.listen({
      output: (packet) => this.#received(packet),
      error: (packet) => this.#errorOutput(packet),
      exit: (status, signalName) => {
        this.#status = status;
        this.#signalName = signalName;
        this.#decide();
      },
      ended: () => {
        this.#allReceived = !this.#isClosed;
        this.#decide();
      },
      failed: (error) => this.#fail(this.#cut('the channel failed', error)),
      closed: () => {
        this.#isClosed = true;
        this.#decide();
        this.#resolveClosed();
        this.#input.release();
      },
    });
    if (signal?.aborted) this.#onAbort();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** False when the host should send no more for now. */
  #received(packet: Buffer): boolean {
    if (this.#failure) return true;
    this.#clocks.progress();
    const own = this.#outputMarker.push(packet);
    if (this.#outputMarker.overflown) {
      this.#fail(streamBanner(this.#options.place, this.#outputMarker.noise));
      return true;
    }
    if (own === undefined) this.#hear('stdout', this.#outputMarker);
    if (own === undefined || own.length === 0) return true;
    this.#bytes += own.length;
    if (this.#wanting) this.#give(copyOf(own));
    else this.#held.add(own);
    return this.#wanting;
  }

  #want(): void {
    if (this.#failure || this.#wanting) return;
    this.#clocks.progress();
    this.#wanting = true;
    for (let wants = true; wants && this.#held.bytes > 0;) wants = this.#give(this.#held.take());
    if (this.#held.bytes === 0) this.#channel.resume();
    if (this.#passed) this.#finishOutput();
  }

  /** Says whether the reader wants more. The chunk is alone in its memory. */
  #give(chunk: Buffer): boolean {
    giveAway(chunk, this.stdout);
    this.#wanting = this.stdout.push(chunk);
    return this.#wanting;
  }

  #errorOutput(chunk: Buffer): void {
    // A command that is being ended is ended by the process id in its marker line.
    if (this.#failure && this.#errorMarker.found !== undefined) return;
    const own = this.#errorMarker.push(chunk);
    if (own === undefined) {
      this.#hear('stderr', this.#errorMarker);
      return;
    }
    this.#resolveStarted();
    this.#stderr.add(own);
    this.#tar?.add(own);
  }

  /** What comes before the command begins may be a question of sudo's or su's. */
  #hear(output: OutputName, { noise }: MarkerFilter): void {
    if (this.#failure || this.#errorMarker.found !== undefined) return;
    const problem = this.#become?.hear(output, noise);
    if (problem) this.#fail(problem);
  }

  /** The gate: called whenever something more is known. */
  #decide(): void {
    if (this.#passed || this.#failure) return;
    const answered = this.#status !== undefined || this.#signalName !== undefined;
    if (answered && this.#allReceived) {
      this.#judge();
      return;
    }
    if (this.#isClosed) this.#fail(this.#cut('the host closed the channel without an exit status'));
  }

  #judge(): void {
    const error = this.#verdict();
    if (error) {
      this.#fail(error);
      return;
    }
    this.#passed = true;
    this.#clocks.stopDeadline();
    this.#resolveExit(this.#status ?? 0);
    this.#input.release();
    this.#finishOutput();
  }

  #verdict(): BackupError | undefined {
    const { command, place, warn, changed } = this.#options;
    const started = this.#errorMarker.found !== undefined;
    const status = this.#status;
    const failed = () => commandError({ status, signal: this.#signalName, started, ...this.#words() }, place);
    if (!started || status === undefined || this.#signalName !== undefined) return failed();
    if (!this.#tar)
      return ((command.accept as readonly number[] | undefined) ?? [0]).includes(status) ? undefined : failed();
    if (status > 2) return failed();
    const verdict = this.#tar.verdict(status, place);
    if (verdict instanceof BackupError) return verdict;
    if (this.#tar.toJudge.length > 0) changed?.(this.#tar.toJudge);
    for (const warning of verdict) warn?.({ ...warning, message: `${place.host}: ${warning.message}` });
    return undefined;
  }

  /** What was said, and of it, while the command has not begun, what sudo or su said. */
  #words(): Pick<CommandEnd, 'said' | 'become'> {
    if (this.#errorMarker.found !== undefined) return { said: this.stderr };
    const { become, marker } = this.#options;
    const text = textOfBecome(this.#errorMarker.noise, marker);
    const said = `${this.stderr}\n${withoutMarkers(this.#outputMarker.noise, marker)}`;
    if (become === undefined || text === undefined) return { said };
    return {
      said,
      become: { method: become.method, said: withoutMarkers(text, marker), status: this.#status },
    };
  }

  #finishOutput(): void {
    if (this.#held.bytes > 0) return;
    if (this.#outputMarker.found === undefined) {
      this.#fail(streamBanner(this.#options.place, this.#outputMarker.noise));
      return;
    }
    this.#finished = true;
    this.#stopClocks();
    this.stdout.push(null);
  }

  #fail(error: BackupError): void {
    if (this.#failure || this.#finished) return;
    this.#failure = error;
    this.#held.clear();
    this.#stopClocks();
    this.#windDown = this.#endCommand();
    void this.#windDown.then(() => {
      this.#rejectExit(error);
      this.#input.release();
      this.stdin.destroy(error);
      this.stdout.destroy(error);
    });
  }

  /** The reader is done with the output: at its end, or because it, or we, gave up. */
  #destroyed(error: Error | null, callback: (error: Error | null) => void): void {
    if (!this.#failure && !this.#finished) this.#fail(readerStopped(this.#options.place, error ?? undefined));
    void (this.#windDown ?? Promise.resolve()).then(() => callback(error));
  }

  /**
   * Ends what runs on the host and resolves when it is gone, after 16 seconds at most. What it still prints is thrown away: a
   * command that waits to print would not notice.
   */
  async #endCommand(): Promise<void> {
    if (this.#isClosed) return;
    this.#channel.resume();
    // Who asks for a password has not begun with the command.
    if (this.#options.usesInput && this.#become?.isAsked !== true) await within(closeGrace, this.#killCommand());
    this.#channel.end();
    if (await within(endGrace, this.closed)) return;
    this.#channel.close();
    await within(closeGrace, this.closed);
    this.#resolveClosed();
  }

  /** The end of its input could make a command believe that it has got everything, so it is ended first. */
  async #killCommand(): Promise<void> {
    await Promise.race([this.#started, this.closed]);
    const pid = Number.parseInt(this.#errorMarker.found ?? '', 10);
    if (pid > 1) await this.#options.kill(pid).catch(() => undefined);
  }

  #startClocks(): Clocks {
    const { deadline, waited, quiet, place } = this.#options;
    return new Clocks({
      deadline: deadline === undefined ? undefined : deadline - waited,
      quiet,
      isWaiting: () => this.#wanting,
      onLate: () => {
        const begun = this.#errorMarker.found !== undefined;
        this.#fail(commandTimeout(place, { begun, said: this.stderr }, deadline ?? 0));
      },
      onSilent: () => this.#fail(streamStalled(place, this.#progress(), quiet ?? 0)),
    });
  }

  #stopClocks(): void {
    this.#clocks.stop();
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
  }

  #cut(why: string, cause?: Error): BackupError {
    return streamCut(this.#options.place, this.#progress(), why, cause);
  }

  #progress(): StreamProgress {
    return { bytes: this.#bytes, said: this.stderr };
  }
}

function becomeDialogue(channel: Channel, options: GateOptions): BecomeDialogue | undefined {
  const { become, marker, place } = options;
  if (!mayAsk(become)) return undefined;
  const answer = (line: string): void => {
    channel.write(Buffer.from(line), () => undefined);
  };
  return new BecomeDialogue({ marker, become, answer, place: { ...place, method: become.method } });
}

/** Alone in its memory. */
function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

/** Waits for the promise, at most so many seconds; says whether it came. */
async function within(seconds: number, promise: Promise<unknown>): Promise<boolean> {
  const timer = new AbortController();
  const late = delay(seconds * 1000, false, { signal: timer.signal }).catch(() => false);
  const came = await Promise.race([promise.then(() => true), late]);
  timer.abort();
  return came;
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: Error) => void } {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
