import pRetry, { AbortError } from 'p-retry';
import type { Algorithms } from 'ssh2';
import type { Host, LocalUser } from '../cluster/cluster.js';
import type { Warning } from '../model/artifact.js';
import { abortError, asBackupError } from '../model/errors.js';
import { DroppedError, unreachable } from './dial-errors.js';
import { readKnownHosts } from './known-hosts-files.js';
import { hostKeyAlgorithms, knownName } from './known-hosts.js';
import { chooseAlgorithms } from './login/algorithms.js';
import { attemptLogin } from './login/attempt.js';
import type { Preparation } from './login/attempt.js';
import { unusableKeys } from './login/auth-errors.js';
import { gatherIdentities } from './login/identity.js';
import type { Identities } from './login/identity.js';
import { JumpPool } from './login/jump-pool.js';
import { KeyRing } from './login/key-ring.js';
import type { Dialled } from './login/log-in.js';
import type { Server } from './login/server.js';

export type { Dialled } from './login/log-in.js';

/** sshd drops new connections when too many are waiting to log in (MaxStartups); five more tries take about half a minute. */
const dialRetries = 5;

/** What the logins of one run share: keys that have been opened, connections to jump hosts. */
export interface SharedLogins {
  readonly keys: KeyRing;
  readonly jumps: JumpPool;
}

interface DialContext {
  readonly user: LocalUser;
  readonly signal: AbortSignal | undefined;
  readonly warn: (warning: Warning) => void;
  /** For tests: milliseconds of the first pause between tries. */
  readonly retryPause?: number | undefined;
}

export interface DialOptions extends DialContext {
  readonly host: Host;
  /** Of this host alone unless set. */
  readonly logins?: SharedLogins | undefined;
}

/** For a run: what is given here is what jump hosts are dialled with. */
export function shareLogins(context: Omit<DialContext, 'warn'>): SharedLogins {
  const keys = new KeyRing(context.user);
  const jumps: JumpPool = new JumpPool((jump, warn) => dialServer(jump, { ...context, warn }, { keys, jumps }));
  return { keys, jumps };
}

/**
 * Logs in to a host, through its jump hosts where it has some: strict about keys of servers, explicit about ours.
 * Errors: HOST_UNREACHABLE, HOST_AUTH, HOST_KEY, HOST_KEY_FILE, HOST_FORWARD (a jump host does not forward), or the abort reason. One
 * that the system's ssh may get around has a NeedsOpenssh among its causes. Only a connection that was dropped before the key exchange
 * is tried again.
 */
export async function dial(options: DialOptions): Promise<Dialled> {
  const { host, signal } = options;
  if (signal?.aborted) throw abortError(signal);
  const server = { login: host.connection, title: host.name, host: host.name, jumps: host.connection.jumps };
  return dialServer(server, options, options.logins ?? shareLogins(options));
}

async function dialServer(server: Server, context: DialContext, logins: SharedLogins): Promise<Dialled> {
  const { signal } = context;
  const prepared = await prepare(server, context, logins);
  const attempt = async (): Promise<Dialled> => {
    try {
      return await attemptLogin(prepared);
    } catch (error) {
      if (error instanceof DroppedError) throw error;
      throw new AbortError(error instanceof Error ? error : String(error));
    }
  };
  try {
    return await pRetry(attempt, {
      retries: dialRetries,
      minTimeout: context.retryPause ?? 500,
      maxTimeout: 10_000,
      randomize: true,
      ...(signal && { signal }),
    });
  } catch (error) {
    if (signal?.aborted) throw abortError(signal);
    if (error instanceof DroppedError) throw unreachable(server, error.message, error.cause);
    throw asBackupError(error, { host: server.host });
  }
}

async function prepare(server: Server, context: DialContext, logins: SharedLogins): Promise<Preparation> {
  const { login } = server;
  const { user, signal, warn } = context;
  const known = await readKnownHosts(login.hostKeys, user).catch((error: unknown) => {
    throw asBackupError(error, { host: server.host });
  });
  return {
    server,
    username: login.user ?? user.name,
    identities: await findIdentities(server, context, logins),
    algorithms: algorithmsFor(server, hostKeyAlgorithms(known.entries, knownName(login))),
    known,
    jumps: logins.jumps,
    warn,
    signal,
    shell: user.shell ?? '/bin/sh',
  };
}

/** HOST_KEY_FILE when keys were named, none can be offered, and there is no other way to log in: nobody needs to be bothered. */
async function findIdentities(
  server: Server,
  { user, signal }: DialContext,
  logins: SharedLogins,
): Promise<Identities> {
  const identities = await gatherIdentities(server.login, { user, keys: logins.keys, signal });
  const { offers, problems, opensshOnly } = identities;
  if (offers.length > 0 || server.login.password !== undefined) return identities;
  const unusable = unusableKeys(server, problems, opensshOnly);
  if (unusable !== undefined) throw unusable;
  return identities;
}

function algorithmsFor(server: Server, hostKeys: readonly string[]): Algorithms {
  try {
    return chooseAlgorithms(server.login.algorithms, hostKeys);
  } catch (error) {
    throw unreachable(server, error instanceof Error ? error.message : String(error), error);
  }
}
