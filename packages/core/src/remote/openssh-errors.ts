import { access, constants, readFile } from 'node:fs/promises';
import type { Connection, Host } from '../cluster/cluster.js';
import { BackupError } from '../model/errors.js';
import { systemReason } from '../model/system-errors.js';
import { fingerprint, parseKnownHosts } from './known-hosts.js';
import type { LoggedLogin, OpensshLog } from './openssh-log.js';

/** What ssh says when a connection ends; where a command leads to the server, the command has said why before. */
const closed = /^(?:kex|ssh)_exchange_identification: |^Connection (?:closed|reset) by |^banner exchange: Connection /;

/**
 * The error of a login that failed: HOST_KEY, HOST_KEY_FILE, HOST_AUTH or HOST_UNREACHABLE. It names the server that ssh had got to, which
 * may be a jump host.
 */
export async function opensshError(host: Host, log: OpensshLog): Promise<BackupError> {
  // Who has got to the host had no trouble on the way.
  const login = log.host.server === undefined && log.isProxied ? log.way : log.host;
  if (find(login, keyFault) !== undefined) return hostKeyError(host, login);
  const denied = find(login, /Permission denied \(|Too many authentication failures/);
  if (denied !== undefined) return loginError(host, login, denied);
  return log.hasTried ? connectionError(host, log) : optionError(host, log);
}

/**
 * HOST_KEY for a login that ssh made and that must not be used: stricter than ssh, which takes a revoked key where
 * StrictHostKeyChecking=no; and a host that makes ssh write of another server or key wants to be taken for it.
 */
export function refusedKey(host: Host, { host: login }: OpensshLog): BackupError | undefined {
  if (login.accepted === 'revoked') return revokedKey(host, login);
  if (!login.isContradictory) return undefined;
  const message = `${host.name}: ${shownKey(host, login)}, and makes ssh write of another server or key`;
  return new BackupError('HOST_KEY', message, { host: host.name, hint: 'Do not use this host before you know why.' });
}

/** Whether the connection was dropped before anything was said on it: the server has too many, or is just starting. */
export function wasDropped({ host, way, isProxied }: OpensshLog): boolean {
  const isClosed = find(host, /^(?:kex|ssh)_exchange_identification: .*(?:closed by|reset by)/) !== undefined;
  const others = isProxied ? way.said : [];
  return isClosed && [...host.said, ...others].every((line) => closed.test(line) || line.startsWith('Warning: '));
}

/** The last is what a jump host's ssh says instead, where its configuration lets it go on with a changed key. */
const keyFault =
  /^Host key verification failed|^Host key for .* has changed|marked as revoked|forwarding disabled due to host key check failure/;

function find({ said }: LoggedLogin, pattern: RegExp): string | undefined {
  return said.find((line) => pattern.test(line));
}

async function hostKeyError(host: Host, login: LoggedLogin): Promise<BackupError> {
  const { name } = host;
  if (find(login, /marked as revoked/) !== undefined) return revokedKey(host, login);
  const [, file, line] = /^Offending .*key in (.*):(\d+)$/m.exec(login.said.join('\n')) ?? [];
  if (file === undefined || line === undefined) {
    return new BackupError(
      'HOST_KEY',
      `${name}: host key not known: ${shownKey(host, login)}, which is in no file of known hosts in use`,
      {
        host: name,
        hint: "Compare the fingerprint, then let ssh add the key: log in to the host by hand once, with the inventory's options.",
      },
    );
  }
  const known = await knownFingerprint(file, Number(line));
  return new BackupError(
    'HOST_KEY',
    `${name}: host key changed: ${shownKey(host, login)}, known is ${known} (${file}:${line})`,
    {
      host: name,
      hint: `If the host was installed anew, remove the old key with: ssh-keygen -R '${knownName(host, login)}' -f ${file}`,
    },
  );
}

function revokedKey(host: Host, login: LoggedLogin): BackupError {
  return new BackupError('HOST_KEY', `${host.name}: host key revoked: ${shownKey(host, login)}`, {
    host: host.name,
    hint: 'Do not use this host until it has a new key.',
  });
}

function shownKey(host: Host, login: LoggedLogin): string {
  const { hostKey } = login;
  return `${serverText(host, login)} shows ${hostKey === undefined ? 'a key' : `${hostKey.type} key ${hostKey.fingerprint}`}`;
}

async function loginError(host: Host, login: LoggedLogin, denied: string): Promise<BackupError> {
  const { name, connection } = host;
  const fileFault = find(login, /^Load key /) ?? (await unreadableKey(connection));
  if (fileFault !== undefined) {
    const hint = 'Set ansible_ssh_private_key_file to a private key that the user who runs lsbackup alone may read.';
    return new BackupError('HOST_KEY_FILE', `${name}: ${fileFault}; ${denied}`, { host: name, hint });
  }
  const unused = connection.password === undefined ? '' : "; the inventory's password cannot be given to it";
  const message = `${name}: ${serverText(host, login)} refuses to log the system's ssh in: ${denied}${unused}`;
  const hint = `Give the host a key or certificate that it takes; one that is encrypted must be in an SSH agent.`;
  return new BackupError('HOST_AUTH', message, { host: name, hint });
}

function connectionError({ name, connection }: Host, { host, way, isProxied }: OpensshLog): BackupError {
  const reasons = isProxied ? [...way.said, ...host.said].filter((line) => !closed.test(line)) : host.said.slice(-1);
  const silent = isProxied ? 'the command that leads there ended and said nothing' : 'ssh says nothing';
  const why = reasons.length === 0 ? silent : reasons.slice(-3).join('; ');
  return new BackupError('HOST_UNREACHABLE', `${name}: cannot connect to ${targetText(connection)}: ${why}`, {
    host: name,
    retryable: true,
    hint: isProxied
      ? 'Check that the host is up, and the jump hosts or the proxy command that lead to it.'
      : 'Check that the host is up, and ansible_host and ansible_port in the inventory.',
  });
}

/** Of its own arguments ssh complains before it opens its log. */
function optionError({ name }: Host, { host, way }: OpensshLog): BackupError {
  const why = [...host.said, ...way.said].find((line) => !line.startsWith('Warning: ')) ?? 'it says nothing';
  return new BackupError('HOST_UNREACHABLE', `${name}: the system's ssh does not take its options: ${why}`, {
    host: name,
    hint: "Correct the option: in ansible_ssh_*args of the inventory, or in ssh's configuration where the message names a file.",
  });
}

/** The server that ssh got to; without one, what it was to reach. */
function serverText({ connection }: Host, { server }: LoggedLogin): string {
  if (server === undefined) return `a server on the way to ${targetText(connection)}`;
  return `${server.user}@${server.address} port ${server.port}`;
}

/** Where ssh decides the address itself, the name that it was given. */
export function targetText({ transport, sshDestination, address, port }: Connection): string {
  return transport === 'openssh' ? sshDestination : `${address} port ${port}`;
}

/** The name by which ssh keeps the key. Source: hostfile(5) in sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. */
function knownName({ connection }: Host, { alias, server }: LoggedLogin): string {
  const { address, port } = server ?? connection;
  return alias ?? (port === 22 ? address : `[${address}]:${port}`);
}

/** What is wrong with a key that the inventory names: ssh passes over one that is not there. */
async function unreadableKey({ identityFiles }: Connection): Promise<string | undefined> {
  for (const file of identityFiles ?? []) {
    const fault = await access(file, constants.R_OK).catch((error: unknown) => systemReason(error));
    if (fault !== undefined) return `cannot read the key ${file}: ${fault}`;
  }
  return undefined;
}

/** ssh names the line of the known key, not the key. */
async function knownFingerprint(file: string, line: number): Promise<string> {
  const content = await readFile(file, 'utf8').catch(() => '');
  const entry = parseKnownHosts(content, file).find((candidate) => candidate.line === line);
  return entry === undefined ? 'another' : fingerprint(entry.key);
}
