import type { Host } from '../cluster/cluster.js';
import { BackupError } from '../model/errors.js';
import type { DialOptions } from './dial.js';
import type { Identity } from './identity.js';
import type { KnownHosts } from './known-hosts-files.js';

/** The server closed the connection before it said anything: it has too many, or is just starting. */
export class DroppedError extends Error {}

/** What one attempt goes by. */
export interface Attempt {
  readonly username: string;
  readonly identity: Identity;
  readonly known: KnownHosts;
}

/** What a failed attempt means: HOST_AUTH, HOST_UNREACHABLE, or a DroppedError that is worth another try. */
export function explain(
  error: (Error & { level?: string; code?: unknown }) | undefined,
  options: DialOptions,
  attempt: Attempt,
  handshaken: boolean,
): Error {
  const { host } = options;
  const { address, port } = host.connection;
  const text = error?.message ?? 'the server closed the connection';
  if (error?.level === 'client-authentication' || (handshaken && /authentication/i.test(text))) {
    const { tried, encrypted } = attempt.identity;
    const what = tried.length === 0 ? 'no key was found to offer' : `tried: ${tried.join(', ')}`;
    const locked = encrypted === undefined ? '' : `; ${encrypted} needs a passphrase and is not in the agent`;
    return new BackupError(
      'HOST_AUTH',
      `${host.name}: ${attempt.username}@${address} port ${port} refuses to log us in (${what}${locked})`,
      {
        host: host.name,
        cause: error,
        hint: `Add the public key to ~${attempt.username}/.ssh/authorized_keys on ${host.name}, or set ansible_user and ansible_ssh_private_key_file.`,
      },
    );
  }
  const dropped =
    !handshaken &&
    (error === undefined || error.code === 'ECONNRESET' || error.code === 'EPIPE' || text.includes('before handshake'));
  return dropped ? new DroppedError(text, { cause: error }) : unreachable(host, text, error);
}

export function unreachable(host: Host, why: string, cause: unknown): BackupError {
  const { address, port } = host.connection;
  return new BackupError('HOST_UNREACHABLE', `${host.name}: cannot connect to ${address} port ${port}: ${why}`, {
    host: host.name,
    cause,
    retryable: true,
    hint: 'Check that the host is up, and ansible_host and ansible_port in the inventory.',
  });
}
