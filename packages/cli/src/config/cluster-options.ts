import type { LoadClusterOptions, LocalUser, Secret } from '@lsbackup/core';
import { localUser, vaultEnvironment } from '../base/environment.js';
import { hasTerminal, promptSecret } from '../base/prompt.js';
import { requireBuildDir, type Settings } from './settings.js';
import { passwordFrom, type PasswordContext } from './password-file.js';
import { readVaultSecrets } from './vault-secrets.js';

/** The flags of every command that loads a cluster. */
export interface SecretFlags {
  readonly 'vault-password-file'?: string[] | undefined;
  readonly 'vault-id'?: string[] | undefined;
  readonly 'ask-vault-pass'?: boolean | undefined;
  readonly 'ask-pass'?: boolean | undefined;
  readonly 'ask-become-pass'?: boolean | undefined;
  readonly 'connection-password-file'?: string | undefined;
  readonly 'become-password-file'?: string | undefined;
}

/**
 * What loading the cluster needs: the build directory, who runs the program, and passwords from files, programs or the terminal. The
 * environment's vault ids come first and its password file last, as in Ansible. Errors: USAGE; what `signal` aborts with.
 */
export async function clusterOptions(
  settings: Settings,
  flags: SecretFlags,
  signal: AbortSignal,
): Promise<LoadClusterOptions> {
  const source = requireBuildDir(settings);
  const user = localUser();
  const inherited = vaultEnvironment();
  const vaultSources = {
    ids: [...inherited.ids, ...(flags['vault-id'] ?? [])],
    files: [...(flags['vault-password-file'] ?? []), ...inherited.files],
    ask: flags['ask-vault-pass'] ?? false,
  };
  const vaultSecrets = await readVaultSecrets(vaultSources, {
    homeDirectory: user.homeDirectory,
    signal,
    prompt: promptSecret,
  });
  const { password, becomePassword } = await loginPasswords(flags, { homeDirectory: user.homeDirectory, signal });
  return {
    source,
    user: { ...user, passphrase: passphrasePrompt(signal) },
    vaultSecrets,
    ...(password && { password }),
    ...(becomePassword && { becomePassword }),
    ...(settings.name !== undefined && { name: settings.name }),
  };
}

/** As in Ansible, the password to log in is the one for root, too, where that is asked for and nothing is entered. */
async function loginPasswords(
  flags: SecretFlags,
  context: PasswordContext,
): Promise<{ readonly password: Secret | undefined; readonly becomePassword: Secret | undefined }> {
  const { 'connection-password-file': connectionFile, 'become-password-file': becomeFile } = flags;
  const fromFile = (file: string | undefined, what: string): Promise<Secret | undefined> =>
    file === undefined ? Promise.resolve(undefined) : passwordFrom({ file, what }, context);
  const password = flags['ask-pass']
    ? await promptSecret('SSH password', context.signal)
    : await fromFile(connectionFile, 'password to log in');
  if (!flags['ask-become-pass'])
    return { password, becomePassword: await fromFile(becomeFile, 'password to become root') };
  if (password === undefined)
    return { password, becomePassword: await promptSecret('Become password', context.signal) };
  const question = 'Become password (defaults to the SSH password)';
  return { password, becomePassword: await promptSecret(question, context.signal, password) };
}

/** Asks once for each key; without a terminal nothing is known, and the error about the key says what to do. */
function passphrasePrompt(signal: AbortSignal): NonNullable<LocalUser['passphrase']> {
  return (keyFile) => (hasTerminal() ? promptSecret(`Passphrase of ${keyFile}`, signal) : Promise.resolve(undefined));
}
