import type { Duplex } from 'node:stream';
import type { Warning } from '../model/artifact.js';
import { abortError, BackupError } from '../model/errors.js';
import { relayChannel, relayCommand } from './exec-relay.js';
import type { GatedProcess } from './exit-gate.js';
import { ForwardedSocket } from './forwarded-socket.js';
import type { Command } from './remote-host.js';
import { RefusedError } from './transport.js';
import type { Channel, ForwardAddress } from './transport.js';

export interface ForwardsOptions {
  /** Whether a server may refuse what a command on the host can do. */
  readonly mayRelay: boolean;
  readonly warn: (warning: Warning) => void;
  /** Opens a channel to an address. Errors: RefusedError, or what the transport fails with. */
  readonly open: <Result>(
    to: ForwardAddress,
    use: (channel: Channel) => Result,
    signal: AbortSignal | undefined,
  ) => Promise<Result>;
  /** Starts a command that reads standard input. */
  readonly start: (command: Command, signal: AbortSignal) => Promise<GatedProcess>;
}

/**
 * The connections to what only the host itself can reach. Where sshd refuses to forward, a command on the host does it (exec relay), with
 * one warning for each kind of address: whoever runs the host can allow forwarding, which costs less.
 */
export class Forwards {
  readonly #host: string;
  readonly #options: ForwardsOptions;
  readonly #sockets = new Set<ForwardedSocket>();
  /** Kinds of addresses that are known to be refused. */
  readonly #refused = new Set<'tcp' | 'socket'>();

  constructor(host: string, options: ForwardsOptions) {
    this.#host = host;
    this.#options = options;
  }

  /** Errors: HOST_FORWARD, retryable when nothing answers at the address; STREAM_CUT; the abort reason. */
  async connect(to: ForwardAddress, signal: AbortSignal | undefined): Promise<Duplex> {
    if (this.#refused.has(kindOf(to))) return this.#relay(to, undefined, signal);
    try {
      return await this.#options.open(to, (channel) => this.#socket(channel), signal);
    } catch (error) {
      if (error instanceof BackupError) throw error;
      if (this.#options.mayRelay && mayBeRefused(to, error)) return await this.#relay(to, error, signal);
      throw this.#error(to, error);
    }
  }

  /** The transport is gone. */
  lost(error: BackupError): void {
    for (const socket of this.#sockets) socket.lost(error);
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #socket(channel: Channel): ForwardedSocket {
    const socket = new ForwardedSocket(channel);
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    return socket;
  }

  /** `refusal` is sshd's; undefined when it was not asked. The signal ends the relay only until it is connected. */
  async #relay(to: ForwardAddress, refusal: unknown, signal: AbortSignal | undefined): Promise<Duplex> {
    const opening = new AbortController();
    const onAbort = (): void => opening.abort(signal && abortError(signal));
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      const process = await this.#options.start(relayCommand(to), opening.signal);
      const channel = await relayChannel(process);
      this.#isRefused(to);
      return this.#socket(channel);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      throw this.#error(to, error.reason === 'connect-failed' ? error : (refusal ?? error), error);
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  #isRefused(to: ForwardAddress): void {
    const kind = kindOf(to);
    if (this.#refused.has(kind)) return;
    this.#refused.add(kind);
    const message = `${this.#host}: sshd refuses ${whatIsRefused(to)}. Using exec relay.`;
    this.#options.warn({ code: 'HOST_FORWARD', message });
  }

  #error(to: ForwardAddress, cause: unknown, relay?: Error): BackupError {
    const host = this.#host;
    const why = cause instanceof Error ? cause.message : String(cause);
    if (cause instanceof RefusedError && cause.reason === 'connect-failed') {
      const hint = `Check that the service runs on ${host} and listens there.`;
      const message = `${host}: nothing answers at ${nameOf(to)} (${why})`;
      return new BackupError('HOST_FORWARD', message, { host, cause, hint, retryable: true });
    }
    const relayed = relay === undefined ? '' : `, and an exec relay is not possible: ${relay.message}`;
    const message = `${host}: sshd refuses ${whatIsRefused(to)}: ${why}${relayed}`;
    const hint = `Allow forwarding in sshd_config on ${host}, or install python3 there.`;
    return new BackupError('HOST_FORWARD', message, { host, cause, hint });
  }
}

/**
 * sshd says of a Unix socket that it may not forward to the same as of one where nobody listens (serverloop.c), so only a relay can tell.
 * `unknown-type`: a server that was built without forwarding.
 */
function mayBeRefused(to: ForwardAddress, error: unknown): boolean {
  if (!(error instanceof RefusedError)) return false;
  return 'socket' in to || error.reason === 'prohibited' || error.reason === 'unknown-type';
}

function whatIsRefused(to: ForwardAddress): string {
  const [what, settings] =
    'socket' in to
      ? ['forwarding to the socket', 'AllowStreamLocalForwarding']
      : ['TCP forwarding to', 'AllowTcpForwarding, PermitOpen'];
  return `${what} ${nameOf(to)} (${settings})`;
}

function kindOf(to: ForwardAddress): 'tcp' | 'socket' {
  return 'socket' in to ? 'socket' : 'tcp';
}

function nameOf(to: ForwardAddress): string {
  return 'socket' in to ? to.socket : `${to.host}:${to.port}`;
}
