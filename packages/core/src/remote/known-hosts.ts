import { createHash, createHmac, randomBytes } from 'node:crypto';
import type { Login } from '../cluster/cluster.js';

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

/** The name a server's key is looked up under. */
export interface KnownName {
  /** The address, `[address]:port` when the port is not 22, or the alias; lower case. */
  readonly name: string;
  /** The address alone, where a key that is known, or revoked, without the port counts too. */
  readonly withoutPort: string | undefined;
}

/** Host keys in the order OpenSSH prefers them; an RSA key is recorded as `ssh-rsa` and offered with three signature algorithms. */
const algorithmsByType = new Map([
  ['ssh-ed25519', ['ssh-ed25519']],
  ['ecdsa-sha2-nistp256', ['ecdsa-sha2-nistp256']],
  ['ecdsa-sha2-nistp384', ['ecdsa-sha2-nistp384']],
  ['ecdsa-sha2-nistp521', ['ecdsa-sha2-nistp521']],
  ['ssh-rsa', ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa']],
] as const);

export type HostKeyAlgorithm = typeof algorithmsByType extends Map<string, readonly (infer Name)[]> ? Name : never;

/** Source: get_hostfile_hostname_ipaddr and check_host_key in OpenSSH's sshconnect.c. An alias is taken as it is, whatever the port. */
export function knownName({ address, port, hostKeys }: Pick<Login, 'address' | 'port' | 'hostKeys'>): KnownName {
  const alias = hostKeys.alias?.toLowerCase();
  const bare = address.toLowerCase();
  if (alias !== undefined) return { name: alias, withoutPort: undefined };
  return port === 22 ? { name: bare, withoutPort: undefined } : { name: `[${bare}]:${port}`, withoutPort: bare };
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
    const bytes = Buffer.from(key, 'base64');
    return keyType(bytes) === type ? [{ marker, patterns, type, key: bytes, file, line: index + 1 }] : [];
  });
}

/**
 * What the files say about the key that a server showed. A server of which other keys are known, of whatever type, has changed: who stands
 * between could choose the type. Source: check_hostkeys_by_key_or_type in OpenSSH's hostfile.c.
 */
export function checkHostKey(
  entries: readonly KnownHost[],
  { name, withoutPort }: KnownName,
  key: Buffer,
): HostKeyVerdict {
  const named = entriesFor(entries, name);
  const revoked = named.find((entry) => entry.marker === 'revoked' && entry.key.equals(key));
  if (revoked) return { status: 'revoked', entry: revoked };
  const keys = named.filter((entry) => entry.marker === undefined);
  if (keys.some((entry) => entry.key.equals(key))) return { status: 'known' };
  const changed = keys.find((entry) => entry.type === keyType(key)) ?? keys[0];
  if (changed) return { status: 'changed', entry: changed };
  if (withoutPort !== undefined) {
    const bare = checkHostKey(entries, { name: withoutPort, withoutPort: undefined }, key);
    if (bare.status === 'known' || bare.status === 'revoked') return bare;
  }
  return { status: 'unknown', authorities: named.some((entry) => entry.marker === 'cert-authority') };
}

/**
 * The algorithms to ask the server for, the recorded types first: a server that has several keys must show the one we know,
 * or an honest server looks like an attack.
 */
export function hostKeyAlgorithms(
  entries: readonly KnownHost[],
  { name, withoutPort = name }: KnownName,
): readonly HostKeyAlgorithm[] {
  const own = entriesFor(entries, name);
  const known = own.length > 0 ? own : entriesFor(entries, withoutPort);
  const types = new Set(known.filter((entry) => entry.marker === undefined).map((entry) => entry.type));
  const all = [...algorithmsByType.entries()];
  const ordered = [...all.filter(([type]) => types.has(type)), ...all.filter(([type]) => !types.has(type))];
  return ordered.flatMap(([, algorithms]) => [...algorithms]);
}

/** The entries for a name, those with markers too, in the order of the files. `name` is in lower case. */
export function entriesFor(entries: readonly KnownHost[], name: string): readonly KnownHost[] {
  return entries.filter((entry) => matchesPatterns(entry.patterns, name));
}

/** The line, with its end, that makes a key known. */
export function knownHostsLine(name: string, key: Buffer, options: { readonly hash: boolean }): string {
  return `${options.hash ? hashed(name, randomBytes(20)) : name} ${keyType(key)} ${key.toString('base64')}\n`;
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

function matchesHash(text: string, name: string): boolean {
  const [, version, salt] = text.split('|');
  return version === '1' && salt !== undefined && hashed(name, Buffer.from(salt, 'base64')) === text;
}

/** `|1|salt|hash`: HMAC-SHA1 of the name, keyed with the salt. Source: host_hash in OpenSSH's hostfile.c. */
function hashed(name: string, salt: Buffer): string {
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`;
}

function wildcard(pattern: string): RegExp {
  const escaped = pattern.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's');
}
