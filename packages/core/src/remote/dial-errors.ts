import type { Host } from '../cluster/cluster.js';
import { BackupError } from '../model/errors.js';
import type { DialOptions } from './dial.js';
import type { Identity } from './identity.js';
import { checkHostKey, fingerprint, keyType } from './known-hosts.js';
import type { KnownHost } from './known-hosts.js';

/** The server closed the connection before it said anything: it has too many, or is just starting. */
export class DroppedError extends Error {}

/** What one attempt goes by. */
export interface Attempt {
  readonly username: string;
  readonly identity: Identity;
  readonly knownHosts: readonly KnownHost[];
  readonly files: readonly string[];
}

/** HOST_KEY unless the key is the known one. With StrictHostKeyChecking=no only a revoked key is refused; what is accepted so is a warning. */
export function refuseHostKey(
  key: Buffer,
  options: DialOptions,
  { knownHosts, files }: Attempt,
): BackupError | undefined {
  const { host, warn } = options;
  const { address, port, hostKeys } = host.connection;
  const verdict = checkHostKey(knownHosts, address, port, key);
  if (verdict.status === 'known') return undefined;
  const shown = `${keyType(key)} key ${fingerprint(key)}`;
  if (hostKeys.strict === 'no' && verdict.status !== 'revoked') {
    const message = `${host.name}: its ${shown} is ${verdict.status === 'changed' ? 'not the known one' : 'not known'}, and was accepted because of StrictHostKeyChecking=no`;
    warn({ code: 'HOST_KEY_UNCHECKED', message });
    return undefined;
  }
  const details = (hint: string) => ({ host: host.name, hint });
  if (verdict.status === 'revoked') {
    return new BackupError(
      'HOST_KEY',
      `${host.name}: its ${shown} is marked as revoked (${place(verdict.entry)})`,
      details('Do not use this host until it has a new key.'),
    );
  }
  if (verdict.status === 'changed') {
    const text = `${host.name}: host key changed: it shows ${shown}, known is ${fingerprint(verdict.entry.key)} (${place(verdict.entry)})`;
    const name = port === 22 ? address : `[${address}]:${port}`;
    return new BackupError(
      'HOST_KEY',
      text,
      details(
        `If the host was installed anew, remove the old key with: ssh-keygen -R '${name}' -f ${verdict.entry.file}`,
      ),
    );
  }
  const authorities = verdict.authorities
    ? " Lines with @cert-authority are not supported: the host's own key is needed."
    : '';
  const used = files.filter((file) => file !== '/dev/null');
  const where = used.length === 0 ? 'and no file of known hosts is in use' : `which is not in ${used.join(', ')}`;
  return new BackupError(
    'HOST_KEY',
    `${host.name}: host key not known: it shows ${shown}, ${where}.${authorities}`,
    details(
      used[0] === undefined
        ? 'Compare the fingerprint, then name a file in UserKnownHostsFile, or leave that out, and add the key to the file.'
        : `Compare the fingerprint, then add it with: ssh-keyscan -p ${port} ${address} >> ${used[0]}`,
    ),
  );
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

function place(entry: KnownHost): string {
  return `${entry.file}:${entry.line}`;
}
