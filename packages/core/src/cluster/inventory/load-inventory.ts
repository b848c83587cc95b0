import { createHash } from 'node:crypto';
import { dirname } from 'node:path';

import { readAdjacentVariables } from './adjacent-variables.js';
import { parseIniInventory } from './ini-inventory.js';
import { decodeLines, readInventorySource } from './inventory-source.js';
import type { Inventory } from './inventory.js';
import { groupsWithHosts, mergeVariables } from './merge-variables.js';
import { Vault } from './vault.js';
import type { VaultSecret } from './vault.js';

/**
 * Reads the inventory of a build directory, or an inventory file, as Ansible does, with the variables in `group_vars` and `host_vars`
 * beside it, without interpreting connection variables.
 * Throws INVENTORY_MISSING, INVENTORY_UNSUPPORTED (what later versions read: YAML, scripts, directories, vault), INVENTORY_SYNTAX with
 * `file:line`, or VAULT_PASSWORD for a file of variables that is encrypted as a whole.
 */
export async function loadInventory(options: {
  readonly source: string;
  readonly vaultSecrets?: readonly VaultSecret[];
}): Promise<Inventory & { readonly directory: string }> {
  const source = await readInventorySource(options.source);
  const { hosts, groups, warnings } = parseIniInventory(decodeLines(source), source.file);
  const names = { groups: groupsWithHosts(hosts), hosts: hosts.keys() };
  const adjacent = await readAdjacentVariables(dirname(source.file), names, new Vault(options.vaultSecrets));
  const hash = createHash('sha256').update(source.bytes);
  for (const content of adjacent.contents) hash.update(content);
  return {
    file: source.file,
    directory: source.directory,
    sha256: hash.digest('hex'),
    hosts: mergeVariables(hosts, adjacent),
    groups,
    warnings: [...warnings, ...adjacent.warnings],
  };
}
