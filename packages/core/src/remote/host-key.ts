import type { Login } from '../cluster/cluster.js';
import type { Warning } from '../model/artifact.js';
import { BackupError } from '../model/errors.js';
import { systemReason } from '../model/system-errors.js';
import { addKnownHost } from './known-hosts-files.js';
import type { KnownHosts } from './known-hosts-files.js';
import { checkHostKey, fingerprint, keyType, knownHostsLine, knownName } from './known-hosts.js';
import type { HostKeyVerdict, KnownHost } from './known-hosts.js';

/** A server that shows its key, and what is known of it. */
export interface Shown {
  readonly key: Buffer;
  readonly login: Login;
  readonly known: KnownHosts;
  /** The host as messages name it. */
  readonly name: string;
  /** It is to forward connections, and as in ssh a host does not whose key has changed, whatever StrictHostKeyChecking says. */
  readonly isJump: boolean;
}

/** What comes of a key that a server shows. */
export interface KeyDecision {
  /** HOST_KEY: the connection must not go on. */
  readonly refusal?: BackupError;
  /** Only a certificate of the host could have been accepted, and this process cannot check one. */
  readonly wantsCertificate?: boolean;
  readonly warning?: Warning;
  /** The key is not the known one and was accepted all the same: as in ssh, no password may be shown to such a server. */
  readonly isDoubtful?: boolean;
}

/**
 * Decides as ssh does (check_host_key in OpenSSH's sshconnect.c), and makes a new key known that is accepted. Stricter than ssh in one
 * case: a key that a known hosts file marks as revoked is refused whatever StrictHostKeyChecking says.
 */
export async function decideHostKey(shown: Shown): Promise<KeyDecision> {
  const { key, login, known } = shown;
  if (known.revoked?.keys.some((revoked) => revoked.equals(key)))
    return { refusal: revokedKey(shown, known.revoked.file) };
  const verdict = checkHostKey(known.entries, knownName(login), key);
  if (verdict.status === 'known') return {};
  if (verdict.status === 'revoked') return { refusal: revokedKey(shown, place(verdict.entry)) };
  if (login.hostKeys.strict === 'yes') return refuse(shown, verdict);
  if (verdict.status === 'unknown') return acceptNew(shown);
  if (login.hostKeys.strict === 'accept-new' || shown.isJump) return refuse(shown, verdict);
  return {
    isDoubtful: true,
    warning: unchecked(
      `${describe(shown)} is not the known one (${place(verdict.entry)}), and was accepted because of StrictHostKeyChecking=no`,
    ),
  };
}

async function acceptNew(shown: Shown): Promise<KeyDecision> {
  const { key, login, known } = shown;
  const accepted = `${describe(shown)} was not known, and was accepted because of StrictHostKeyChecking=${login.hostKeys.strict}`;
  const file = known.additions;
  if (file === undefined) return { warning: unchecked(accepted) };
  try {
    await addKnownHost(file, key, { name: knownName(login), hash: login.hostKeys.hash });
    return { warning: { code: 'HOST_KEY_ADDED', message: `${accepted}; it is in ${file} now` } };
  } catch (error) {
    return { warning: unchecked(`${accepted}; it could not be added to ${file}: ${systemReason(error)}`) };
  }
}

function refuse(shown: Shown, verdict: HostKeyVerdict & { status: 'unknown' | 'changed' }): KeyDecision {
  if (verdict.status === 'changed') return { refusal: changedKey(shown, verdict.entry) };
  return { refusal: unknownKey(shown, verdict.authorities), wantsCertificate: verdict.authorities };
}

function revokedKey(shown: Shown, where: string): BackupError {
  return new BackupError('HOST_KEY', `${describe(shown)} is marked as revoked (${where})`, {
    hint: 'Do not use this host until it has a new key.',
  });
}

function changedKey(shown: Shown, entry: KnownHost): BackupError {
  const known = `${entry.type} key ${fingerprint(entry.key)} (${place(entry)})`;
  const forwards = shown.isJump ? ', and nothing is forwarded through such a host' : '';
  return new BackupError(
    'HOST_KEY',
    `${shown.name}: host key changed: it shows ${keyText(shown.key)}, known is ${known}${forwards}`,
    {
      hint: `If the host was installed anew, remove the old key with: ssh-keygen -R '${knownName(shown.login).name}' -f ${entry.file}`,
    },
  );
}

/**
 * The hint has the very key that was shown: ssh-keyscan would ask the network again after the fingerprint was compared, knows nothing of
 * HostKeyAlias, and gets to no host behind another.
 */
function unknownKey({ key, login, known, name }: Shown, authorities: boolean): BackupError {
  const used = known.files.filter((file) => file !== '/dev/null');
  const where = used.length === 0 ? 'and no file of known hosts is in use' : `which is not in ${used.join(', ')}`;
  const certificates = authorities ? ' Lines with @cert-authority count only for a host that shows a certificate.' : '';
  const line = knownHostsLine(knownName(login).name, key, { hash: false }).trimEnd();
  const hint =
    used[0] === undefined
      ? 'Compare the fingerprint, then name a file in UserKnownHostsFile, or leave that out, and add the key to the file.'
      : `Compare the fingerprint, then add this line to ${used[0]}: ${line}`;
  return new BackupError(
    'HOST_KEY',
    `${name}: host key not known: it shows ${keyText(key)}, ${where}.${certificates}`,
    {
      hint,
    },
  );
}

function unchecked(message: string): Warning {
  return { code: 'HOST_KEY_UNCHECKED', message };
}

function describe({ name, key }: Shown): string {
  return `${name}: its ${keyText(key)}`;
}

function keyText(key: Buffer): string {
  return `${keyType(key)} key ${fingerprint(key)}`;
}

function place(entry: KnownHost): string {
  return `${entry.file}:${entry.line}`;
}
