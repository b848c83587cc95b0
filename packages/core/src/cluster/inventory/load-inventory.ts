import { createHash } from 'node:crypto';

import { refuseAdjacentVariables } from './adjacent-variables.js';
import { parseIniInventory } from './ini-inventory.js';
import { decodeLines, readInventorySource } from './inventory-source.js';
import type { Inventory } from './inventory.js';

/**
 * Reads the inventory of a build directory, or an inventory file, as Ansible does, without interpreting connection variables.
 * Throws INVENTORY_MISSING, INVENTORY_UNSUPPORTED (what later versions read: YAML, scripts, directories, `group_vars`, vault) or
 * INVENTORY_SYNTAX with `file:line`.
 */
export async function loadInventory(options: {
  readonly source: string;
}): Promise<Inventory & { readonly directory: string }> {
  const source = await readInventorySource(options.source);
  const { hosts, groups, warnings } = parseIniInventory(decodeLines(source), source.file);
  await refuseAdjacentVariables(source.file, { groups: groups.keys(), hosts: hosts.keys() });
  const sha256 = createHash('sha256').update(source.bytes).digest('hex');
  return { file: source.file, directory: source.directory, sha256, hosts, groups, warnings };
}
