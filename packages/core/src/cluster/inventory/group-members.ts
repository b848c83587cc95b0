import type { Inventory, InventoryGroup } from './inventory.js';

/** Who is in each group, and where that has no order that can be counted in. */
export interface GroupMembers {
  /** Group name to the names of the hosts in it and below it, in the order in which Ansible counts them. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
  /** Groups with two children on one level that both have children: Ansible walks through these in the order of a hash. */
  readonly unorderedGroups: ReadonlySet<string>;
}

/**
 * The members of every group: its own hosts, then those of its children, then of theirs, level by level, each once.
 * Source: Ansible's `Group.get_hosts` and `Group._walk_relationship`.
 */
export function groupMembers({ groups, hosts }: Pick<Inventory, 'groups' | 'hosts'>): GroupMembers {
  const members = new Map<string, readonly string[]>();
  const unordered = new Set<string>();
  for (const group of groups.values()) {
    const found = new Set(group.hosts);
    const below = descendants(group, groups);
    for (const each of below.groups) for (const host of each.hosts) found.add(host);
    members.set(
      group.name,
      [...found].filter((host) => hosts.has(host)),
    );
    if (!below.ordered) unordered.add(group.name);
  }
  return { groups: members, unorderedGroups: unordered };
}

function descendants(
  top: InventoryGroup,
  groups: ReadonlyMap<string, InventoryGroup>,
): { readonly groups: ReadonlySet<InventoryGroup>; readonly ordered: boolean } {
  const childrenOf = (group: InventoryGroup): InventoryGroup[] =>
    group.children.map((name) => groups.get(name)).filter((child) => child !== undefined);
  const found = new Set(childrenOf(top));
  let ordered = true;
  let level: readonly InventoryGroup[] = [...found];
  while (level.length > 0) {
    const parents = level.filter((group) => childrenOf(group).some((child) => !found.has(child)));
    if (parents.length > 1) ordered = false;
    const next = parents.flatMap(childrenOf).filter((child) => !found.has(child));
    for (const child of next) found.add(child);
    level = [...new Set(next)];
  }
  return { groups: found, ordered };
}
