import type { Duplex } from 'node:stream';
import { Socket } from 'node:net';
import type ssh2 from 'ssh2';
import type { Algorithms, Client } from 'ssh2';
import type { Login } from '../../cluster/cluster.js';
import { abortError } from '../../model/errors.js';
import { fingerprint } from '../known-hosts.js';
import { ReceivedMemory } from '../received-memory.js';
import { signsOfLife } from '../signs-of-life.js';
import type { Authenticator } from './authenticator.js';
import type { LoginClock } from './login-clock.js';

/** A connection that has logged in. */
export interface Dialled {
  readonly client: Client;
  readonly username: string;
  readonly fingerprint: string;
  /** As in `Transport`. */
  readonly isDoubtful: boolean;
  readonly received: ReceivedMemory;
  /** Calls back once when the connection is gone, with the reason if there is one. At once if it is gone already. */
  onLost(listener: (cause: Error | undefined) => void): void;
  /** Ends it at once. ssh2's own `destroy` does nothing after its `end`. */
  cut(): void;
}

export interface LogInOptions {
  readonly ssh2: typeof ssh2;
  readonly username: string;
  readonly login: Login;
  readonly algorithms: Algorithms;
  readonly authenticator: Authenticator;
  /** Asked about the host's key; rejects when the connection must not go on. */
  readonly acceptKey: (key: Buffer) => Promise<{ readonly isDoubtful: boolean }>;
  readonly clock: LoginClock;
  /** The key exchange is over: from here on it is about who logs in. */
  readonly onHandshake: () => void;
  readonly explain: (error: Error | undefined) => Error;
}

/** Logs in over a connection. Rejects with what `acceptKey` and `explain` say, or the clock's abort reason; then the socket is destroyed. */
export function logIn(socket: Duplex, options: LogInOptions): Promise<Dialled> {
  const { ssh2, username, authenticator, clock } = options;
  const alive = signsOfLife(options.login);
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    const life = watchLife(client);
    const received = new ReceivedMemory();
    let accepted: Buffer | undefined;
    let isDoubtful = false;
    let hasFailed = false;
    let isIn = false;
    const settle = (finish: () => void): void => {
      clock.signal.removeEventListener('abort', onAbort);
      authenticator.end();
      finish();
    };
    const failWith = (error: unknown): void => {
      hasFailed = true;
      settle(() => reject(error instanceof Error ? error : new Error(String(error))));
      socket.destroy();
    };
    const fail = (error: Error | undefined): void => {
      if (!hasFailed) failWith(clock.signal.aborted ? abortError(clock.signal) : options.explain(error));
    };
    const onAbort = (): void => fail(undefined);
    clock.signal.addEventListener('abort', onAbort, { once: true });
    authenticator.onProblem = () => fail(undefined);
    // A key that does not sign is not the end: the next way to log in is tried.
    client.on('error', (error: Error & { level?: string }) => {
      if (error.level !== 'agent') fail(error);
    });
    client.on('close', () => fail(life.cause));
    client.on('handshake', options.onHandshake);
    client.on('change password', authenticator.onChangeRequest);
    client.on('ready', () =>
      settle(() => {
        isIn = true;
        if (socket instanceof Socket) received.watch(client);
        resolve({
          client,
          username,
          fingerprint: accepted === undefined ? '' : fingerprint(accepted),
          isDoubtful,
          received,
          onLost: life.onLost,
          cut: () => void socket.destroy(),
        });
      }),
    );
    client.connect({
      sock: socket,
      username,
      readyTimeout: 0,
      debug: (line: string) => {
        if (!isIn) authenticator.debug(line);
        received.debug(line);
      },
      keepaliveInterval: alive.interval * 1000,
      keepaliveCountMax: alive.count,
      algorithms: options.algorithms,
      authHandler: authenticator.next,
      hostVerifier: (key: Buffer, verify: (isAccepted: boolean) => void) => {
        // ssh2 asks again whenever keys are exchanged anew.
        if (accepted?.equals(key) === true) {
          verify(true);
          return;
        }
        options.acceptKey(key).then((decision) => {
          accepted ??= Buffer.from(key);
          isDoubtful ||= decision.isDoubtful;
          if (!hasFailed) verify(true);
        }, failWith);
      },
    });
    // It was lost while nobody listened: then ssh2 hears nothing of it.
    if (socket.destroyed) fail(undefined);
  });
}

/** An `error` listener for as long as the client lives, so that no late error is thrown; and the one place that knows why it ended. */
function watchLife(client: Client): { readonly cause: Error | undefined; readonly onLost: Dialled['onLost'] } {
  const listeners = new Set<(cause: Error | undefined) => void>();
  let cause: Error | undefined;
  let gone = false;
  const end = (): void => {
    if (gone) return;
    gone = true;
    for (const listener of listeners) listener(cause);
    listeners.clear();
  };
  client.on('error', (error: Error & { level?: string }) => {
    if (error.level !== 'agent') cause ??= error;
  });
  // ssh2 says `end` and `close` before it pretends to every channel that its stream has ended.
  client.on('end', end);
  client.on('close', end);
  return {
    get cause() {
      return cause;
    },
    onLost: (listener) => {
      if (gone) listener(cause);
      else listeners.add(listener);
    },
  };
}
