import { readFile, stat } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import { isUtf8 } from 'node:buffer';
import { getSystemErrorMap } from 'node:util';
import { BackupError } from '@lsbackup/core/store';
import type { Secret, VaultSecret } from '@lsbackup/core';
import { outputOf } from './password-script.js';

/** Where vault passwords come from, as the command line and the environment name it. */
export interface VaultSources {
  /** `--vault-id [LABEL@]FILE|prompt`, in order. */
  readonly ids: readonly string[];
  /** `--vault-password-file FILE`, in order. */
  readonly files: readonly string[];
  /** `--ask-vault-pass` */
  readonly ask: boolean;
}

/** What reading them needs. */
export interface VaultSecretContext {
  readonly homeDirectory: string;
  readonly signal: AbortSignal;
  readonly prompt: (question: string, signal: AbortSignal) => Promise<Secret>;
}

/** One password to get: from a file or script, or, where `file` is undefined, from the person at the terminal. */
interface Source {
  readonly id: string | undefined;
  readonly file: string | undefined;
}

/**
 * The vault passwords in the order in which Ansible tries them: ids, then files, then a prompt. A password file is text, or a program
 * that prints the password; one whose name ends in `-client` is told the label. Source: Ansible documentation, "Managing vault
 * passwords". Stricter than Ansible: a password that cannot be got is an error also when there are others.
 * Errors: USAGE; messages never quote a password.
 */
export async function readVaultSecrets(sources: VaultSources, context: VaultSecretContext): Promise<VaultSecret[]> {
  const secrets: VaultSecret[] = [];
  for (const { id, file } of inOrder(sources)) {
    const question = id === undefined ? 'Vault password' : `Vault password (${id})`;
    const password = file === undefined ? await asked(question, context) : await passwordIn(file, id, context);
    secrets.push({ id, password });
  }
  return secrets;
}

/** Ansible strips what is typed as well. */
async function asked(question: string, { prompt, signal }: VaultSecretContext): Promise<Secret> {
  const { Secret } = await import('@lsbackup/core');
  return new Secret((await prompt(question, signal)).reveal().trim());
}

function inOrder({ ids, files, ask }: VaultSources): Source[] {
  return [
    ...ids.map(sourceOf),
    ...files.map((file) => ({ id: undefined, file })),
    ...(ask ? [{ id: undefined, file: undefined }] : []),
  ];
}

function sourceOf(given: string): Source {
  const at = given.indexOf('@');
  const label = given.slice(0, Math.max(at, 0));
  const name = given.slice(at + 1);
  if (name === '') throw new BackupError('USAGE', `--vault-id ${given}: expected LABEL@FILE, FILE, or prompt`);
  return { id: label === '' ? undefined : label, file: name === 'prompt' ? undefined : name };
}

async function passwordIn(name: string, id: string | undefined, context: VaultSecretContext): Promise<Secret> {
  const file = name.startsWith('~/') ? join(context.homeDirectory, name.slice(2)) : resolve(name);
  const bytes = await readPassword(file, id, context.signal);
  if (!isUtf8(bytes)) throw new BackupError('USAGE', `the vault password of ${file} is not UTF-8 text`);
  const text = bytes.toString('utf8');
  if (text === '') throw new BackupError('USAGE', `the vault password of ${file} is empty`);
  if (text.startsWith('$ANSIBLE_VAULT')) {
    throw new BackupError('USAGE', `the vault password file ${file} is itself encrypted`, {
      hint: 'Decrypt it with ansible-vault, or give a program that prints the password.',
    });
  }
  const { Secret } = await import('@lsbackup/core');
  return new Secret(text);
}

/** As Ansible strips it: a file of all white space around, what a program prints of line ends only. */
async function readPassword(file: string, id: string | undefined, signal: AbortSignal): Promise<Buffer> {
  const { content, executable } = await readPasswordFile(file);
  if (!executable) return stripped(content, whiteSpace);
  if (!isProgram(content)) {
    throw new BackupError('USAGE', `the vault password file ${file} is executable, but is no program`, {
      hint: 'Remove the executable bit, so that its text is the password; or begin a script with #!.',
    });
  }
  const isClient = basename(file, extname(file)).endsWith('-client');
  const parameters = isClient && id !== undefined ? ['--vault-id', id] : [];
  return stripped(await outputOf(file, parameters, signal), lineEnds);
}

async function readPasswordFile(file: string): Promise<{ readonly content: Buffer; readonly executable: boolean }> {
  try {
    const stats = await stat(file);
    if (!stats.isFile()) throw new BackupError('USAGE', `the vault password file ${file} is no regular file`);
    return { content: await readFile(file), executable: (stats.mode & 0o111) !== 0 };
  } catch (error) {
    if (error instanceof BackupError) throw error;
    throw new BackupError('USAGE', `cannot read the vault password file ${file}: ${reasonOf(error)}`, { cause: error });
  }
}

/** A text without `#!` would be run by the shell, which complains about it by quoting it: a password on the screen. */
function isProgram(content: Buffer): boolean {
  return content.toString('latin1', 0, 2) === '#!' || content.subarray(0, 4096).includes(0);
}

/** As Python's bytes.strip() has it. */
const whiteSpace = new Set([9, 10, 11, 12, 13, 32]);
const lineEnds = new Set([10, 13]);

function stripped(bytes: Buffer, around: ReadonlySet<number>): Buffer {
  const start = bytes.findIndex((byte) => !around.has(byte));
  const end = bytes.findLastIndex((byte) => !around.has(byte));
  return start === -1 ? Buffer.alloc(0) : bytes.subarray(start, end + 1);
}

function reasonOf(error: unknown): string {
  const { errno, message } = error as NodeJS.ErrnoException;
  return getSystemErrorMap().get(errno ?? 0)?.[1] ?? message;
}
