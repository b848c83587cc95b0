import type { LoadClusterOptions, LocalUser } from '@lsbackup/core';
import { ansibleConfig, ansibleInventory, localUser, vaultEnvironment } from '../base/environment.js';
import { hasTerminal, promptSecret } from '../base/prompt.js';
import { requireInventory, type Settings } from './settings.js';
import { type LoginFlags, readLoginSecrets } from './login-secrets.js';
import { readVaultSecrets } from './vault-secrets.js';

/** The flags of every command that loads a cluster. */
export interface SecretFlags extends LoginFlags {
  readonly 'vault-password-file'?: string[] | undefined;
  readonly 'vault-id'?: string[] | undefined;
  readonly 'ask-vault-pass'?: boolean | undefined;
}

/**
 * What loading the cluster needs: the inventory, who runs the program, and passwords from files, programs or the terminal. The
 * environment's vault ids, or else those of `ansible.cfg`, come first and its password file last, as in Ansible. Errors: USAGE;
 * INVENTORY_MISSING and CONFIG_INVALID where the build directory or its `ansible.cfg` cannot be read; what `signal` aborts with.
 */
export async function clusterOptions(
  settings: Settings,
  flags: SecretFlags,
  signal: AbortSignal,
): Promise<LoadClusterOptions> {
  const user = localUser();
  const given = requireInventory(settings);
  const inheritedInventory = given.inventory === undefined ? ansibleInventory(user) : undefined;
  const choice = { ...given, ...ansibleConfig(user), ansibleInventory: inheritedInventory };
  const { vaultPasswordsOf } = await import('@lsbackup/core');
  const configured = await vaultPasswordsOf(choice);
  const inherited = vaultEnvironment(configured);
  const vaultSources = {
    ids: [...inherited.ids, ...(flags['vault-id'] ?? [])],
    files: [...(flags['vault-password-file'] ?? []), ...inherited.files],
    ask: flags['ask-vault-pass'] ?? false,
  };
  const context = { homeDirectory: user.homeDirectory, signal, prompt: promptSecret };
  const loginSecrets = await readLoginSecrets(flags, context);
  const vaultSecrets = await readVaultSecrets(vaultSources, context);
  return {
    ...choice,
    user: { ...user, passphrase: passphrasePrompt(signal) },
    vaultSecrets,
    signal,
    ...loginSecrets,
    ...(settings.name !== undefined && { name: settings.name }),
  };
}

/** Asks for the passphrase of a key. Without a terminal it is not known, and the error about the key says what to do. */
function passphrasePrompt(signal: AbortSignal): NonNullable<LocalUser['passphrase']> {
  return (keyFile) => (hasTerminal() ? promptSecret(`Passphrase of ${keyFile}`, signal) : Promise.resolve(undefined));
}
