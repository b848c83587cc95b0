import { createHash, createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { BackupError } from '../model/errors.js';
import { systemReason } from '../model/system-errors.js';

/** One line of a known_hosts file. Format: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". */
export interface KnownHost {
  readonly marker: 'revoked' | 'cert-authority' | undefined;
  readonly patterns: string;
  readonly type: string;
  readonly key: Buffer;
  readonly file: string;
  readonly line: number;
}

export type HostKeyVerdict =
  | { readonly status: 'known' }
  | { readonly status: 'unknown'; readonly authorities: boolean }
  | { readonly status: 'changed'; readonly entry: KnownHost }
  | { readonly status: 'revoked'; readonly entry: KnownHost };

/** Host keys in the order OpenSSH prefers them; an RSA key is recorded as `ssh-rsa` and offered with three signature algorithms. */
const algorithmsByType = new Map([
  ['ssh-ed25519', ['ssh-ed25519']],
  ['ecdsa-sha2-nistp256', ['ecdsa-sha2-nistp256']],
  ['ecdsa-sha2-nistp384', ['ecdsa-sha2-nistp384']],
  ['ecdsa-sha2-nistp521', ['ecdsa-sha2-nistp521']],
  ['ssh-rsa', ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa']],
] as const);

export type HostKeyAlgorithm = typeof algorithmsByType extends Map<string, readonly (infer Name)[]> ? Name : never;

/** Reads the files in order. A missing file counts as empty; one that cannot be read is HOST_KEY. */
export async function readKnownHosts(files: readonly string[]): Promise<readonly KnownHost[]> {
  const contents = await Promise.all(files.map(readOrEmpty));
  return contents.flatMap((content, index) => parseKnownHosts(content, files[index] ?? ''));
}

/** The entries of one file. Lines that are no entry are left out, as ssh does. */
export function parseKnownHosts(content: string, file: string): readonly KnownHost[] {
  return content.split('\n').flatMap((text, index) => {
    const fields = text.trim().split(/\s+/);
    const first = fields[0] ?? '';
    if (first === '' || first.startsWith('#')) return [];
    const marker = markers.get(first);
    if (first.startsWith('@') && marker === undefined) return [];
    const [patterns, type, key] = marker === undefined ? fields : fields.slice(1);
    if (patterns === undefined || type === undefined || key === undefined) return [];
    return [{ marker, patterns, type, key: Buffer.from(key, 'base64'), file, line: index + 1 }];
  });
}

/** What the files say about the key that a server showed. */
export function checkHostKey(
  entries: readonly KnownHost[],
  address: string,
  port: number,
  key: Buffer,
): HostKeyVerdict {
  const named = entriesFor(entries, address, port);
  const revoked = named.find((entry) => entry.marker === 'revoked' && entry.key.equals(key));
  if (revoked) return { status: 'revoked', entry: revoked };
  const keys = named.filter((entry) => entry.marker === undefined);
  if (keys.some((entry) => entry.key.equals(key))) return { status: 'known' };
  const changed = keys.find((entry) => entry.type === keyType(key));
  if (changed) return { status: 'changed', entry: changed };
  // As ssh does: a host that is not known under its port is accepted with the key known for its name alone.
  if (port !== 22 && keys.length === 0 && checkHostKey(entries, address, 22, key).status === 'known')
    return { status: 'known' };
  return { status: 'unknown', authorities: named.some((entry) => entry.marker === 'cert-authority') };
}

/**
 * The algorithms to ask the server for, the recorded types first: a server that has several keys must show the one we know,
 * or an honest server looks like an attack.
 */
export function hostKeyAlgorithms(
  entries: readonly KnownHost[],
  address: string,
  port: number,
): readonly HostKeyAlgorithm[] {
  const own = entriesFor(entries, address, port);
  const known = own.length > 0 ? own : entriesFor(entries, address, 22);
  const types = new Set(known.filter((entry) => entry.marker === undefined).map((entry) => entry.type));
  const all = [...algorithmsByType.entries()];
  const ordered = [...all.filter(([type]) => types.has(type)), ...all.filter(([type]) => !types.has(type))];
  return ordered.flatMap(([, algorithms]) => [...algorithms]);
}

/** `SHA256:...`, as ssh-keygen prints it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** The type that a public key in SSH wire format names itself (RFC 4253, 6.6). */
export function keyType(key: Buffer): string {
  return key.length < 4 ? '' : key.toString('latin1', 4, 4 + key.readUInt32BE(0));
}

const markers = new Map<string, 'revoked' | 'cert-authority'>([
  ['@revoked', 'revoked'],
  ['@cert-authority', 'cert-authority'],
]);

function entriesFor(entries: readonly KnownHost[], address: string, port: number): readonly KnownHost[] {
  const name = (port === 22 ? address : `[${address}]:${port}`).toLowerCase();
  return entries.filter((entry) => matchesPatterns(entry.patterns, name));
}

function matchesPatterns(patterns: string, name: string): boolean {
  if (patterns.startsWith('|')) return matchesHash(patterns, name);
  let matches = false;
  for (const pattern of patterns.toLowerCase().split(',')) {
    const negated = pattern.startsWith('!');
    if (!wildcard(negated ? pattern.slice(1) : pattern).test(name)) continue;
    if (negated) return false;
    matches = true;
  }
  return matches;
}

/** `|1|salt|hash`: HMAC-SHA1 of the name, keyed with the salt (ssh hostfile.c). */
function matchesHash(text: string, name: string): boolean {
  const [, version, salt, hash] = text.split('|');
  if (version !== '1' || salt === undefined || hash === undefined) return false;
  return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
}

function wildcard(pattern: string): RegExp {
  const escaped = pattern.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's');
}

async function readOrEmpty(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return '';
    throw new BackupError('HOST_KEY', `cannot read the known hosts file ${file}: ${systemReason(error)}`, {
      cause: error,
    });
  }
}
