import type { Warning } from '../model/artifact.js';
import { BackupError } from '../model/errors.js';
import { NeedsOpenssh } from './needs-openssh.js';
import { checkHostKey, fingerprint, keyType } from './known-hosts.js';
import type { KnownHost } from './known-hosts.js';
import type { Server } from './login/server.js';

/** The server closed the connection before it said anything: it has too many, or is just starting. */
export class DroppedError extends Error {}

/** What is known about the keys of servers. */
export interface KnownKeys {
  readonly entries: readonly KnownHost[];
  readonly files: readonly string[];
}

/** The name and the port that a server's key is known under (ssh_config(5), HostKeyAlias). */
export function keyName({ login }: Server): { readonly address: string; readonly port: number } {
  const { alias } = login.hostKeys;
  return alias === undefined ? login : { address: alias, port: 22 };
}

/** HOST_KEY unless the key is the known one. With StrictHostKeyChecking=no only a revoked key is refused; what is accepted so is a warning. */
export function refuseHostKey(
  key: Buffer,
  server: Server,
  { entries, files }: KnownKeys,
  warn: (warning: Warning) => void,
): BackupError | undefined {
  const { title, host, login } = server;
  const { address, port } = keyName(server);
  const verdict = checkHostKey(entries, address, port, key);
  if (verdict.status === 'known') return undefined;
  const shown = `${keyType(key)} key ${fingerprint(key)}`;
  if (login.hostKeys.strict === 'no' && verdict.status !== 'revoked') {
    const message = `${title}: its ${shown} is ${verdict.status === 'changed' ? 'not the known one' : 'not known'}, and was accepted because of StrictHostKeyChecking=no`;
    warn({ code: 'HOST_KEY_UNCHECKED', message });
    return undefined;
  }
  const details = (hint: string, cause?: unknown) => ({ host, hint, cause });
  if (verdict.status === 'revoked') {
    return new BackupError(
      'HOST_KEY',
      `${title}: its ${shown} is marked as revoked (${place(verdict.entry)})`,
      details('Do not use this host until it has a new key.'),
    );
  }
  if (verdict.status === 'changed') {
    const text = `${title}: host key changed: it shows ${shown}, known is ${fingerprint(verdict.entry.key)} (${place(verdict.entry)})`;
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
    `${title}: host key not known: it shows ${shown}, ${where}.${authorities}`,
    details(
      used[0] === undefined
        ? 'Compare the fingerprint, then name a file in UserKnownHostsFile, or leave that out, and add the key to the file.'
        : `Compare the fingerprint, then add it with: ssh-keyscan -p ${port} ${address} >> ${used[0]}`,
      verdict.authorities ? new NeedsOpenssh('known_hosts has a certificate authority for it') : undefined,
    ),
  );
}

/** HOST_UNREACHABLE. */
export function unreachable({ login, title, host }: Server, why: string, cause?: unknown): BackupError {
  const inventory = 'Check that the host is up, and ansible_host and ansible_port in the inventory.';
  return new BackupError(
    'HOST_UNREACHABLE',
    `${title}: cannot connect to ${login.address} port ${login.port}: ${why}`,
    {
      host,
      cause,
      retryable: true,
      hint:
        host === undefined ? 'Check that it is up, and ProxyJump where the host gets its SSH options from.' : inventory,
    },
  );
}

function place(entry: KnownHost): string {
  return `${entry.file}:${entry.line}`;
}
