import { setTimeout as delay } from 'node:timers/promises';
import pRetry, { AbortError } from 'p-retry';
import type { Connection, Host, LocalUser, Login } from '../cluster/cluster.js';
import type { Warning } from '../model/artifact.js';
import { abortError, asBackupError, BackupError } from '../model/errors.js';
import { systemErrorCode, systemReason } from '../model/system-errors.js';
import { userKnownHosts } from './known-hosts-files.js';
import { connectMux } from './mux-connection.js';
import type { MuxConnection } from './mux-connection.js';
import { openHost } from './open-host.js';
import type { ConnectOptions } from './open-host.js';
import { opensshError, refusedKey, targetText, wasDropped } from './openssh-errors.js';
import type { OpensshLog } from './openssh-log.js';
import { startMaster } from './openssh-master.js';
import type { OpensshMaster } from './openssh-master.js';
import type { RemoteHost } from './remote-host.js';
import type { ForwardAddress, OpenCallback, Transport } from './transport.js';

/** Seconds for the whole login, beside the time to connect: jump hosts and a key that wants to be touched take theirs. */
const loginTimeout = 60;
/** sshd drops new connections when too many are waiting to log in (MaxStartups), as in dial.ts. */
const dropRetries = 5;
const pollPause = 50;

/**
 * Connects with the system's ssh, which logs in as it would at the command line, and gathers the host's facts. It asks nothing: what
 * needs a password or a passphrase fails.
 * Errors: HOST_UNREACHABLE, HOST_AUTH, HOST_KEY, HOST_KEY_FILE, HOST_SUDO, HOST_TTY, the abort reason, or what a command may throw.
 */
export async function connectOpenssh(host: Host, options: ConnectOptions): Promise<RemoteHost> {
  return openHost(host, await logInPatiently(host, options), options);
}

async function logInPatiently(host: Host, options: ConnectOptions): Promise<OpensshTransport> {
  const { signal } = options;
  let last: Promise<OpensshTransport> | undefined;
  const attempt = async (): Promise<OpensshTransport> => {
    try {
      last = logIn(host, options);
      return await last;
    } catch (error) {
      if (error instanceof BackupError && error.cause instanceof Dropped) throw error;
      throw new AbortError(error as Error);
    }
  };
  try {
    return await pRetry(attempt, {
      retries: dropRetries,
      minTimeout: options.retryPause ?? 500,
      maxTimeout: 10_000,
      randomize: true,
      ...(signal && { signal }),
    });
  } catch (error) {
    // An abort does not wait for the attempt under way.
    const late = await last?.catch(() => undefined);
    await late?.close();
    throw signal?.aborted ? abortError(signal) : asBackupError(error, { host: host.name });
  }
}

/** The server closed the connection before it said anything. */
class Dropped extends Error {}

async function logIn(host: Host, options: ConnectOptions): Promise<OpensshTransport> {
  const { user } = options;
  const connection = forUser(host.connection, user);
  if (options.signal?.aborted) throw abortError(options.signal);
  // Not AbortSignal.timeout: AbortSignal.any does not hold it, and Node 20 forgets it with the next garbage collection.
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(notInTime(host)), ((connection.connectSeconds ?? 0) + loginTimeout) * 1000);
  const signal = options.signal ? AbortSignal.any([options.signal, late.signal]) : late.signal;
  try {
    const master = await startMaster(connection, { shell: user.shell ?? '/bin/sh', signal }).catch((error: unknown) => {
      throw signal.aborted ? abortError(signal) : cannotUse(host, error);
    });
    try {
      const mux = await untilReady(host, master, signal);
      // All of it was written before the control socket answered.
      const { log } = master;
      const { server } = log.host;
      if (server === undefined) throw cannotUse(host, new Error('what it wrote about its login is not there'));
      const refusal = refusedKey(host, log);
      if (refusal !== undefined) throw refusal;
      const warning = acceptedWarning(host, log);
      if (warning !== undefined) options.warn?.(warning);
      return new OpensshTransport(master, mux, { login: server.user, log });
    } catch (error) {
      await master.stop();
      throw error;
    }
  } finally {
    clearTimeout(timer);
  }
}

/** With what this program was told of its user: ssh has ideas of its own of the home directory and the agent. */
function forUser(connection: Connection, user: LocalUser): Connection {
  const own = <Server extends Login>(login: Server): Server => ({
    ...login,
    agentSocket: login.agentSocket ?? user.agentSocket ?? 'none',
    hostKeys: { ...login.hostKeys, userFiles: login.hostKeys.userFiles ?? userKnownHosts(user) },
  });
  return { ...own(connection), jumps: connection.jumps.map(own) };
}

function acceptedWarning({ name, connection }: Host, { host }: OpensshLog): Warning | undefined {
  const { accepted, hostKey } = host;
  if (accepted === undefined) return undefined;
  const text = `${name}: its ${hostKey?.type ?? ''} key ${hostKey?.fingerprint ?? ''} was`;
  const setting = 'as StrictHostKeyChecking allows';
  if (accepted === 'changed')
    return { code: 'HOST_KEY_UNCHECKED', message: `${text} not the known one, and accepted ${setting}` };
  const [file] = connection.hostKeys.userFiles ?? [];
  if (accepted === 'new' || file === '/dev/null')
    return { code: 'HOST_KEY_UNCHECKED', message: `${text} not known, and accepted ${setting}` };
  return { code: 'HOST_KEY_ADDED', message: `${text} not known, and accepted and made known by ssh ${setting}` };
}

/** Asks the control socket until it answers; ssh makes it when it has logged in. */
async function untilReady(host: Host, master: OpensshMaster, signal: AbortSignal): Promise<MuxConnection> {
  const ssh = { hasEnded: false };
  void master.ended.then(() => (ssh.hasEnded = true));
  for (;;) {
    const mux = await connectMux(master.controlPath, signal).catch((error: unknown) => {
      if (!isNotListening(error) && !signal.aborted) throw cannotUse(host, error);
    });
    if (mux) return mux;
    if (ssh.hasEnded) throw await failure(host, master.log);
    if (signal.aborted) throw abortError(signal);
    await Promise.race([delay(pollPause), master.ended]);
  }
}

/** The socket is not there yet, or not any more. */
function isNotListening(error: unknown): boolean {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ECONNRESET' || code === 'EPIPE';
}

function cannotUse({ name }: Host, cause: unknown): BackupError {
  const isFull = ['EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM'].includes(systemErrorCode(cause) ?? '');
  return new BackupError('HOST_UNREACHABLE', `${name}: the system's ssh cannot be used: ${systemReason(cause)}`, {
    host: name,
    cause,
    hint: isFull
      ? 'Raise the limits of open files and processes (ulimit), or set fewer dials at once in the configuration.'
      : 'Install the OpenSSH client on this machine, 7.4 or later, and try it with: ssh -V',
  });
}

async function failure(host: Host, log: OpensshLog): Promise<BackupError> {
  const error = await opensshError(host, log);
  return wasDropped(log) && error.code === 'HOST_UNREACHABLE' ? asDropped(error) : error;
}

function asDropped(error: BackupError): BackupError {
  const { code, message, host, hint, retryable } = error;
  return new BackupError(code, message, { host, hint, retryable, cause: new Dropped(message) });
}

function notInTime(host: Host): BackupError {
  const message = `${host.name}: the system's ssh did not log in to ${targetText(host.connection)} in time`;
  return new BackupError('HOST_UNREACHABLE', message, { host: host.name, retryable: true });
}

/** A connection that the system's ssh holds. */
class OpensshTransport implements Transport {
  readonly login: string;
  readonly fingerprint: string | undefined;
  readonly isDoubtful: boolean;
  readonly isRemote = true;
  readonly #master: OpensshMaster;
  readonly #mux: MuxConnection;

  constructor(
    master: OpensshMaster,
    mux: MuxConnection,
    { login, log }: { readonly login: string; readonly log: OpensshLog },
  ) {
    this.#master = master;
    this.#mux = mux;
    this.login = login;
    this.fingerprint = log.host.hostKey?.fingerprint;
    // ssh itself goes through no jump host whose key has changed: it forwards nothing there.
    this.isDoubtful = log.host.hostKey === undefined || log.host.accepted === 'changed';
  }

  session(line: string, callback: OpenCallback): void {
    this.#mux.session(line, callback);
  }

  forward(to: ForwardAddress, callback: OpenCallback): void {
    this.#mux.forward(to, callback);
  }

  onLost(listener: (cause: Error | undefined) => void): void {
    this.#mux.onLost((cause) => {
      const last = this.#master.log.host.said.at(-1);
      listener(cause ?? (last === undefined ? undefined : new Error(last)));
    });
  }

  async close(): Promise<void> {
    await this.#master.stop();
    this.#mux.destroy();
  }
}
