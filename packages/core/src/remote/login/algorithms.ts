import type { Algorithms } from 'ssh2';
import type { Login } from '../../cluster/cluster.js';
import { NeedsOpenssh } from '../needs-openssh.js';

/** What ssh2 1.17 can do, its own default first: lib/protocol/constants.js. GCM leads the ciphers: measured fastest, without a MAC of its own. */
const known = {
  ciphers: {
    usual: [
      'aes128-gcm@openssh.com',
      'aes256-gcm@openssh.com',
      'aes128-ctr',
      'aes192-ctr',
      'aes256-ctr',
      'chacha20-poly1305@openssh.com',
    ],
    others: ['aes256-cbc', 'aes192-cbc', 'aes128-cbc', '3des-cbc'],
  },
  keyExchange: {
    usual: [
      'curve25519-sha256',
      'curve25519-sha256@libssh.org',
      'ecdh-sha2-nistp256',
      'ecdh-sha2-nistp384',
      'ecdh-sha2-nistp521',
      'diffie-hellman-group-exchange-sha256',
      'diffie-hellman-group14-sha256',
      'diffie-hellman-group15-sha512',
      'diffie-hellman-group16-sha512',
      'diffie-hellman-group17-sha512',
      'diffie-hellman-group18-sha512',
    ],
    others: ['diffie-hellman-group-exchange-sha1', 'diffie-hellman-group14-sha1', 'diffie-hellman-group1-sha1'],
  },
  macs: {
    usual: [
      'hmac-sha2-256-etm@openssh.com',
      'hmac-sha2-512-etm@openssh.com',
      'hmac-sha1-etm@openssh.com',
      'hmac-sha2-256',
      'hmac-sha2-512',
      'hmac-sha1',
    ],
    others: ['hmac-md5', 'hmac-sha1-96', 'hmac-md5-96'],
  },
} as const;

/** The words of ssh_config(5), for messages. */
const options = { ciphers: 'Ciphers', keyExchange: 'KexAlgorithms', macs: 'MACs', hostKeys: 'HostKeyAlgorithms' };

/**
 * What to offer to the server. `hostKeys` are the host key algorithms in the order that suits the keys known of it; a list of the user's
 * own decides their order itself, unless it only adds and removes, as with ssh (sshconnect2.c, ssh_kex2).
 * Throws NeedsOpenssh when nothing is left of a list.
 */
export function chooseAlgorithms(wanted: Login['algorithms'], hostKeys: readonly string[]): Algorithms {
  const { ciphers, keyExchange, macs } = known;
  const ownHostKeys = choose('hostKeys', wanted.hostKeys, { usual: hostKeys, others: [] });
  const keepsOrder = wanted.hostKeys !== undefined && !/^[+-]/.test(wanted.hostKeys);
  const algorithms = {
    cipher: choose('ciphers', wanted.ciphers, ciphers),
    kex: choose('keyExchange', wanted.keyExchange, keyExchange),
    hmac: choose('macs', wanted.macs, macs),
    serverHostKey: keepsOrder ? ownHostKeys : hostKeys.filter((name) => ownHostKeys.includes(name)),
    compress: ['none'],
  };
  // Names that ssh2 does not know make it throw; none is in the tables.
  return algorithms as unknown as Algorithms;
}

/**
 * A list in ssh_config's syntax, applied to what there is: `+` adds, `-` removes, `^` puts in front, names may have `*` and `?`, and names
 * that are not there are left out (kex.c, kex_assemble_names).
 */
export function assembleNames(text: string | undefined, usual: readonly string[], all: readonly string[]): string[] {
  if (text === undefined) return [...usual];
  const mark = /^[+^-]/.exec(text)?.[0];
  const patterns = (mark === undefined ? text : text.slice(1))
    .split(',')
    .map((pattern) => wildcard(pattern.trim()))
    .filter((pattern) => pattern !== undefined);
  const named = patterns.flatMap((pattern) => all.filter((name) => pattern.test(name)));
  if (mark === '-') return usual.filter((name) => !named.includes(name));
  if (mark === '+') return [...new Set([...usual, ...named])];
  return [...new Set(mark === '^' ? [...named, ...usual] : named)];
}

function choose(
  list: keyof typeof options,
  text: string | undefined,
  { usual, others }: { readonly usual: readonly string[]; readonly others: readonly string[] },
): string[] {
  const chosen = assembleNames(text, usual, [...usual, ...others]);
  if (chosen.length > 0) return chosen;
  throw new NeedsOpenssh(`nothing that ${options[list]} names is known to this program's own SSH`);
}

function wildcard(pattern: string): RegExp | undefined {
  if (pattern === '') return undefined;
  const escaped = pattern.replaceAll(/[.+^${}()|[\]\\-]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`);
}
