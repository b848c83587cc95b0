import { basename, join } from 'node:path';

import { asBackupError, BackupError } from '../model/errors.js';
import type { Secret } from '../model/secret.js';
import type { ConfiguredConnections } from './ansible-config/config-settings.js';
import type { Cluster, Host, LocalUser } from './cluster.js';
import { ComponentVariables } from './component-variables.js';
import { connectionOf } from './connection/connection.js';
import type { ConnectionContext } from './connection/connection.js';
import { plainConnection } from './connection/plain-connection.js';
import { SshConfigs } from './connection/ssh-config.js';
import type { SshConfigPaths } from './connection/ssh-config.js';
import { Ways } from './connection/way.js';
import { readManifest } from './documents/manifest.js';
import { groupMembers } from './inventory/group-members.js';
import type { InventoryChoice } from './inventory/inventory-source.js';
import type { Inventory, InventoryHost } from './inventory/inventory.js';
import { loadInventory } from './inventory/load-inventory.js';
import { Vault } from './inventory/vault.js';
import type { VaultSecret } from './inventory/vault.js';

export interface LoadClusterOptions extends InventoryChoice {
  readonly user: LocalUser;
  /** Name of the cluster; that in `manifest.yml` unless set, else the build directory's, `cluster` where that is the root directory. */
  readonly name?: string;
  /** Passwords of ansible-vault. Needed only where something encrypted is. */
  readonly vaultSecrets?: readonly VaultSecret[];
  /** To log in where the inventory has no password (Ansible's `--ask-pass`). */
  readonly password?: Secret;
  /** To become root where the inventory has no password for it (Ansible's `--ask-become-pass`). */
  readonly becomePassword?: Secret;
  /** The configuration files of ssh: `~/.ssh/config` and `/etc/ssh/ssh_config` unless set. One that is not there says nothing. */
  readonly sshConfig?: SshConfigPaths;
  /** Stops inventory scripts; its reason is thrown. */
  readonly signal?: AbortSignal;
}

/**
 * The cluster that an inventory describes, with how to reach every host. Touches no host.
 * Throws INVENTORY_MISSING, INVENTORY_SYNTAX (with `file:line`; also for an inventory without hosts), INVENTORY_SCRIPT, INVENTORY_UNSUPPORTED, or
 * VAULT_PASSWORD when a whole file of variables is encrypted and no password fits. A host that this version cannot reach as it is told
 * to, or of which an encrypted value is needed that no password fits, is there with its `refusal`, so that the others can be backed up
 * without it.
 */
export async function loadCluster(options: LoadClusterOptions): Promise<Cluster> {
  const inventory = await loadInventory(options);
  if (inventory.hosts.size === 0) {
    throw new BackupError('INVENTORY_SYNTAX', `${inventory.file}: the inventory names no host`);
  }
  const context = connectionContext(options, inventory);
  const variables = new ComponentVariables(context.vault);
  const hosts: Host[] = [];
  // One by one: the way to a jump host that is known serves all hosts behind it.
  for (const host of inventory.hosts.values()) hosts.push(await clusterHost(host, variables, context));
  const manifest = options.name === undefined ? await readManifest(inventory.directory) : undefined;
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

function connectionContext(
  options: LoadClusterOptions,
  { file, configured }: { readonly file: string; readonly configured: ConfiguredConnections },
): ConnectionContext {
  const { user, password, becomePassword } = options;
  const userFile = join(user.homeDirectory, '.ssh', 'config');
  const paths = options.sshConfig ?? { user: userFile, system: '/etc/ssh/ssh_config' };
  const configs = new SshConfigs(user.homeDirectory, paths);
  return {
    file,
    user,
    configured,
    ways: new Ways({ localUser: user, configs }),
    vault: new Vault(options.vaultSecrets),
    password,
    becomePassword,
  };
}

async function clusterHost(
  host: InventoryHost,
  variables: ComponentVariables,
  context: ConnectionContext,
): Promise<Host> {
  const { name } = host;
  const groups = host.groups.filter((group) => group !== 'ungrouped');
  try {
    return { name, groups, variables: variables.of(host), connection: await connectionOf(host, context) };
  } catch (error) {
    const refusal = asBackupError(error, { host: name });
    return { name, groups, variables: {}, connection: plainConnection(name), refusal };
  }
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
