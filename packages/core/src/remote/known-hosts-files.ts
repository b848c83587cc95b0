import { mkdir, open, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { HostKeyPolicy, LocalUser } from '../cluster/cluster.js';
import { BackupError } from '../model/errors.js';
import { systemReason } from '../model/system-errors.js';
import { knownHostsLine, parseKnownHosts } from './known-hosts.js';
import type { KnownHost, KnownName } from './known-hosts.js';

/** What is known of host keys when a server shows its own. */
export interface KnownHosts {
  readonly entries: readonly KnownHost[];
  /** Keys that no server may show, with the file that says so. */
  readonly revoked: { readonly file: string; readonly keys: readonly Buffer[] } | undefined;
  /** The user's files, then those for all users. */
  readonly files: readonly string[];
  /** The file that new keys are added to; undefined: none. */
  readonly additions: string | undefined;
}

/** The user's own files where nothing names others (ssh_config(5), UserKnownHostsFile). */
export function userKnownHosts(user: LocalUser): readonly string[] {
  return ['known_hosts', 'known_hosts2'].map((name) => path.join(user.homeDirectory, '.ssh', name));
}

/**
 * Reads the files of a policy; ssh's own where it names none (ssh_config(5), UserKnownHostsFile and GlobalKnownHostsFile). A missing file
 * counts as empty. Errors: HOST_KEY for one that cannot be read, and for a file of revoked keys that is missing or no list of public keys.
 */
export async function readKnownHosts(policy: HostKeyPolicy, user: LocalUser): Promise<KnownHosts> {
  const userFiles = policy.userFiles ?? userKnownHosts(user);
  const files = [...userFiles, ...(policy.globalFiles ?? ['/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2'])];
  const contents = await Promise.all(files.map(readOrEmpty));
  return {
    entries: contents.flatMap((content, index) => parseKnownHosts(content, files[index] ?? '')),
    revoked: policy.revokedFile === undefined ? undefined : await readRevoked(policy.revokedFile),
    files,
    additions: userFiles[0] === '/dev/null' ? undefined : userFiles[0],
  };
}

/**
 * Makes a key known, as ssh does when it accepts a new one, on a line of its own whoever else adds some at the same time; a directory that
 * is missing is made for its owner alone. Errors: those of the file system.
 */
export async function addKnownHost(
  file: string,
  key: Buffer,
  { name, hash }: { readonly name: KnownName; readonly hash: boolean },
): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  await endLastLine(file);
  await using handle = await open(file, 'a', 0o600);
  const line = Buffer.from(knownHostsLine(name.name, key, { hash }));
  const { bytesWritten } = await handle.write(line);
  if (bytesWritten < line.length) throw new Error('the line could not be written completely');
}

/** At a place of its own and not at the end, so that of several who find the line without an end all write the same one. */
async function endLastLine(file: string): Promise<void> {
  await using handle = await open(file, 'r+').catch((error: unknown) => {
    if (isAbsence(error)) return undefined;
    throw error;
  });
  if (handle === undefined) return;
  const { size } = await handle.stat();
  if (size === 0) return;
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
  if (buffer.toString() !== '\n') await handle.write('\n', size);
}

/** Public keys, one a line; ssh also takes binary key revocation lists (sshd(8), ssh-keygen(1)), we do not. */
async function readRevoked(file: string): Promise<KnownHosts['revoked']> {
  const content = await readFile(file).catch((error: unknown) => {
    throw unreadable(`the file of revoked host keys ${file}`, error);
  });
  if (content.toString('latin1', 0, 6) === 'SSHKRL') {
    throw new BackupError(
      'HOST_KEY',
      `the file of revoked host keys ${file} is a binary list, which is not supported`,
      {
        hint: 'List the public keys in it, one a line, or set lsbackup_transport=openssh for the hosts.',
      },
    );
  }
  const lines = content
    .toString()
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.trimStart().startsWith('#'));
  const keys = lines.map((line, index) => {
    const [entry] = parseKnownHosts(`revoked ${line}`, file);
    if (entry === undefined)
      throw new BackupError('HOST_KEY', `${file}: entry ${index + 1} is not a public key`, {
        hint: 'A file of RevokedHostKeys has one public key a line.',
      });
    return entry.key;
  });
  return { file, keys };
}

async function readOrEmpty(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isAbsence(error)) return '';
    throw unreadable(`the known hosts file ${file}`, error);
  }
}

function unreadable(what: string, cause: unknown): BackupError {
  return new BackupError('HOST_KEY', `cannot read ${what}: ${systemReason(cause)}`, {
    cause,
    hint: 'Give the user who runs lsbackup permission to read it.',
  });
}

function isAbsence(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
