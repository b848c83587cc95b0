import { spawnSync } from 'node:child_process';
import { createServer, type RequestListener } from 'node:http';
import { duplexPair, PassThrough, Readable, Writable, type Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { finished } from 'node:stream/promises';
import type { Become, Host } from '../cluster/cluster.js';
import { plainConnection } from '../cluster/connection/plain-connection.js';
import { BackupError } from '../model/errors.js';
import type { Command, HostFacts, Output, RemoteHost, RemoteProcess, StreamOptions } from '../remote/remote-host.js';

/** What a scripted command prints and how it ends. */
export interface FakeAnswer {
  readonly stdout?: string | Uint8Array;
  readonly stderr?: string;
  readonly status?: number;
}

/** A command that is talked to: called with each line of its input, answers with what it prints. */
export type FakeConversation = (line: string) => string;

export interface FakeRule {
  /** All words, or a pattern for the words joined by blanks. */
  readonly argv: readonly string[] | RegExp;
  readonly answer: FakeAnswer | ((command: Command, input: string) => FakeAnswer);
  /** For `start` only. */
  readonly talk?: () => FakeConversation;
}

export interface FakeHostOptions {
  readonly name?: string;
  readonly groups?: readonly string[];
  readonly variables?: Host['variables'];
  /** `sudo -n` unless set; false: commands run as the login user. */
  readonly become?: Become | false;
  readonly rules?: readonly FakeRule[];
  readonly facts?: Partial<HostFacts>;
  /** HTTP servers by `address:port`. */
  readonly http?: Readonly<Record<string, RequestListener>>;
}

/** An answer that really runs the command on this machine, as the user who runs the tests. */
export function runHere(command: Command, input: string): FakeAnswer {
  const [program = '', ...rest] = command.argv;
  const { stdout, stderr, status, error } = spawnSync(program, rest, {
    input,
    cwd: '/',
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error !== undefined) return { status: 127, stderr: error.message };
  return { stdout, stderr: stderr.toString(), status: status ?? 255 };
}

export function fakeInventoryHost(
  name: string,
  options: Pick<FakeHostOptions, 'groups' | 'variables' | 'become'> = {},
): Host {
  return {
    name,
    groups: options.groups ?? [],
    variables: options.variables ?? {},
    connection: {
      ...plainConnection('192.0.2.1'),
      user: 'admin',
      ...(options.become !== undefined && { become: options.become === false ? undefined : options.become }),
    },
  };
}

/**
 * A host whose commands are scripted: the first rule that fits answers, a command that no rule fits ends with status 127 as a missing
 * program does. Records every command in `commands`.
 */
export class FakeHost implements RemoteHost {
  readonly host: Host;
  readonly facts: HostFacts;
  readonly commands: Command[] = [];
  readonly #rules: FakeRule[];
  readonly #http: Readonly<Record<string, RequestListener>>;

  constructor(options: FakeHostOptions = {}) {
    const name = options.name ?? 'host1';
    this.host = fakeInventoryHost(name, options);
    this.facts = {
      hostname: name,
      machineId: '0123456789abcdef0123456789abcdef',
      os: 'Debian GNU/Linux 12 (bookworm)',
      loginIsRoot: false,
      tar: 'gnu',
      sshFingerprint: 'SHA256:fake',
      isDoubtful: false,
      ...options.facts,
    };
    this.#rules = [...(options.rules ?? [])];
    this.#http = options.http ?? {};
  }

  /** Puts a rule before all others. */
  answer(argv: FakeRule['argv'], answer: FakeRule['answer']): void {
    this.#rules.unshift({ argv, answer });
  }

  /** The words of every command so far, joined by blanks. */
  get transcript(): readonly string[] {
    return this.commands.map(({ argv }) => argv.join(' '));
  }

  run(command: Command, options: StreamOptions = {}): Promise<Output> {
    return attempt(() => {
      const { stdout, stderr, status } = this.#answer(
        command,
        options.input === undefined ? '' : Buffer.from(options.input).toString(),
      );
      options.signal?.throwIfAborted();
      this.#check(command, { status, stderr });
      return { stdout, stderr, status };
    });
  }

  read(command: Command, options: StreamOptions = {}): Promise<Readable> {
    return attempt(() => {
      options.signal?.throwIfAborted();
      const { stdout, stderr, status } = this.#answer(command, '');
      const check = (): void => {
        this.#check(command, { status, stderr });
      };
      return Readable.from(
        (function* () {
          if (stdout.length > 0) yield stdout;
          check();
        })(),
        { objectMode: false },
      );
    });
  }

  async write(command: Command, input: Readable): Promise<void> {
    const { stderr, status } = this.#answer(command, await text(input));
    this.#check(command, { status, stderr });
  }

  start(command: Command, options: StreamOptions = {}): Promise<RemoteProcess> {
    return attempt(() => this.#start(command, options));
  }

  connect(to: { readonly host: string; readonly port: number } | { readonly socket: string }): Promise<Duplex> {
    return attempt(() => {
      const name = 'socket' in to ? to.socket : `${to.host}:${String(to.port)}`;
      const listener = this.#http[name];
      if (listener === undefined)
        throw new BackupError('HOST_FORWARD', `${this.host.name}: nothing listens at ${name}`, {
          host: this.host.name,
        });
      const [ours, theirs] = duplexPair();
      createServer(listener).emit('connection', theirs);
      return ours;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  #rule(command: Command): FakeRule | undefined {
    const joined = command.argv.join(' ');
    return this.#rules.find(({ argv }) =>
      argv instanceof RegExp
        ? argv.test(joined)
        : argv.length === command.argv.length && argv.every((word, index) => word === command.argv[index]),
    );
  }

  #answer(command: Command, input: string): Output {
    this.commands.push(command);
    const rule = this.#rule(command);
    const missing: FakeAnswer = { status: 127, stderr: `sh: 1: ${command.argv[0] ?? ''}: not found` };
    const answer =
      rule === undefined ? missing : typeof rule.answer === 'function' ? rule.answer(command, input) : rule.answer;
    return { stdout: Buffer.from(answer.stdout ?? ''), stderr: answer.stderr ?? '', status: answer.status ?? 0 };
  }

  #check(command: Command, { status, stderr }: { status: number; stderr: string }): void {
    const accepted = Array.isArray(command.accept) ? (command.accept as readonly number[]) : [0];
    if (!accepted.includes(status))
      throw new BackupError(
        'COMMAND_FAILED',
        `${this.host.name}: ${command.argv.join(' ')} ended with status ${String(status)}: ${stderr}`,
        { host: this.host.name },
      );
  }

  #start(command: Command, options: StreamOptions): RemoteProcess {
    const talk = this.#rule(command)?.talk?.();
    if (talk === undefined) return this.#startDeaf(command, options);
    this.commands.push(command);
    const stdout = new PassThrough();
    let rest = '';
    const stdin = new Writable({
      write(chunk: Buffer, _encoding, done) {
        const lines = (rest + chunk.toString()).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) stdout.write(talk(line));
        done();
      },
      final(done) {
        stdout.end();
        done();
      },
    });
    return fakeProcess(stdin, stdout, options);
  }

  /** A command that ends without listening, as its answer says. */
  #startDeaf(command: Command, options: StreamOptions): RemoteProcess {
    const { stdout, stderr, status } = this.#answer(command, '');
    const output = new PassThrough();
    output.write(stdout);
    const end = (): void => {
      try {
        this.#check(command, { status, stderr });
        output.end();
      } catch (error) {
        output.destroy(error as Error);
      }
    };
    setImmediate(end);
    const ignored = new Writable({
      write(_chunk, _encoding, done) {
        done();
      },
    });
    return fakeProcess(ignored, output, options);
  }
}

function fakeProcess(stdin: Writable, stdout: PassThrough, { signal }: StreamOptions): RemoteProcess {
  const stop = (): void => {
    stdin.destroy();
    stdout.destroy();
  };
  signal?.addEventListener('abort', stop, { once: true });
  const exit = finished(stdout, { readable: false }).then(() => 0);
  exit.catch(() => undefined);
  return { stdin, stdout, exit, [Symbol.asyncDispose]: () => attempt(stop) };
}

/** Runs at once; what it throws becomes a rejection. */
function attempt<T>(action: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(action());
  });
}
