import type { Host, LocalUser } from '../cluster/cluster.js';
import type { Warning } from '../model/artifact.js';
import { CommandHost } from './command-host.js';
import type { SharedLogins } from './dial.js';
import type { RemoteHost } from './remote-host.js';
import type { Transport } from './transport.js';

export interface ConnectOptions {
  readonly user: LocalUser;
  readonly signal?: AbortSignal;
  readonly warn?: (warning: Warning) => void;
  /** What the hosts of a run share; of this host alone unless set. */
  readonly logins?: SharedLogins;
  /** For tests: milliseconds of the first pause between dials. */
  readonly retryPause?: number;
}

/**
 * The host behind a transport, with its facts. The transport is closed when they cannot be had.
 * Errors: HOST_KEY for a doubtful host that asks for a password, HOST_SUDO, HOST_TTY, or what a command may throw.
 */
export async function openHost(host: Host, transport: Transport, options: ConnectOptions): Promise<RemoteHost> {
  const remote = new CommandHost(host, transport, options.warn ?? (() => undefined));
  try {
    await remote.gatherFacts(options.signal);
    return remote;
  } catch (error) {
    await remote[Symbol.asyncDispose]();
    throw error;
  }
}
