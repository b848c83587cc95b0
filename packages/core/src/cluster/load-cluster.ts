import { basename } from 'node:path';

import { BackupError } from '../model/errors.js';
import type { Cluster, Host, LocalUser } from './cluster.js';
import { connectionOf } from './connection/connection.js';
import { ComponentVariables } from './component-variables.js';
import type { Inventory, InventoryHost } from './inventory/inventory.js';
import { loadInventory } from './inventory/load-inventory.js';
import { Vault } from './inventory/vault.js';
import type { VaultSecret } from './inventory/vault.js';

export interface LoadClusterOptions {
  /** A build directory with an inventory in it, an inventory file, or a directory of several that is called `inventory`. */
  readonly source: string;
  readonly user: LocalUser;
  /** Name of the cluster; that of the build directory unless set, `cluster` where that is the root directory. */
  readonly name?: string;
  /** Passwords of ansible-vault. Needed only where something encrypted is. */
  readonly vaultSecrets?: readonly VaultSecret[];
  /** Stops inventory scripts; its reason is thrown. */
  readonly signal?: AbortSignal;
}

/**
 * The cluster that an inventory describes, with how to reach every host. Touches no host.
 * Throws INVENTORY_MISSING, INVENTORY_SYNTAX (with `file:line`; also for an inventory without hosts), INVENTORY_SCRIPT or INVENTORY_UNSUPPORTED,
 * also for a host that is to be reached in a way this version has not: jump hosts, `ansible_connection=local`, templates. Throws
 * VAULT_PASSWORD when the connection of a host, an `lsbackup_*` variable or a whole file of variables is encrypted and no password fits.
 */
export async function loadCluster(options: LoadClusterOptions): Promise<Cluster> {
  const { source, vaultSecrets, signal } = options;
  const inventory = await loadInventory({ source, vaultSecrets, signal });
  if (inventory.hosts.size === 0) {
    throw new BackupError('INVENTORY_SYNTAX', `${inventory.file}: the inventory names no host`);
  }
  const vault = new Vault(vaultSecrets);
  const variables = new ComponentVariables(vault);
  const place = { file: inventory.file, user: options.user, vault, variables };
  const hosts = [...inventory.hosts.values()].map((host) => clusterHost(host, place));
  return {
    name: options.name ?? (basename(inventory.directory) || 'cluster'),
    inventoryFile: inventory.file,
    inventorySha256: inventory.sha256,
    hosts,
    groups: membersByGroup(inventory),
    namingGroups: namingGroups(inventory),
    warnings: inventory.warnings,
  };
}

interface HostPlace {
  readonly file: string;
  readonly user: LocalUser;
  readonly vault: Vault;
  readonly variables: ComponentVariables;
}

function clusterHost(host: InventoryHost, place: HostPlace): Host {
  return {
    name: host.name,
    groups: host.groups.filter((group) => group !== 'ungrouped'),
    variables: place.variables.of(host),
    connection: connectionOf(host, place),
  };
}

/** A host's groups are those that name it and all above them. */
function membersByGroup(inventory: Inventory): ReadonlyMap<string, readonly string[]> {
  const members = new Map([...inventory.groups.keys()].map((group) => [group, new Array<string>()]));
  for (const host of inventory.hosts.values()) {
    for (const group of ['all', ...host.groups]) members.get(group)?.push(host.name);
  }
  return members;
}

function namingGroups(inventory: Inventory): ReadonlyMap<string, readonly string[]> {
  const parents = new Map([...inventory.groups.keys()].map((group) => [group, new Array<string>()]));
  for (const { name, children } of inventory.groups.values())
    if (name !== 'all') for (const child of children) parents.get(child)?.push(name);
  const above = (group: string): readonly string[] => {
    const found = new Set(parents.get(group));
    for (const parent of found) for (const each of parents.get(parent) ?? []) found.add(each);
    return [...found];
  };
  const naming = [...inventory.groups.values()].filter(({ hosts }) => hosts.length > 0);
  return new Map(naming.map(({ name }) => [name, above(name)]));
}
