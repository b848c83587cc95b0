import { createHash } from 'node:crypto';

import type { ConfiguredConnections } from '../ansible-config/config-settings.js';
import { readAdjacentVariables } from './adjacent-variables.js';
import type { AdjacentVariables } from './adjacent-variables.js';
import { refuseContradictions } from './contradictions.js';
import { findInventory } from './inventory-source.js';
import type { FoundInventory, InventoryChoice } from './inventory-source.js';
import type { Inventory } from './inventory.js';
import { groupsWithHosts, mergeVariables } from './merge-variables.js';
import { readSources } from './read-sources.js';
import { Vault } from './vault.js';
import type { VaultSecret } from './vault.js';

export interface LoadInventoryOptions extends InventoryChoice {
  /** Passwords of ansible-vault. Needed only where something encrypted is. */
  readonly vaultSecrets?: readonly VaultSecret[] | undefined;
  /** Stops inventory scripts; its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
}

export interface LoadedInventory extends Inventory {
  /** The build directory; absolute. */
  readonly directory: string;
  /** What its `ansible.cfg` says about connections. */
  readonly configured: ConfiguredConnections;
}

/**
 * Reads the inventory of a build directory, or the one that is given, as Ansible does: INI, YAML, JSON, scripts, several of them in a
 * directory or one after the other, with the variables in `group_vars` and `host_vars` beside each; connection variables are not
 * interpreted.
 * Throws INVENTORY_MISSING, also where files that nobody named put a host in different places, INVENTORY_UNSUPPORTED (TOML, configurations of other inventory plugins), INVENTORY_SYNTAX with `file:line`,
 * INVENTORY_SCRIPT, CONFIG_INVALID for an `ansible.cfg` that cannot be read, or VAULT_PASSWORD for a file that is encrypted as a whole.
 */
export async function loadInventory(options: LoadInventoryOptions): Promise<LoadedInventory> {
  const found = await findInventory(options);
  const vault = new Vault(options.vaultSecrets);
  const files = found.sources.flatMap((source) => source.files);
  const context = { vault, directory: found.scriptDirectory, signal: options.signal };
  const { hosts, groups, warnings, contents, contradictions } = await readSources(files, context);
  if (found.merged !== undefined) refuseContradictions(found.merged, contradictions);
  const names = { groups: groupsWithHosts(hosts), hosts: [...hosts.keys()] };
  const adjacent: AdjacentVariables[] = [];
  for (const directory of variablesDirectories(found))
    adjacent.push(await readAdjacentVariables(directory, names, vault));
  const hash = createHash('sha256');
  for (const content of [contents, ...adjacent.map((each) => each.contents)].flat()) hash.update(content);
  return {
    file: found.sources.map(({ path }) => path).join(', '),
    directory: found.directory,
    configured: found.config.connections,
    sha256: hash.digest('hex'),
    hosts: mergeVariables(hosts, adjacent),
    groups,
    warnings: [...found.warnings, ...warnings, ...adjacent.flatMap((each) => each.warnings)],
  };
}

/** Each once, at its last place: a later one counts more, whatever came before. */
function variablesDirectories({ sources }: FoundInventory): string[] {
  const lastFirst = sources.map(({ variablesDirectory }) => variablesDirectory).reverse();
  return [...new Set(lastFirst)].reverse();
}
