import type { AdjacentVariables } from './adjacent-variables.js';
import type { InventoryHost, Variable } from './inventory.js';

/** What a combination of groups gives every host that is in exactly these. */
export interface GroupLayers {
  /** The groups without `all`, in the order in which they count, the last one most. */
  readonly ranked: readonly string[];
  /** Merged: `all`, then the groups in that order, as the inventory sources have them. */
  readonly variables: ReadonlyMap<string, Variable>;
}

/** A host with its variables as the inventory sources have them, merged and in layers. */
export interface LayeredHost extends InventoryHost {
  /** The same object for all hosts in the same groups. */
  readonly inherited: GroupLayers;
  readonly own: ReadonlyMap<string, Variable>;
}

/** Variables that Ansible computes: whatever an inventory says under these names is not kept. Source: its list of internal variables. */
const computedVariables: ReadonlySet<string> = new Set(
  (
    'ansible_async_path ansible_collection_name ansible_config_file ansible_dependent_role_names ansible_diff_mode ' +
    'ansible_facts ansible_forks ansible_inventory_sources ansible_limit ansible_play_batch ansible_play_hosts ' +
    'ansible_play_hosts_all ansible_play_role_names ansible_playbook_python ansible_role_name ansible_role_names ' +
    'ansible_run_tags ansible_skip_tags ansible_verbosity ansible_version inventory_dir inventory_file ' +
    'inventory_hostname inventory_hostname_short groups group_names hostvars playbook_dir play_hosts role_name role_names role_path role_uuid'
  ).split(' '),
);

/** `all` and every group that gives a host variables; of the others Ansible reads no files either. */
export function groupsWithHosts(hosts: ReadonlyMap<string, LayeredHost>): ReadonlySet<string> {
  const combinations = new Set([...hosts.values()].map(({ inherited }) => inherited));
  return new Set(['all', ...[...combinations].flatMap(({ ranked }) => ranked)]);
}

/**
 * The hosts with the variables of `group_vars` and `host_vars` merged in, at the place where each counts in Ansible: files of groups
 * above all that the inventory says of groups, but below what it says of the host. Of several directories of such files a later one counts
 * more, whatever the rank of the group. Source: tried against `ansible-inventory` with several `-i`.
 */
export function mergeVariables(
  hosts: ReadonlyMap<string, LayeredHost>,
  adjacent: readonly AdjacentVariables[],
): ReadonlyMap<string, InventoryHost> {
  const byGroups = new Map<GroupLayers, ReadonlyMap<string, Variable>>();
  const inheritedOf = (inherited: GroupLayers): ReadonlyMap<string, Variable> => {
    const known = byGroups.get(inherited);
    if (known !== undefined) return known;
    const filesOf = (names: readonly string[]) =>
      adjacent.flatMap(({ groups }) => names.map((group) => groups.get(group) ?? new Map<string, Variable>()));
    const merged = mergeLayers([inherited.variables, ...filesOf(['all']), ...filesOf(inherited.ranked)]);
    byGroups.set(inherited, merged);
    return merged;
  };
  const entries = [...hosts.values()].map(({ name, place, groups, inherited, own }) => {
    const variables = mergeLayers([
      inheritedOf(inherited),
      own,
      ...adjacent.map(({ hosts: files }) => files.get(name) ?? new Map<string, Variable>()),
    ]);
    return [name, { name, place, groups, variables }] as const;
  });
  return new Map(entries);
}

/** One mapping of several, of which a later one counts more; without the variables that Ansible computes. */
export function mergeLayers(layers: readonly ReadonlyMap<string, Variable>[]): ReadonlyMap<string, Variable> {
  const result = new Map<string, Variable>();
  for (const layer of layers) {
    for (const [name, variable] of layer) if (!computedVariables.has(name)) result.set(name, variable);
  }
  return result;
}
