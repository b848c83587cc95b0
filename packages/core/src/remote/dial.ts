import path from 'node:path';
import pRetry, { AbortError } from 'p-retry';
import ssh2 from 'ssh2';
import type { AuthHandlerMiddleware, Client, ServerHostKeyAlgorithm } from 'ssh2';
import type { Host, LocalUser } from '../cluster/cluster.js';
import type { Warning } from '../model/artifact.js';
import { BackupError, abortError, asBackupError } from '../model/errors.js';
import { loadIdentity } from './identity.js';
import type { Identity } from './identity.js';
import { checkHostKey, fingerprint, hostKeyAlgorithms, keyType, readKnownHosts } from './known-hosts.js';
import type { KnownHost } from './known-hosts.js';

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
  const files = connection.knownHostsFiles ?? [path.join(user.homeDirectory, '.ssh', 'known_hosts'), '/etc/ssh/ssh_known_hosts'];
  const identity = await loadIdentity(host, user, username);
  const knownHosts = await readKnownHosts(files).catch((error: unknown) => {
    throw asBackupError(error, { host: host.name });
  });
  const attempt = async (): Promise<Dialled> => {
    try {
      return await connectOnce(options, { username, identity, knownHosts, files });
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
    if (error instanceof DroppedError) throw unreachable(host, 'the server drops the connection before the key exchange', error.cause);
    throw asBackupError(error, { host: host.name });
  }
}

/** The server closed the connection before it said anything: it has too many, or is just starting. */
class DroppedError extends Error {}

interface Attempt {
  readonly username: string;
  readonly identity: Identity;
  readonly knownHosts: readonly KnownHost[];
  readonly files: readonly string[];
}

function connectOnce(options: DialOptions, attempt: Attempt): Promise<Dialled> {
  const { host, signal } = options;
  const { address, port, keepAliveSeconds } = host.connection;
  const keepAlive = keepAliveSeconds !== undefined && keepAliveSeconds > 0 ? keepAliveSeconds : defaultKeepAlive;
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    const life = watchLife(client);
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
      settle(() => resolve({ client, username: attempt.username, fingerprint: shown, onLost: life.onLost })),
    );
    client.connect({
      host: address,
      port,
      username: attempt.username,
      readyTimeout: dialTimeout * 1000,
      keepaliveInterval: keepAlive * 1000,
      keepaliveCountMax: Math.max(1, Math.round(deadAfter / keepAlive)),
      // GCM first: measured fastest, and it needs no separate MAC. ssh2's own list has it so where the CPU has AES, but not everywhere.
      algorithms: {
        cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes128-ctr', 'aes192-ctr', 'aes256-ctr', 'chacha20-poly1305@openssh.com'],
        serverHostKey: [...hostKeyAlgorithms(attempt.knownHosts, address, port)] as ServerHostKeyAlgorithm[],
        compress: ['none'],
      },
      authHandler: authenticate(attempt.identity),
      hostVerifier: (key: Buffer) => {
        shown = fingerprint(key);
        refusal = refuseHostKey(key, options, attempt);
        return refusal === undefined;
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

function refuseHostKey(key: Buffer, options: DialOptions, { knownHosts, files }: Attempt): BackupError | undefined {
  const { host, warn } = options;
  const { address, port, strictHostKeyChecking } = host.connection;
  const verdict = checkHostKey(knownHosts, address, port, key);
  if (verdict.status === 'known') return undefined;
  const shown = `${keyType(key)} key ${fingerprint(key)}`;
  if (strictHostKeyChecking === 'no' && verdict.status !== 'revoked') {
    const message = `${host.name}: its ${shown} is ${verdict.status === 'changed' ? 'not the known one' : 'not known'}, and was accepted because of StrictHostKeyChecking=no`;
    warn({ code: 'HOST_KEY_UNCHECKED', message });
    return undefined;
  }
  const details = (hint: string) => ({ host: host.name, hint });
  if (verdict.status === 'revoked') {
    return new BackupError('HOST_KEY', `${host.name}: its ${shown} is marked as revoked (${place(verdict.entry)})`, details('Do not use this host until it has a new key.'));
  }
  if (verdict.status === 'changed') {
    const text = `${host.name}: host key changed: it shows ${shown}, known is ${fingerprint(verdict.entry.key)} (${place(verdict.entry)})`;
    const name = port === 22 ? address : `[${address}]:${port}`;
    return new BackupError('HOST_KEY', text, details(`If the host was installed anew, remove the old key with: ssh-keygen -R '${name}' -f ${verdict.entry.file}`));
  }
  const authorities = verdict.status === 'unknown' && verdict.authorities ? ' Lines with @cert-authority are not supported: the host\'s own key is needed.' : '';
  return new BackupError(
    'HOST_KEY',
    `${host.name}: host key not known: it shows ${shown}, which is not in ${files.join(', ')}.${authorities}`,
    details(`Compare the fingerprint, then add it with: ssh-keyscan -p ${port} ${address} >> ${files[0] ?? 'known_hosts'}`),
  );
}

function explain(error: (Error & { level?: string; code?: unknown }) | undefined, options: DialOptions, attempt: Attempt, handshaken: boolean): Error {
  const { host } = options;
  const { address, port } = host.connection;
  const text = error?.message ?? 'the server closed the connection';
  if (error?.level === 'client-authentication' || (handshaken && /authentication/i.test(text))) {
    const { tried, encrypted } = attempt.identity;
    const what = tried.length === 0 ? 'no key was found to offer' : `tried: ${tried.join(', ')}`;
    const locked = encrypted === undefined ? '' : `; ${encrypted} needs a passphrase and is not in the agent`;
    return new BackupError('HOST_AUTH', `${host.name}: ${attempt.username}@${address} port ${port} refuses to log us in (${what}${locked})`, {
      host: host.name,
      cause: error,
      hint: `Add the public key to ~${attempt.username}/.ssh/authorized_keys on ${host.name}, or set ansible_user and ansible_ssh_private_key_file.`,
    });
  }
  const dropped = !handshaken && (error === undefined || error.code === 'ECONNRESET' || error.code === 'EPIPE' || /before handshake/.test(text));
  return dropped ? new DroppedError(text, { cause: error }) : unreachable(host, text, error);
}

function unreachable(host: Host, why: string, cause: unknown): BackupError {
  const { address, port } = host.connection;
  return new BackupError('HOST_UNREACHABLE', `${host.name}: cannot connect to ${address} port ${port}: ${why}`, {
    host: host.name,
    cause,
    retryable: true,
    hint: 'Check that the host is up, and ansible_host and ansible_port in the inventory.',
  });
}

function place(entry: KnownHost): string {
  return `${entry.file}:${entry.line}`;
}
