import { access, constants, readFile } from 'node:fs/promises';
import type { Connection, Host } from '../cluster/cluster.js';
import { BackupError } from '../model/errors.js';
import { systemReason } from '../model/system-errors.js';
import { fingerprint, parseKnownHosts } from './known-hosts.js';

/** What ssh said while it logged in, without what `-v` adds. Source of all texts: sshconnect.c, sshconnect2.c, sshkey.c and ssh.c of OpenSSH. */
export class OpensshSays {
  readonly #lines: readonly string[];
  readonly #all: string;

  constructor(stderr: string) {
    this.#all = stderr.replaceAll('\r', '');
    this.#lines = this.#all.split('\n').filter((line) => line !== '' && !/^(?:debug\d: |OpenSSH_)/.test(line));
  }

  /** Of the key the host showed: its type and `SHA256:...`. */
  get hostKey(): { readonly type: string; readonly fingerprint: string } | undefined {
    const found = [...this.#all.matchAll(/^debug1: Server host (?:key|certificate): (\S+) (SHA256:[A-Za-z0-9+/]+)/gm)];
    const [, type, sha256] = found.at(-1) ?? [];
    return type === undefined || sha256 === undefined ? undefined : { type, fingerprint: sha256 };
  }

  /** The host's key was accepted although it was not the known one. */
  get tookUnknownKey(): boolean {
    return this.#find(/^Warning: Permanently added|REMOTE HOST IDENTIFICATION HAS CHANGED/) !== undefined;
  }

  /** The connection was dropped before anything was said on it: the server has too many, or is just starting. */
  get wasDropped(): boolean {
    const started = this.#all.includes('Remote protocol version');
    return !started && this.#find(/^(?:kex|ssh)_exchange_identification: .*(?:closed by|reset by)/) !== undefined;
  }

  /** The error of a login that failed: HOST_KEY, HOST_KEY_FILE, HOST_AUTH or HOST_UNREACHABLE. */
  async error(host: Host, login: string): Promise<BackupError> {
    const { address, port } = host.connection;
    if (this.#find(/^Host key verification failed|^Host key for .* has changed|marked as revoked/) !== undefined)
      return this.#hostKeyError(host);
    const denied = this.#find(/Permission denied \(|^Received disconnect from .*Too many authentication failures/);
    if (denied !== undefined) return this.#loginError(host, login, denied);
    const why = this.#lines.at(-1) ?? 'ssh says nothing';
    return new BackupError('HOST_UNREACHABLE', `${host.name}: cannot connect to ${address} port ${port}: ${why}`, {
      host: host.name,
      retryable: true,
      hint: 'Check that the host is up, and ansible_host and ansible_port in the inventory.',
    });
  }

  /** The last thing that was said, for the cause of a connection that is lost. */
  get last(): string | undefined {
    return this.#lines.at(-1);
  }

  async #hostKeyError({ name, connection }: Host): Promise<BackupError> {
    const { address, port } = connection;
    const key = this.hostKey;
    const shown = key === undefined ? 'a key' : `${key.type} key ${key.fingerprint}`;
    const revoked = this.#find(/marked as revoked/);
    if (revoked !== undefined) {
      const hint = 'Do not use this host until it has a new key.';
      return new BackupError('HOST_KEY', `${name}: its ${shown} is marked as revoked`, { host: name, hint });
    }
    const [, file, line] = /^Offending .*key in (.*):(\d+)$/m.exec(this.#lines.join('\n')) ?? [];
    if (file === undefined || line === undefined) {
      const hint = `Compare the fingerprint, then add the key with: ssh-keyscan -p ${port} ${address} >> FILE, a file of UserKnownHostsFile.`;
      const message = `${name}: host key not known: it shows ${shown}, which is in no file of known hosts in use`;
      return new BackupError('HOST_KEY', message, { host: name, hint });
    }
    const known = await knownFingerprint(file, Number(line));
    const where = port === 22 ? address : `[${address}]:${port}`;
    const hint = `If the host was installed anew, remove the old key with: ssh-keygen -R '${where}' -f ${file}`;
    const message = `${name}: host key changed: it shows ${shown}, known is ${known} (${file}:${line})`;
    return new BackupError('HOST_KEY', message, { host: name, hint });
  }

  async #loginError({ name, connection }: Host, login: string, denied: string): Promise<BackupError> {
    const { address, port, password } = connection;
    const keyFault = this.#find(/^Load key /) ?? (await unreadableKey(connection));
    if (keyFault !== undefined) {
      const hint = 'Set ansible_ssh_private_key_file to a private key that the user who runs lsbackup alone may read.';
      return new BackupError('HOST_KEY_FILE', `${name}: ${keyFault}; ${denied}`, { host: name, hint });
    }
    const unused = password === undefined ? '' : "; the inventory's password cannot be given to it";
    const message = `${name}: ${login}@${address} port ${port} refuses to log the system's ssh in: ${denied}${unused}`;
    const hint = `Give the host a key or certificate that it takes; one that is encrypted must be in an SSH agent.`;
    return new BackupError('HOST_AUTH', message, { host: name, hint });
  }

  #find(pattern: RegExp): string | undefined {
    return this.#lines.find((line) => pattern.test(line));
  }
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
