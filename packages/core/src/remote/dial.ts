import pRetry, { AbortError } from 'p-retry';
import type { AuthHandlerMiddleware, Client, ServerHostKeyAlgorithm } from 'ssh2';
import type { Host, LocalUser } from '../cluster/cluster.js';
import type { Warning } from '../model/artifact.js';
import type { BackupError } from '../model/errors.js';
import { abortError, asBackupError } from '../model/errors.js';
import { loadIdentity } from './identity.js';
import type { Identity } from './identity.js';
import { DroppedError, explain, unreachable } from './dial-errors.js';
import type { Attempt } from './dial-errors.js';
import { decideHostKey } from './host-key.js';
import { readKnownHosts } from './known-hosts-files.js';
import { fingerprint, hostKeyAlgorithms, knownName } from './known-hosts.js';
import { ReceivedMemory } from './received-memory.js';

/** Seconds for TCP, key exchange and authentication together. */
const dialTimeout = 30;
/** sshd drops new connections when too many are waiting to log in (MaxStartups); five more tries take about half a minute. */
const dialRetries = 5;
const defaultKeepAlive = 15;
/** Seconds without any answer after which a connection counts as dead. */
const deadAfter = 60;

export interface DialOptions {
  readonly host: Host;
  readonly user: LocalUser;
  readonly signal: AbortSignal | undefined;
  readonly warn: (warning: Warning) => void;
  /** For tests: milliseconds of the first pause between tries. */
  readonly retryPause?: number | undefined;
}

/** A connection that has logged in. */
export interface Dialled {
  readonly client: Client;
  readonly username: string;
  readonly fingerprint: string;
  readonly received: ReceivedMemory;
  /** Calls back once when the connection is gone, with the reason if there is one. At once if it is gone already. */
  onLost(listener: (cause: Error | undefined) => void): void;
}

/**
 * Logs in to a host: strict about its key, explicit about ours.
 * Errors: HOST_UNREACHABLE, HOST_AUTH, HOST_KEY, HOST_KEY_FILE, or the abort reason. Only a connection that was dropped before
 * the key exchange is tried again.
 */
export async function dial(options: DialOptions): Promise<Dialled> {
  const { host, user, signal } = options;
  const { connection } = host;
  const username = connection.user ?? user.name;
  if (signal?.aborted) throw abortError(signal);
  const identity = await loadIdentity(host, user, username);
  const known = await readKnownHosts(connection.hostKeys, user).catch((error: unknown) => {
    throw asBackupError(error, { host: host.name });
  });
  const attempt = async (): Promise<Dialled> => {
    try {
      return await connectOnce(options, { username, identity, known });
    } catch (error) {
      if (error instanceof DroppedError) throw error;
      throw new AbortError(error instanceof Error ? error : String(error));
    }
  };
  try {
    return await pRetry(attempt, {
      retries: dialRetries,
      minTimeout: options.retryPause ?? 500,
      maxTimeout: 10_000,
      randomize: true,
      ...(signal && { signal }),
    });
  } catch (error) {
    if (signal?.aborted) throw abortError(signal);
    if (error instanceof DroppedError)
      throw unreachable(host, 'the server drops the connection before the key exchange', error.cause);
    throw asBackupError(error, { host: host.name });
  }
}

async function connectOnce(options: DialOptions, attempt: Attempt): Promise<Dialled> {
  // Loaded when the first host is called: reading an archive needs none of it.
  const { default: ssh2 } = await import('ssh2');
  const { host, signal } = options;
  const { address, port, keepAliveSeconds } = host.connection;
  const keepAlive = keepAliveSeconds !== undefined && keepAliveSeconds > 0 ? keepAliveSeconds : defaultKeepAlive;
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    const life = watchLife(client);
    const received = new ReceivedMemory();
    let handshaken = false;
    let refusal: BackupError | undefined;
    let shown = '';
    const settle = (finish: () => void): void => {
      signal?.removeEventListener('abort', onAbort);
      finish();
    };
    const fail = (error: Error | undefined): void => {
      client.destroy();
      const known = refusal ?? (signal?.aborted ? abortError(signal) : explain(error, options, attempt, handshaken));
      settle(() => reject(known));
    };
    const onAbort = (): void => fail(undefined);
    signal?.addEventListener('abort', onAbort, { once: true });
    // An agent that cannot be reached is not the end: the next way to log in is tried.
    client.on('error', (error: Error & { level?: string }) => {
      if (error.level !== 'agent') fail(error);
    });
    client.on('close', () => fail(life.cause));
    client.on('handshake', () => (handshaken = true));
    client.on('ready', () =>
      settle(() => {
        received.watch(client);
        resolve({ client, username: attempt.username, fingerprint: shown, received, onLost: life.onLost });
      }),
    );
    client.connect({
      host: address,
      port,
      username: attempt.username,
      readyTimeout: dialTimeout * 1000,
      debug: received.debug,
      keepaliveInterval: keepAlive * 1000,
      keepaliveCountMax: Math.max(1, Math.round(deadAfter / keepAlive)),
      // GCM first: measured fastest, and it needs no separate MAC. ssh2's own list has it so where the CPU has AES, but not everywhere.
      algorithms: {
        cipher: [
          'aes128-gcm@openssh.com',
          'aes256-gcm@openssh.com',
          'aes128-ctr',
          'aes192-ctr',
          'aes256-ctr',
          'chacha20-poly1305@openssh.com',
        ],
        serverHostKey: [
          ...hostKeyAlgorithms(attempt.known.entries, knownName(host.connection)),
        ] as ServerHostKeyAlgorithm[],
        compress: ['none'],
      },
      authHandler: authenticate(attempt.identity),
      hostVerifier: (key: Buffer, verify: (isAccepted: boolean) => void) => {
        shown = fingerprint(key);
        void decideHostKey({ key, login: host.connection, known: attempt.known, name: host.name }).then((decision) => {
          refusal = decision.refusal;
          if (decision.warning) options.warn(decision.warning);
          verify(refusal === undefined);
        }, fail);
      },
    });
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
  client.on('error', (error: Error) => (cause ??= error));
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

function authenticate(identity: Identity): AuthHandlerMiddleware {
  const left = [...identity.attempts];
  return (_methods, _partial, next) => {
    const attempt = left.shift();
    // ssh2 takes false for "nothing more to try"; its type does not say so.
    next(attempt ?? (false as unknown as 'none'));
  };
}
