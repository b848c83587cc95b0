import { createPrivateKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { ParsedKey } from 'ssh2';
import type { Secret } from '../../model/secret.js';
import { KeyProblem, wrongPassphrase } from './key-problem.js';
import { WireReader } from './wire.js';

const magic = 'openssh-key-v1\0';

/** What can be read of OpenSSH's own format without a passphrase (PROTOCOL.key); undefined when the text is malformed. */
export function readOpensshHeader(text: string): { isEncrypted: boolean; publicBlob: Buffer } | undefined {
  const base64 = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]+?)-----END OPENSSH PRIVATE KEY-----/.exec(text)?.[1];
  const bytes = Buffer.from(base64 ?? '', 'base64');
  if (bytes.toString('latin1', 0, magic.length) !== magic) return undefined;
  try {
    const reader = new WireReader(bytes.subarray(magic.length));
    const cipher = reader.string().toString('latin1');
    reader.string();
    reader.string();
    if (reader.number() !== 1) return undefined;
    return { isEncrypted: cipher !== 'none', publicBlob: reader.string() };
  } catch {
    return undefined;
  }
}

/**
 * A private key ready to sign. An encrypted one of OpenSSH's format takes about half a second of this thread: bcrypt in JavaScript.
 * Throws KeyProblem: the passphrase is wrong, or the key is malformed or of a kind that cannot be used.
 */
export async function parsePrivateKey(
  file: string,
  { content, isEncrypted }: { readonly content: Buffer; readonly isEncrypted: boolean },
  passphrase?: Secret,
): Promise<ParsedKey> {
  const { default: ssh2 } = await import('ssh2');
  const openssh = content.includes('BEGIN OPENSSH PRIVATE KEY');
  const source = openssh ? content : exported(openPem(file, content, isEncrypted, passphrase), file);
  // ssh2 returns its errors.
  const parsed: unknown = ssh2.utils.parseKey(source, openssh ? passphrase?.reveal() : undefined);
  const key: unknown = Array.isArray(parsed) ? parsed[0] : parsed;
  if (!isKey(key)) throw isEncrypted ? wrongPassphrase(file) : malformed(file, key);
  return key;
}

/** PKCS#1, SEC 1 and PKCS#8, each also encrypted: OpenSSL reads them, ssh2 only some of them. */
function openPem(file: string, content: Buffer, isEncrypted: boolean, passphrase: Secret | undefined): KeyObject {
  try {
    return createPrivateKey({ key: content, ...(passphrase && { passphrase: passphrase.reveal() }) });
  } catch (error) {
    throw isEncrypted ? wrongPassphrase(file) : malformed(file, error);
  }
}

function exported(key: KeyObject, file: string): string {
  const type = key.asymmetricKeyType;
  if (type === 'rsa') return key.export({ type: 'pkcs1', format: 'pem' }).toString();
  if (type === 'ec') return key.export({ type: 'sec1', format: 'pem' }).toString();
  throw new KeyProblem(
    `the key ${file} is of a kind that ssh does not take in this format (${String(type)})`,
    'Make a key with ssh-keygen, or convert this one to the format of OpenSSH.',
  );
}

function isKey(value: unknown): value is ParsedKey {
  return typeof value === 'object' && value !== null && 'isPrivateKey' in value && (value as ParsedKey).isPrivateKey();
}

function malformed(file: string, cause: unknown): KeyProblem {
  return new KeyProblem(
    `${file} is not a private key that can be used`,
    `Check it with: ssh-keygen -y -f ${file}`,
    cause,
  );
}
