import { open } from 'node:fs/promises';
import { systemReason } from '../../model/system-errors.js';
import { keyType } from '../known-hosts.js';
import { KeyProblem, OpensshOnlyKey } from './key-problem.js';
import { readOpensshHeader } from './private-key.js';

/** What a file that is named as an identity holds. */
export interface KeyFile {
  readonly file: string;
  /** The public key in SSH wire format, where it is known without a passphrase. */
  readonly publicBlob: Buffer | undefined;
  /** The private key as it is in the file. */
  readonly privateKey: { readonly content: Buffer; readonly isEncrypted: boolean } | undefined;
  /** Why there is no private key that can be used. An agent that has it can be, all the same. */
  readonly problem: KeyProblem | undefined;
  /** There is no such file, nor a public key beside it. */
  readonly isMissing: boolean;
}

/** Far above any key. */
const maximumBytes = 1024 * 1024;
const nameHint = 'Set ansible_ssh_private_key_file to a private key that the user who runs lsbackup may read.';

/**
 * Reads an identity as ssh does: a public key, or a private one with the public one beside it, serves to find the key in an agent
 * (ssh_config(5), IdentityFile), and a private key that others may read is not used (authfile.c, sshkey_perm_ok). Never rejects.
 */
export async function readKeyFile(file: string): Promise<KeyFile> {
  try {
    const { content, mode, isOwn } = await readSmall(file);
    const found = classify(file, content);
    const open = isOwn && (mode & 0o077) !== 0 && found.privateKey !== undefined;
    const publicBlob = found.publicBlob ?? (await publicBeside(file));
    if (!open) return { ...found, publicBlob };
    return { ...unusable(file, tooOpen(file, mode)), publicBlob };
  } catch (error) {
    if (error instanceof KeyProblem) return { ...unusable(file, error), publicBlob: await publicBeside(file) };
    const publicBlob = await publicBeside(file);
    const code = (error as NodeJS.ErrnoException).code;
    const isMissing = publicBlob === undefined && (code === 'ENOENT' || code === 'ENOTDIR');
    const problem = new KeyProblem(`cannot read the key ${file}: ${systemReason(error)}`, nameHint, error);
    return { ...unusable(file, problem), publicBlob, isMissing };
  }
}

function classify(file: string, content: Buffer): KeyFile {
  const text = content.toString('latin1').trimStart();
  const label = /^-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY-----/m.exec(text)?.[1]?.trim();
  if (label === 'OPENSSH') return classifyOpenssh(file, content, text);
  if (label === 'DSA')
    return unusable(file, new KeyProblem(`${file} is a DSA key, which servers no longer take`, nameHint));
  if (label !== undefined && ['', 'RSA', 'EC', 'ENCRYPTED'].includes(label)) {
    const isEncrypted = label === 'ENCRYPTED' || /^Proc-Type: 4,ENCRYPTED/m.test(text);
    return { ...usable(file, { content, isEncrypted }), publicBlob: undefined };
  }
  if (text.startsWith('PuTTY-User-Key-File-')) {
    const hint = `Convert it with: puttygen ${file} -O private-openssh -o NEW_FILE`;
    return unusable(file, new KeyProblem(`the key ${file} is in PuTTY's format, which ssh does not take`, hint));
  }
  const publicBlob = parsePublic(text);
  if (publicBlob !== undefined || /^-{4,5} ?BEGIN (?:SSH2 |RSA )?PUBLIC KEY/.test(text)) {
    const hint = 'Name the private key, usually the same file without .pub, in ansible_ssh_private_key_file.';
    const problem = new KeyProblem(`${file} is a public key, the private one is needed`, hint);
    return { ...unusable(file, problem), publicBlob };
  }
  return unusable(file, notUsable(file));
}

function classifyOpenssh(file: string, content: Buffer, text: string): KeyFile {
  const header = readOpensshHeader(text);
  if (header === undefined) return unusable(file, notUsable(file));
  const { publicBlob, isEncrypted } = header;
  const type = keyType(publicBlob);
  if (!type.startsWith('sk-')) return { ...usable(file, { content, isEncrypted }), publicBlob };
  const hint = 'Only the system ssh can use it.';
  const problem = new OpensshOnlyKey(`the private half of the key ${file} is in a hardware token (${type})`, hint);
  return { ...unusable(file, problem), publicBlob };
}

function usable(file: string, privateKey: NonNullable<KeyFile['privateKey']>): KeyFile {
  return { file, publicBlob: undefined, privateKey, problem: undefined, isMissing: false };
}

function unusable(file: string, problem: KeyProblem): KeyFile {
  return { file, publicBlob: undefined, privateKey: undefined, problem, isMissing: false };
}

function notUsable(file: string): KeyProblem {
  return new KeyProblem(`${file} is not a private key that can be used`, nameHint);
}

function tooOpen(file: string, mode: number): KeyProblem {
  const octal = (mode & 0o7777).toString(8).padStart(4, '0');
  return new KeyProblem(
    `the key ${file} can be read by others (mode ${octal}), so it is not used`,
    `chmod 600 ${file}`,
  );
}

/** The public key of `FILE.pub`; undefined where there is none. */
async function publicBeside(file: string): Promise<Buffer | undefined> {
  try {
    return parsePublic((await readSmall(`${file}.pub`)).content.toString('latin1'));
  } catch {
    // It only helps to find the key in an agent.
    return undefined;
  }
}

/** A line as in authorized_keys, without options: type, key in base64, comment. */
function parsePublic(text: string): Buffer | undefined {
  const line = /^\s*([a-z][\w@.-]*) +([A-Za-z0-9+/]+=*)(?:\s|$)/.exec(text);
  if (line?.[1] === undefined || line[2] === undefined) return undefined;
  const blob = Buffer.from(line[2], 'base64');
  return keyType(blob) === line[1] ? blob : undefined;
}

async function readSmall(file: string): Promise<{ content: Buffer; mode: number; isOwn: boolean }> {
  const handle = await open(file);
  try {
    const { size, mode, uid } = await handle.stat();
    if (size > maximumBytes) throw notUsable(file);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(maximumBytes), 0, maximumBytes);
    return { content: buffer.subarray(0, bytesRead), mode, isOwn: uid === process.getuid?.() };
  } finally {
    await handle.close();
  }
}
