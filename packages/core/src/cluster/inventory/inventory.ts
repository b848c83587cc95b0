import { PythonFloat } from '../python/python-number.js';

/** A value that ansible-vault encrypted (`!vault`). It stays encrypted until somebody needs it, and is listed encrypted. */
export class VaultValue {
  /** `ciphertext` is the text with its header `$ANSIBLE_VAULT;...`, as the file has it. */
  constructor(readonly ciphertext: string) {}
}

/** What Python has and JSON has not: Ansible takes it for neither text nor a number. `text` stands for it where it is shown. */
export class ForeignValue {
  constructor(
    readonly kind: 'time' | 'bytes',
    readonly text: string,
  ) {}
}

/**
 * A variable's value. Integers that a JavaScript number cannot hold are `bigint`, so that nothing is rounded, and floats are no
 * numbers either, as they are other text than integers; text that is never a
 * template (`!unsafe`) is `{ __ansible_unsafe: text }`, as `ansible-inventory --list` prints it; everything else is what JSON has.
 */
export type InventoryValue =
  | string
  | number
  | bigint
  | PythonFloat
  | boolean
  | null
  | VaultValue
  | ForeignValue
  | readonly InventoryValue[]
  | { readonly [key: string]: InventoryValue };

export function isList(value: InventoryValue): value is readonly InventoryValue[] {
  return Array.isArray(value);
}

export function isMapping(value: InventoryValue): value is Readonly<Record<string, InventoryValue>> {
  if (typeof value !== 'object' || value === null || isList(value)) return false;
  return !(value instanceof VaultValue || value instanceof PythonFloat || value instanceof ForeignValue);
}

/** Where something was read. */
export interface Place {
  /** As messages show it. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** The file is encrypted as a whole: what it says must not be shown. */
  readonly encrypted?: boolean;
}

/** Its place is where it was set. */
export interface Variable extends Place {
  readonly value: InventoryValue;
}

/** What an inventory says, after Ansible's rules of precedence; connection variables are not interpreted yet. */
export interface Inventory {
  /** Absolute path of the file, or of the directory of several; of several that were given all, separated by `, `. */
  readonly file: string;
  /**
   * Of the bytes of all sources that were read, one after the other in that order, and then of the files in `group_vars` and
   * `host_vars`, by group and host; lower-case hex. For a script its output is read; of a vault the encrypted text counts.
   */
  readonly sha256: string;
  /** In order of first appearance. */
  readonly hosts: ReadonlyMap<string, InventoryHost>;
  /** In order of first appearance, after `all` and `ungrouped`. */
  readonly groups: ReadonlyMap<string, InventoryGroup>;
  /** Things that are allowed but rarely meant, one sentence each. */
  readonly warnings: readonly string[];
}

export interface InventoryHost {
  readonly name: string;
  /** Where it is named first. */
  readonly place: Place;
  /** Every group that gives the host variables, with the ancestors of its groups and without `all`, sorted. */
  readonly groups: readonly string[];
  /**
   * Merged, the strongest last: `all`, the groups by depth, `ansible_group_priority` and name, `group_vars` of `all`, `group_vars` of the
   * groups in the same order, the host's own, its `host_vars`. A name is replaced as a whole. Source: ansible-core 2.19,
   * VARIABLE_PRECEDENCE, whose `ansible_group_priority` counts in the inventory itself only.
   */
  readonly variables: ReadonlyMap<string, Variable>;
}

export interface InventoryGroup {
  readonly name: string;
  /** Named in this group itself, not in its children. */
  readonly hosts: readonly string[];
  readonly children: readonly string[];
}
