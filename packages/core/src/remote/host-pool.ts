import pLimit from 'p-limit';
import type { LimitFunction } from 'p-limit';
import type { Host, LocalUser } from '../cluster/cluster.js';
import type { Warning } from '../model/artifact.js';
import { BackupError } from '../model/errors.js';
import { shareLogins } from './dial.js';
import type { RemoteHost } from './remote-host.js';
import { connectHost } from './connect-host.js';

/** A host that does not answer must not keep the next one waiting for its turn; jump hosts are asked for fewer at once. */
const defaultDials = 64;

export interface HostPoolOptions {
  readonly user: LocalUser;
  /** Hosts being dialled at once; 64 unless set. */
  readonly dials?: number;
  readonly signal?: AbortSignal;
  readonly warn?: (host: Host, warning: Warning) => void;
  /** How a connection is made; SSH unless set (tests give a fake). */
  readonly connect?: (host: Host) => Promise<RemoteHost>;
}

/** One connection per host, made when it is first asked for, shared by everything, closed together. */
export interface HostPool extends AsyncDisposable {
  /** The host's connection. A host that failed once, or that cannot be reached, fails for every caller with the same error. */
  get(host: Host): Promise<RemoteHost>;
  /** Milliseconds that connecting took, without the wait for its turn; undefined where it has not ended well. */
  connectMilliseconds(host: Host): number | undefined;
  /** Hosts that have been connected, and those that failed with their error. */
  outcomes(): Promise<readonly HostOutcome[]>;
}

export interface HostOutcome {
  readonly host: Host;
  readonly remote?: RemoteHost;
  readonly error?: BackupError;
}

export function createHostPool(options: HostPoolOptions): HostPool {
  const limit: LimitFunction = pLimit(options.dials ?? defaultDials);
  const connections = new Map<string, { readonly host: Host; readonly remote: Promise<RemoteHost> }>();
  const milliseconds = new Map<string, number>();
  let closed = false;

  const logins = shareLogins({ user: options.user, signal: options.signal });
  const connect = options.connect ?? ((host: Host) => connectHost(host, { ...connectOptions(host, options), logins }));
  const connectInTurn = async (host: Host): Promise<RemoteHost> => {
    const started = performance.now();
    const remote = await connect(host);
    milliseconds.set(host.name, performance.now() - started);
    return remote;
  };

  return {
    get(host) {
      if (closed)
        return Promise.reject(
          new BackupError('ABORTED', `${host.name}: the connections have been closed`, { host: host.name }),
        );
      if (host.refusal) return Promise.reject(host.refusal);
      const existing = connections.get(host.name);
      if (existing) return existing.remote;
      const remote = limit(() => connectInTurn(host));
      // Every caller gets the rejection; one that nobody waits for is no crash.
      remote.catch(() => undefined);
      connections.set(host.name, { host, remote });
      return remote;
    },

    connectMilliseconds: ({ name }) => milliseconds.get(name),

    async outcomes() {
      return Promise.all([...connections.values()].map(async ({ host, remote }) => outcome(host, remote)));
    },

    async [Symbol.asyncDispose]() {
      closed = true;
      await Promise.allSettled(
        [...connections.values()].map(async ({ remote }) => (await remote)[Symbol.asyncDispose]()),
      );
      connections.clear();
    },
  };
}

function connectOptions(host: Host, { user, signal, warn }: HostPoolOptions) {
  return { user, ...(signal && { signal }), ...(warn && { warn: (warning: Warning) => warn(host, warning) }) };
}

async function outcome(host: Host, remote: Promise<RemoteHost>): Promise<HostOutcome> {
  try {
    return { host, remote: await remote };
  } catch (error) {
    return { host, error: error as BackupError };
  }
}
