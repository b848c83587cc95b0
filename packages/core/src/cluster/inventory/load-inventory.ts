import { createHash } from 'node:crypto';
import { dirname } from 'node:path';

import { readAdjacentVariables } from './adjacent-variables.js';
import { findInventory } from './inventory-source.js';
import type { Inventory } from './inventory.js';
import { groupsWithHosts, mergeVariables } from './merge-variables.js';
import { readSources } from './read-sources.js';
import { Vault } from './vault.js';
import type { VaultSecret } from './vault.js';

export interface LoadInventoryOptions {
  /** A build directory with an inventory in it, an inventory file, or a directory of several that is called `inventory`. */
  readonly source: string;
  /** Passwords of ansible-vault. Needed only where something encrypted is. */
  readonly vaultSecrets?: readonly VaultSecret[] | undefined;
  /** Stops inventory scripts; its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads the inventory of a build directory, or an inventory file, as Ansible does: INI, YAML, JSON, scripts, several of them in a
 * directory, with the variables in `group_vars` and `host_vars` beside it; connection variables are not interpreted.
 * Throws INVENTORY_MISSING, INVENTORY_UNSUPPORTED (TOML, configurations of other inventory plugins), INVENTORY_SYNTAX with `file:line`,
 * INVENTORY_SCRIPT, or VAULT_PASSWORD for a file that is encrypted as a whole.
 */
export async function loadInventory(
  options: LoadInventoryOptions,
): Promise<Inventory & { readonly directory: string }> {
  const { path, directory, files } = await findInventory(options.source);
  const vault = new Vault(options.vaultSecrets);
  const { hosts, groups, warnings, contents } = await readSources(files, { vault, signal: options.signal });
  const isFile = files.length === 1 && files[0] === path;
  const names = { groups: groupsWithHosts(hosts), hosts: hosts.keys() };
  const adjacent = await readAdjacentVariables(isFile ? dirname(path) : path, names, vault);
  const hash = createHash('sha256');
  for (const content of [...contents, ...adjacent.contents]) hash.update(content);
  return {
    file: path,
    directory,
    sha256: hash.digest('hex'),
    hosts: mergeVariables(hosts, adjacent),
    groups,
    warnings: [...warnings, ...adjacent.warnings],
  };
}
