import type { Host } from '../cluster/cluster.js';
import { connectLocal } from './local-transport.js';
import { whyOpenssh } from './needs-openssh.js';
import type { ConnectOptions } from './open-host.js';
import { connectOpenssh } from './openssh-transport.js';
import type { RemoteHost } from './remote-host.js';
import { connectSsh } from './ssh.js';

/**
 * The host by the transport that the inventory names. What our own SSH cannot get around the system's ssh tries once, with a warning
 * (TRANSPORT_OPENSSH).
 * Errors: HOST_UNREACHABLE, HOST_AUTH, HOST_KEY, HOST_KEY_FILE, HOST_SUDO, HOST_TTY, or what a command may throw.
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
  options.warn?.({ code: 'TRANSPORT_OPENSSH', message: `${host.name}: connecting with the system's ssh: ${why}` });
  return connectOpenssh(host, options);
}
