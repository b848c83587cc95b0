import { access, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { AnyAuthMethod, ParsedKey } from 'ssh2';
import type { Host, LocalUser } from '../cluster/cluster.js';
import { BackupError } from '../model/errors.js';
import { systemReason } from '../model/system-errors.js';

/** Tried where the inventory names no key and there is no agent, in ssh's order (ssh_config(5), IdentityFile). */
const defaultKeys = ['id_rsa', 'id_ecdsa', 'id_ed25519'];

/** What to offer to the server, in order. */
export interface Identity {
  readonly attempts: readonly AnyAuthMethod[];
  /** For messages: what will be tried. */
  readonly tried: readonly string[];
  /** A key file that was passed over because only the agent can use it. */
  readonly encrypted: string | undefined;
}

/**
 * The explicit order of authentication: the inventory's key file, the agent, the user's default key files.
 * Errors: HOST_KEY_FILE when the inventory's key cannot be read, is no key, or needs a passphrase and there is no agent.
 */
export async function loadIdentity(host: Host, user: LocalUser, username: string): Promise<Identity> {
  const attempts: AnyAuthMethod[] = [];
  const tried: string[] = [];
  let encrypted: string | undefined;
  const named = host.connection.identityFiles?.[0];
  if (named !== undefined) {
    const key = await loadKey(named, host.name);
    if (key === 'encrypted') encrypted = named;
    else attempts.push({ type: 'publickey', username, key });
    if (key !== 'encrypted') tried.push(named);
  }
  if (encrypted !== undefined && user.agentSocket === undefined) {
    throw new BackupError('HOST_KEY_FILE', `${host.name}: the key ${encrypted} needs a passphrase`, {
      host: host.name,
      hint: `Load it into an SSH agent (ssh-add ${encrypted}) and start again with SSH_AUTH_SOCK set.`,
    });
  }
  if (user.agentSocket !== undefined) {
    attempts.push({ type: 'agent', username, agent: user.agentSocket });
    tried.push('the SSH agent');
  }
  if (named === undefined) {
    for (const file of await existing(defaultKeys.map((name) => path.join(user.homeDirectory, '.ssh', name)))) {
      const key = await loadKey(file, host.name).catch(() => 'encrypted' as const);
      if (key === 'encrypted') continue;
      attempts.push({ type: 'publickey', username, key });
      tried.push(file);
    }
  }
  return { attempts, tried, encrypted };
}

const keyHint = 'Set ansible_ssh_private_key_file to a private key that the user who runs lsbackup may read.';

async function loadKey(file: string, host: string): Promise<ParsedKey | 'encrypted'> {
  const content = await readFile(file).catch((error: unknown) => {
    throw new BackupError('HOST_KEY_FILE', `${host}: cannot read the key ${file}: ${systemReason(error)}`, {
      host,
      cause: error,
      hint: `${keyHint} A relative path counts from the directory lsbackup is started in.`,
    });
  });
  const { default: ssh2 } = await import('ssh2');
  // ssh2 returns its errors; the texts are in its keyParser.js.
  const parsed = ssh2.utils.parseKey(content);
  const key = Array.isArray(parsed) ? (parsed as ParsedKey[])[0] : parsed;
  if (key instanceof Error || key === undefined) {
    if (key && /passphrase/i.test(key.message)) return 'encrypted';
    throw new BackupError('HOST_KEY_FILE', `${host}: ${file} is not a private key that can be used`, {
      host,
      cause: key,
      hint: keyHint,
    });
  }
  if (!key.isPrivateKey()) {
    throw new BackupError('HOST_KEY_FILE', `${host}: ${file} is a public key, the private one is needed`, {
      host,
      hint: 'Name the private key, usually the same file without .pub, in ansible_ssh_private_key_file.',
    });
  }
  return key;
}

async function existing(files: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(
    files.map((file) =>
      access(file).then(
        () => true,
        () => false,
      ),
    ),
  );
  return files.filter((_, index) => found[index]);
}
