import { BackupError, abortError, asBackupError } from '../model/errors.js';
import { RefusedError } from './transport.js';
import type { Channel, OpenCallback } from './transport.js';

/** Seconds for the server's answer. */
const openTimeout = 30;

export interface OpenOptions<Result> {
  /** Gets the channel before the next packet is looked at: a short command's exit status can come in the same segment as the answer to its start, and a channel tells of it once. */
  readonly use: (channel: Channel) => Result;
  readonly signal: AbortSignal | undefined;
  readonly host: string;
  /** The error of a connection that is gone. */
  readonly lost: (cause?: unknown) => BackupError;
}

/**
 * One channel, with a deadline. A channel that comes too late is closed.
 * Errors: the transport's own when the server refuses it; CHANNEL_REFUSED when it does not answer; STREAM_CUT; the abort reason.
 */
export function openChannel<Result>(
  open: (callback: OpenCallback) => void,
  options: OpenOptions<Result>,
): Promise<Result> {
  const { use, signal, host, lost } = options;
  return new Promise((resolve, reject) => {
    let settled = false;
    const finish = (act: () => void): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      act();
    };
    const fail = (error: Error): void => finish(() => reject(error));
    const onAbort = (): void => {
      if (signal) fail(abortError(signal));
    };
    const timer = setTimeout(() => fail(noAnswer(host)), openTimeout * 1000);
    if (signal?.aborted) {
      onAbort();
      return;
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      open((error, channel) => {
        if (channel === undefined) fail(error ?? noAnswer(host));
        else if (settled) discard(channel);
        else finish(() => resolve(useOrDiscard(channel, use)));
      });
    } catch (error) {
      // ssh2 throws when its socket has gone already.
      fail(lost(error));
    }
  });
}

/** CHANNEL_REFUSED for a session that the server keeps refusing. */
export function channelRefused(host: string, cause: unknown): BackupError {
  return new BackupError('CHANNEL_REFUSED', `${host}: sshd refuses to open a session: ${messageOf(cause)}`, {
    host,
    cause,
    retryable: true,
    hint: raiseMaxSessions(host),
  });
}

/** CHANNEL_REFUSED for a command that got no session in time; `cause` is the server's last refusal, if any. */
export function noSession(wait: {
  readonly host: string;
  readonly what: string;
  readonly seconds: number;
  readonly cause: unknown;
}): BackupError {
  const { host, what, seconds, cause } = wait;
  const said = cause === undefined ? '' : `, sshd refuses more: ${messageOf(cause)}`;
  return new BackupError('CHANNEL_REFUSED', `${host}: no SSH session was free within ${seconds} s for ${what}${said}`, {
    host,
    cause,
    retryable: true,
    hint: raiseMaxSessions(host),
  });
}

function raiseMaxSessions(host: string): string {
  return `Raise MaxSessions in sshd_config on ${host} (10 is the default).`;
}

/** HOST_FORWARD, retryable when nothing listens. */
export function forwardError(host: string, to: string, cause: unknown): BackupError {
  const listens = cause instanceof RefusedError && cause.reason === 'connect-failed';
  const text = listens
    ? `nothing answers at ${to} (${messageOf(cause)})`
    : `sshd refuses TCP forwarding to ${to} (${messageOf(cause)})`;
  const hint = listens
    ? `Check that the service runs on ${host} and listens there.`
    : `Check AllowTcpForwarding and PermitOpen in sshd_config on ${host}.`;
  return new BackupError('HOST_FORWARD', `${host}: ${text}`, { host, cause, hint, retryable: listens });
}

function noAnswer(host: string): BackupError {
  return new BackupError('CHANNEL_REFUSED', `${host}: sshd did not answer within ${openTimeout} s`, {
    host,
    retryable: true,
  });
}

function useOrDiscard<Result>(channel: Channel, use: (channel: Channel) => Result): Promise<Result> {
  try {
    return Promise.resolve(use(channel));
  } catch (error) {
    discard(channel);
    return Promise.reject(asBackupError(error));
  }
}

function discard(channel: Channel): void {
  const ignore = (): void => undefined;
  channel.listen({ output: () => true, error: ignore, exit: ignore, ended: ignore, failed: ignore, closed: ignore });
  channel.close();
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
