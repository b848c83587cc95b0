import type { Host } from '../cluster/cluster.js';
import { dial } from './dial.js';
import { openHost } from './open-host.js';
import type { ConnectOptions } from './open-host.js';
import type { RemoteHost } from './remote-host.js';
import { Ssh2Transport } from './ssh2-transport.js';

/**
 * Connects with this process's own SSH, logs in, and gathers the host's facts.
 * Errors: HOST_UNREACHABLE, HOST_AUTH, HOST_KEY, HOST_KEY_FILE, HOST_SUDO, HOST_TTY, or what a command may throw.
 */
export async function connectSsh(host: Host, options: ConnectOptions): Promise<RemoteHost> {
  const { user, signal, warn = () => undefined, retryPause, logins } = options;
  return openHost(host, new Ssh2Transport(await dial({ host, user, signal, warn, retryPause, logins })), options);
}
