import type { Duplex } from 'node:stream';
import type { Algorithms } from 'ssh2';
import type { Warning } from '../../model/artifact.js';
import { BackupError, abortError } from '../../model/errors.js';
import { DroppedError, unreachable } from '../dial-errors.js';
import { decideHostKey } from '../host-key.js';
import type { KnownHosts } from '../known-hosts-files.js';
import { NeedsOpenssh } from '../needs-openssh.js';
import { refused } from './auth-errors.js';
import { Authenticator } from './authenticator.js';
import type { Identities } from './identity.js';
import type { JumpLease, JumpPool } from './jump-pool.js';
import { JumpLostError } from './jump-socket.js';
import { logIn } from './log-in.js';
import type { Dialled } from './log-in.js';
import { LoginClock, secondsOr } from './login-clock.js';
import { ProxyEndedError, ProxySocket } from './proxy-socket.js';
import type { Server } from './server.js';
import { connectTcp } from './socket.js';

/** Seconds until the key exchange is over (ssh_config(5), ConnectTimeout, means the same part). */
const connectTimeout = 30;
/** Seconds for authentication after that, without the time in which a person is asked. */
const authenticationTimeout = 30;

/** What every attempt at a server goes by. */
export interface Preparation {
  readonly server: Server;
  readonly username: string;
  readonly identities: Identities;
  readonly algorithms: Algorithms;
  readonly known: KnownHosts;
  readonly jumps: JumpPool;
  readonly warn: (warning: Warning) => void;
  readonly signal: AbortSignal | undefined;
  /** For the proxy command. */
  readonly shell: string;
}

/** One attempt to log in. Rejects as `dial`, or with a DroppedError when another attempt may succeed. */
export async function attemptLogin(prepared: Preparation): Promise<Dialled> {
  const { server, signal } = prepared;
  const lease = await leaseFor(prepared);
  const clock = new LoginClock(signal);
  try {
    const seconds = secondsOr(server.login.connectSeconds, connectTimeout);
    const begin = (): AbortSignal => {
      clock.start(seconds, () => unreachable(server, `no answer within ${seconds} s`));
      return clock.signal;
    };
    const socket = await openSocket(prepared, lease, begin);
    const dialled = await logInOver(socket, prepared, clock);
    dialled.onLost(() => lease?.release());
    return dialled;
  } catch (error) {
    lease?.release();
    throw error;
  } finally {
    clock.stop();
  }
}

/** The error of a jump host is that of every host behind it, and each says so. */
async function leaseFor({ server, jumps, warn }: Preparation): Promise<JumpLease | undefined> {
  try {
    return await jumps.lease(server.jumps, warn);
  } catch (error) {
    if (!(error instanceof BackupError) || server.host === undefined || error.code === 'ABORTED') throw error;
    const { code, message, hint, retryable } = error;
    throw new BackupError(code, `${server.title}: ${message}`, { host: server.host, hint, retryable, cause: error });
  }
}

/** `begin` starts the clock: waiting for one's turn at a jump host does not count, or dead hosts would use up the time of others. */
async function openSocket(
  { server, shell }: Preparation,
  lease: JumpLease | undefined,
  begin: () => AbortSignal,
): Promise<Duplex> {
  const { address, port, proxyCommand } = server.login;
  let signal: AbortSignal | undefined;
  const start = (): AbortSignal => (signal = begin());
  try {
    if (lease !== undefined) return await lease.connect(server, start);
    const running = start();
    if (proxyCommand !== undefined) return await ProxySocket.open(proxyCommand, shell);
    return await connectTcp(address, port, running);
  } catch (error) {
    if (signal?.aborted) throw abortError(signal);
    if (error instanceof BackupError) throw error;
    const text = error instanceof Error ? error.message : String(error);
    throw error instanceof JumpLostError ? new DroppedError(text, { cause: error }) : unreachable(server, text, error);
  }
}

async function logInOver(socket: Duplex, prepared: Preparation, clock: LoginClock): Promise<Dialled> {
  const { server, username, identities, algorithms } = prepared;
  // Loaded when the first host is called: reading an archive needs none of it.
  const { default: ssh2 } = await import('ssh2');
  const authenticator = new Authenticator({ ssh2, login: server.login, username, identities, clock });
  let isHandshakeOver = false;
  return logIn(socket, {
    ssh2,
    username,
    login: server.login,
    algorithms,
    authenticator,
    acceptKey: (key) => acceptKey(key, prepared, authenticator),
    clock,
    onHandshake: () => {
      isHandshakeOver = true;
      const late = `the login did not end within ${authenticationTimeout} s`;
      clock.start(authenticationTimeout, () => unreachable(server, late));
    },
    explain: (error) => {
      const refusal = { server, username, authenticator, opensshOnly: identities.opensshOnly };
      if (isHandshakeOver) return explainLogin(error, refusal);
      return explainConnection(error, server);
    },
  });
}

/** Throws HOST_KEY. A server whose key is not the known one gets no password, as ssh does it (sshconnect.c, check_host_key). */
async function acceptKey(
  key: Buffer,
  prepared: Preparation,
  authenticator: Authenticator,
): Promise<{ readonly isDoubtful: boolean }> {
  const { server, known, warn } = prepared;
  const { login, title, host } = server;
  const decision = await decideHostKey({ key, login, known, name: title, isJump: host === undefined });
  if (decision.warning !== undefined) warn(decision.warning);
  const { isDoubtful = false } = decision;
  if (isDoubtful) authenticator.forbidPasswords();
  if (decision.refusal === undefined) return { isDoubtful };
  const { code, message, hint } = decision.refusal;
  const why = 'known_hosts has a certificate authority for this host';
  const cause = decision.wantsCertificate === true ? new NeedsOpenssh(why, decision.refusal) : decision.refusal;
  throw new BackupError(code, message, { host, hint, cause });
}

interface LoginError extends Error {
  readonly level?: string;
  readonly code?: unknown;
}

function explainLogin(error: LoginError | undefined, refusal: Parameters<typeof refused>[0]): Error {
  const { server, authenticator } = refusal;
  if (error instanceof JumpLostError) return new DroppedError(error.message, { cause: error });
  if (authenticator.prompt !== undefined) return refused(refusal, undefined);
  if (error?.level === 'client-authentication' || /authentication/i.test(error?.message ?? ''))
    return refused(refusal, error);
  if (authenticator.hasWaited)
    return new DroppedError('the server closed the connection while a passphrase was asked for', { cause: error });
  const text = error?.message ?? 'the server closed the connection during the login';
  return authenticator.tried.length > 0 ? refused(refusal, error ?? new Error(text)) : unreachable(server, text, error);
}

function explainConnection(error: LoginError | undefined, server: Server): Error {
  const text = error?.message ?? 'the server closed the connection';
  if (error instanceof JumpLostError) return new DroppedError(text, { cause: error });
  if (error instanceof ProxyEndedError) return unreachable(server, text, error);
  if (text.includes('no matching')) return unreachable(server, text, new NeedsOpenssh(text, error));
  const dropped =
    error === undefined || error.code === 'ECONNRESET' || error.code === 'EPIPE' || text.includes('before handshake');
  if (dropped) return new DroppedError('the server drops the connection before the key exchange', { cause: error });
  return unreachable(server, text, error);
}
