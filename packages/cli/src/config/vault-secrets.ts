import { basename, extname } from 'node:path';
import { BackupError } from '@lsbackup/core/store';
import type { Secret, VaultSecret } from '@lsbackup/core';
import { readPassword } from './password-file.js';

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
  const isClient = basename(name, extname(name)).endsWith('-client');
  const parameters = isClient && id !== undefined ? ['--vault-id', id] : [];
  return readPassword({ name, holds: 'vault password', parameters }, context);
}
