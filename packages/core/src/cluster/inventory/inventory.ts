/**
 * A variable's value. Integers that a JavaScript number cannot hold are `bigint`, so that nothing is rounded;
 * everything else is what JSON has.
 */
export type InventoryValue =
  string | number | bigint | boolean | null | readonly InventoryValue[] | { readonly [key: string]: InventoryValue };

export interface Variable {
  readonly value: InventoryValue;
  /** Line of the inventory file that set it, from 1. */
  readonly line: number;
}

/** What an inventory file says, after Ansible's rules of precedence; connection variables are not interpreted yet. */
export interface Inventory {
  /** Absolute path of the file. */
  readonly file: string;
  /** Of the file's bytes, lower-case hex. */
  readonly sha256: string;
  /** In order of first appearance in the file. */
  readonly hosts: ReadonlyMap<string, InventoryHost>;
  /** In order of first appearance, after `all` and `ungrouped`. */
  readonly groups: ReadonlyMap<string, InventoryGroup>;
  /** Things that are allowed but rarely meant, one sentence each. */
  readonly warnings: readonly string[];
}

export interface InventoryHost {
  readonly name: string;
  /** Every group that gives the host variables, with the ancestors of its groups and without `all`, sorted. */
  readonly groups: readonly string[];
  /** Merged: `all`, then groups by depth, `ansible_group_priority` and name, then the host's own. */
  readonly variables: ReadonlyMap<string, Variable>;
}

export interface InventoryGroup {
  readonly name: string;
  /** Named in this group itself, not in its children. */
  readonly hosts: readonly string[];
  readonly children: readonly string[];
}
