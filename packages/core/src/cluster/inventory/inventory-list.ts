import { ForeignValue, isList, VaultValue } from './inventory.js';
import type { Inventory, InventoryHost, InventoryValue } from './inventory.js';
import { floatText, PythonFloat } from '../python/python-number.js';
import { compareCodePoints } from '../python/python-text.js';

/**
 * The inventory in the shape of `ansible-inventory --list`, for programs that know it: `_meta.hostvars` with every host's merged
 * variables, and for each group its own hosts and the names of its children; what is empty is left out. Values of files
 * that are encrypted as a whole are `[secret]`. The key `_meta.profile`, which only Ansible itself reads, is not there. Only the hosts of
 * `limit`, where it is given, as with `--limit`; groups that have children stay. Print it with `inventoryJson`: it may hold bigints.
 */
export function inventoryList(inventory: Inventory, limit?: ReadonlySet<string>): InventoryValue {
  const listed = listedHosts(inventory, limit);
  const groups = [...inventory.groups.values()].flatMap(({ name, hosts, children }) => {
    const members = name === 'all' ? [] : hosts.filter((host) => listed.has(host));
    const entry = { ...(members.length > 0 && { hosts: members }), ...(children.length > 0 && { children }) };
    return Object.keys(entry).length === 0 ? [] : [[name, entry] as const];
  });
  const hostVariables = [...inventory.hosts.values()]
    .filter(({ name, variables }) => listed.has(name) && variables.size > 0)
    .map(({ name, variables }) => [name, variablesOf(variables)] as const);
  const entries: (readonly [string, InventoryValue])[] = [
    ...groups,
    ['_meta', { hostvars: Object.fromEntries(hostVariables) }],
  ];
  return Object.fromEntries(entries);
}

/** Ansible selects "all" by name: a host that is really called so hides the others from its list. */
function listedHosts(inventory: Inventory, limit: ReadonlySet<string> | undefined): ReadonlySet<string> {
  const all = inventory.hosts.has('all') ? ['all'] : [...inventory.hosts.keys()];
  return new Set(limit ? all.filter((host) => limit.has(host)) : all);
}

function variablesOf(variables: InventoryHost['variables']): InventoryValue {
  return Object.fromEntries(
    [...variables].map(([name, { value, encrypted }]) => [name, encrypted ? '[secret]' : value]),
  );
}

/** JSON text with sorted keys, indented by four, with every digit of large integers, floats as Python has them, vault values encrypted. */
export function inventoryJson(value: InventoryValue, indent = ''): string {
  const inner = `${indent}    `;
  if (typeof value === 'bigint') return String(value);
  if (value instanceof PythonFloat) return floatJson(value.value);
  if (value instanceof ForeignValue) return JSON.stringify(value.text);
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (value instanceof VaultValue) return inventoryJson({ __ansible_vault: value.ciphertext }, indent);
  if (isList(value))
    return bracketed(
      '[]',
      value.map((item) => inner + inventoryJson(item, inner)),
      indent,
    );
  const entries = Object.entries(value).sort(([left], [right]) => compareCodePoints(left, right));
  const lines = entries.map(([key, item]) => `${inner}${JSON.stringify(key)}: ${inventoryJson(item, inner)}`);
  return bracketed('{}', lines, indent);
}

/** Infinity and NaN are text: what Python prints for them is no JSON. */
function floatJson(value: number): string {
  return Number.isFinite(value) ? floatText(value) : JSON.stringify(floatText(value));
}

function bracketed(brackets: '[]' | '{}', lines: readonly string[], indent: string): string {
  if (lines.length === 0) return brackets;
  return `${brackets.charAt(0)}\n${lines.join(',\n')}\n${indent}${brackets.charAt(1)}`;
}
