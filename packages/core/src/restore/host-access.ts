import type { Cluster, Host, LocalUser } from '../cluster/cluster.js';
import type { RemoteHost } from '../remote/remote-host.js';
import { createHostPool, type HostPool } from '../remote/host-pool.js';
import { asBackupError, BackupError } from '../model/errors.js';
import type { RestoreEvent, RestoreServices } from './api.js';

/** Connections to the hosts of the target cluster, by name. */
export interface HostAccess extends AsyncDisposable {
  host(name: string): Host;
  remote(name: string): Promise<RemoteHost>;
}

export interface AccessOptions {
  readonly cluster: Cluster;
  readonly user: LocalUser;
  readonly connect?: RestoreServices['connect'];
  readonly signal?: AbortSignal | undefined;
  readonly emit: (event: RestoreEvent) => void;
}

export function openAccess(options: AccessOptions): HostAccess {
  const { cluster, emit, connect, signal } = options;
  const hosts = new Map(cluster.hosts.map((host) => [host.name, host]));
  const host = (name: string): Host => {
    const found = hosts.get(name);
    if (found) return found;
    throw new BackupError('RESTORE_HOST', `there is no host ${name} in ${cluster.inventoryFile}`);
  };
  const pool: HostPool = createHostPool({
    user: options.user,
    ...(signal && { signal }),
    ...(connect && { connect }),
    warn: (which, warning) => emit({ type: 'warning', host: which.name, ...warning }),
  });
  const told = new Set<string>();
  return {
    host,
    remote: async (name) => {
      const which = host(name);
      try {
        const remote = await pool.get(which);
        if (!told.has(name)) emit({ type: 'host', host: name, status: 'connected' });
        return remote;
      } catch (error) {
        const failure = asBackupError(error, { host: name });
        if (!told.has(name)) emit({ type: 'host', host: name, status: 'failed', error: failure });
        throw failure;
      } finally {
        told.add(name);
      }
    },
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  };
}
