import type { LoadClusterOptions, Secret } from '@lsbackup/core';
import { readPassword } from './password-file.js';

/** The flags that passwords to log in and to become root come from, named as Ansible names them. */
export interface LoginFlags {
  readonly 'ask-pass'?: boolean | undefined;
  readonly 'connection-password-file'?: string | undefined;
  readonly 'ask-become-pass'?: boolean | undefined;
  readonly 'become-password-file'?: string | undefined;
}

/** What reading them needs. */
export interface LoginSecretContext {
  readonly homeDirectory: string;
  readonly signal: AbortSignal;
  /** `otherwise`: what an empty answer means, which is an error without it. */
  readonly prompt: (question: string, signal: AbortSignal, otherwise?: Secret) => Promise<Secret>;
}

/**
 * The passwords for hosts of which the inventory has none. Asked for both, a person may leave the second one out where it is the first:
 * source: ask_passwords of ansible-core 2.19. Errors: USAGE; messages never quote a password.
 */
export async function readLoginSecrets(
  flags: LoginFlags,
  context: LoginSecretContext,
): Promise<Pick<LoadClusterOptions, 'password' | 'becomePassword'>> {
  const { prompt, signal } = context;
  const fromFile = (name: string | undefined, holds: string): Promise<Secret> | undefined =>
    name === undefined ? undefined : readPassword({ name, holds, parameters: [] }, context);
  const password = flags['ask-pass']
    ? await prompt('SSH password', signal)
    : await fromFile(flags['connection-password-file'], 'SSH password');
  const question = flags['ask-pass'] ? 'BECOME password (empty: the SSH password)' : 'BECOME password';
  const becomePassword = flags['ask-become-pass']
    ? await prompt(question, signal, flags['ask-pass'] ? password : undefined)
    : await fromFile(flags['become-password-file'], 'BECOME password');
  return { ...(password && { password }), ...(becomePassword && { becomePassword }) };
}
