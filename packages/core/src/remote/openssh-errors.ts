import { access, constants, readFile } from 'node:fs/promises';
import type { Connection, Host } from '../cluster/cluster.js';
import { BackupError } from '../model/errors.js';
import { systemReason } from '../model/system-errors.js';
import { fingerprint, parseKnownHosts } from './known-hosts.js';
import type { OpensshLog } from './openssh-log.js';

/** What ssh says when a connection ends; where a command leads to the server, the command has said why before. */
const closed = /^(?:kex|ssh)_exchange_identification: |^Connection (?:closed|reset) by |^banner exchange: Connection /;

/**
 * The error of a login that failed: HOST_KEY, HOST_KEY_FILE, HOST_AUTH or HOST_UNREACHABLE. It names the server that ssh had got to, which
 * may be a jump host.
 */
export async function opensshError(host: Host, log: OpensshLog): Promise<BackupError> {
  if (log.find(/^Host key verification failed|^Host key for .* has changed|marked as revoked/) !== undefined)
    return hostKeyError(host, log);
  const denied = log.find(/Permission denied \(|Too many authentication failures/);
  if (denied !== undefined) return loginError(host, log, denied);
  return log.hasTried ? connectionError(host, log) : optionError(host, log);
}

/** Whether the connection was dropped before anything was said on it: the server has too many, or is just starting. */
export function wasDropped(log: OpensshLog): boolean {
  const isClosed = log.find(/^(?:kex|ssh)_exchange_identification: .*(?:closed by|reset by)/) !== undefined;
  return isClosed && log.said.every((line) => closed.test(line) || line.startsWith('Warning: '));
}

async function hostKeyError(host: Host, log: OpensshLog): Promise<BackupError> {
  const { name } = host;
  const key = log.hostKey === undefined ? 'a key' : `${log.hostKey.type} key ${log.hostKey.fingerprint}`;
  const shows = `${serverText(host, log)} shows ${key}`;
  const error = (message: string, hint: string): BackupError =>
    new BackupError('HOST_KEY', `${name}: ${message}`, { host: name, hint });
  if (log.find(/marked as revoked/) !== undefined)
    return error(`host key revoked: ${shows}`, 'Do not use this host until it has a new key.');
  const [, file, line] = /^Offending .*key in (.*):(\d+)$/m.exec(log.said.join('\n')) ?? [];
  if (file === undefined || line === undefined) {
    const hint =
      "Compare the fingerprint, then let ssh add the key: log in to the host by hand once, with the inventory's options.";
    return error(`host key not known: ${shows}, which is in no file of known hosts in use`, hint);
  }
  const known = await knownFingerprint(file, Number(line));
  return error(
    `host key changed: ${shows}, known is ${known} (${file}:${line})`,
    `If the host was installed anew, remove the old key with: ssh-keygen -R '${knownName(host, log)}' -f ${file}`,
  );
}

async function loginError(host: Host, log: OpensshLog, denied: string): Promise<BackupError> {
  const { name, connection } = host;
  const keyFault = log.find(/^Load key /) ?? (await unreadableKey(connection));
  if (keyFault !== undefined) {
    const hint = 'Set ansible_ssh_private_key_file to a private key that the user who runs lsbackup alone may read.';
    return new BackupError('HOST_KEY_FILE', `${name}: ${keyFault}; ${denied}`, { host: name, hint });
  }
  const unused = connection.password === undefined ? '' : "; the inventory's password cannot be given to it";
  const message = `${name}: ${serverText(host, log)} refuses to log the system's ssh in: ${denied}${unused}`;
  const hint = `Give the host a key or certificate that it takes; one that is encrypted must be in an SSH agent.`;
  return new BackupError('HOST_AUTH', message, { host: name, hint });
}

function connectionError(host: Host, log: OpensshLog): BackupError {
  const { name, connection } = host;
  const reasons = log.isProxied ? log.said.filter((line) => !closed.test(line)) : log.said.slice(-1);
  const silent = log.isProxied ? 'the command that leads there ended and said nothing' : 'ssh says nothing';
  const why = reasons.length === 0 ? silent : reasons.slice(-3).join('; ');
  return new BackupError('HOST_UNREACHABLE', `${name}: cannot connect to ${targetText(connection)}: ${why}`, {
    host: name,
    retryable: true,
    hint: log.isProxied
      ? 'Check that the host is up, and the jump hosts or the proxy command that lead to it.'
      : 'Check that the host is up, and ansible_host and ansible_port in the inventory.',
  });
}

function optionError({ name }: Host, log: OpensshLog): BackupError {
  const why = log.said.find((line) => !line.startsWith('Warning: ')) ?? 'it says nothing';
  return new BackupError('HOST_UNREACHABLE', `${name}: the system's ssh does not take its options: ${why}`, {
    host: name,
    hint: "Correct the option: in ansible_ssh_*args of the inventory, or in ssh's configuration where the message names a file.",
  });
}

/** The server that ssh got to; without one, what it was to reach. */
function serverText({ connection }: Host, { server, isProxied }: OpensshLog): string {
  if (server !== undefined) return `${server.user}@${server.address} port ${server.port}`;
  return isProxied ? `a server on the way to ${targetText(connection)}` : targetText(connection);
}

/** Where ssh decides the address itself, the name that it was given. */
export function targetText({ transport, sshDestination, address, port }: Connection): string {
  return transport === 'openssh' ? sshDestination : `${address} port ${port}`;
}

/** The name by which ssh keeps the key. Source: hostfile(5) in sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. */
function knownName({ connection }: Host, { alias, server }: OpensshLog): string {
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
