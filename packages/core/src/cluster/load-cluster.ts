import { basename } from 'node:path';

import { BackupError } from '../model/errors.js';
import type { Json } from '../model/json.js';
import type { Cluster, Host, LocalUser } from './cluster.js';
import { connectionOf } from './connection/connection.js';
import { readManifest } from './documents/manifest.js';
import { groupMembers } from './inventory/group-members.js';
import type { Inventory, InventoryHost, InventoryValue } from './inventory/inventory.js';
import { loadInventory } from './inventory/load-inventory.js';

export interface LoadClusterOptions {
  /** A build directory with a file `inventory` in it, or an inventory file. */
  readonly source: string;
  readonly user: LocalUser;
  /** Name of the cluster; that in `manifest.yml` unless set, else the build directory's, `cluster` where that is the root directory. */
  readonly name?: string;
}

/**
 * The cluster that an inventory describes, with how to reach every host. Touches no host.
 * Throws INVENTORY_MISSING, INVENTORY_SYNTAX (with `file:line`, also for an inventory without hosts) or INVENTORY_UNSUPPORTED,
 * also for a host that is to be reached in a way this version has not: jump hosts, `ansible_connection=local`, templates.
 */
export async function loadCluster(options: LoadClusterOptions): Promise<Cluster> {
  const inventory = await loadInventory({ source: options.source });
  if (inventory.hosts.size === 0) {
    throw new BackupError('INVENTORY_SYNTAX', `${inventory.file}:1: the inventory names no host`);
  }
  const manifest = options.name === undefined ? await readManifest(inventory.directory) : undefined;
  const hosts = [...inventory.hosts.values()].map((host) => clusterHost(host, inventory.file, options.user));
  return {
    name: options.name ?? manifest?.clusterName ?? (basename(inventory.directory) || 'cluster'),
    inventoryFile: inventory.file,
    inventorySha256: inventory.sha256,
    hosts,
    ...groupMembers(inventory),
    namingGroups: namingGroups(inventory),
    warnings: [...inventory.warnings, ...(manifest?.warnings ?? [])],
  };
}

function clusterHost(host: InventoryHost, file: string, user: LocalUser): Host {
  const variables = [...host.variables].map(([name, { value }]) => [name, jsonOf(value)] as const);
  return {
    name: host.name,
    groups: host.groups.filter((group) => group !== 'ungrouped'),
    variables: Object.fromEntries(variables),
    connection: connectionOf(host, { file, user }),
  };
}

/** Integers that a number cannot hold become their digits. */
function jsonOf(value: InventoryValue): Json {
  if (typeof value === 'bigint') return String(value);
  if (value === null || typeof value !== 'object') return value;
  if (isList(value)) return value.map(jsonOf);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, jsonOf(item)]));
}

function isList(value: InventoryValue): value is readonly InventoryValue[] {
  return Array.isArray(value);
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
