import type { Host } from '../cluster/cluster.js';
import { BackupError } from '../model/errors.js';
import { connectLocal } from './local-transport.js';
import { whyOpenssh } from './needs-openssh.js';
import type { ConnectOptions } from './open-host.js';
import { connectOpenssh } from './openssh-transport.js';
import type { RemoteHost } from './remote-host.js';
import { connectSsh } from './ssh.js';

/**
 * The host by the transport that the inventory names. What our own SSH cannot get around the system's ssh tries once, with a warning
 * (TRANSPORT_OPENSSH).
 * Errors: INVENTORY_UNSUPPORTED where its arguments must be kept secret, HOST_UNREACHABLE, HOST_AUTH, HOST_KEY, HOST_KEY_FILE, HOST_SUDO, HOST_TTY, or what a command may throw.
 */
export async function connectHost(host: Host, options: ConnectOptions): Promise<RemoteHost> {
  const { connection } = host;
  if (connection.transport === 'local') return connectLocal(host, options);
  if (connection.transport === 'openssh') return connectOpenssh(host, options);
  const certificates = [...connection.jumps, connection].flatMap(({ certificateFiles }) => certificateFiles);
  if (certificates.length > 0) return useOpenssh(host, options, `only it can use ${certificates.join(', ')}`);
  try {
    return await connectSsh(host, options);
  } catch (error) {
    const why = whyOpenssh(error);
    if (why === undefined) throw error;
    return useOpenssh(host, options, why);
  }
}

function useOpenssh(host: Host, options: ConnectOptions, why: string): Promise<RemoteHost> {
  if (host.connection.hiddenArguments === true) throw hiddenArguments(host, why);
  options.warn?.({ code: 'TRANSPORT_OPENSSH', message: `${host.name}: connecting with the system's ssh: ${why}` });
  return connectOpenssh(host, options);
}

function hiddenArguments(host: Host, why: string): BackupError {
  const message = `the system's ssh is needed (${why}), but would show ssh arguments of an encrypted variable in the list of processes`;
  return new BackupError('INVENTORY_UNSUPPORTED', message, {
    host: host.name,
    hint: 'Set the ssh arguments of the host where nothing is encrypted.',
  });
}
