import type { LoadClusterOptions } from '@lsbackup/core';
import { localUser, vaultEnvironment } from '../base/environment.js';
import { promptSecret } from '../base/prompt.js';
import { requireBuildDir, type Settings } from './settings.js';
import { readVaultSecrets } from './vault-secrets.js';

/** The flags of every command that loads a cluster. */
export interface SecretFlags {
  readonly 'vault-password-file'?: string[] | undefined;
  readonly 'vault-id'?: string[] | undefined;
  readonly 'ask-vault-pass'?: boolean | undefined;
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
  return { source, user, vaultSecrets, signal, ...(settings.name !== undefined && { name: settings.name }) };
}
