import { BackupError } from '../../model/errors.js';
import { maximumHosts } from './host-names.js';
import { mergeLayers } from './merge-variables.js';
import type { GroupLayers, LayeredHost } from './merge-variables.js';
import type { InventoryGroup, InventoryValue, Variable } from './inventory.js';
import { parseInteger } from '../python/python-number.js';
import { compareCodePoints } from '../python/python-text.js';

interface GroupNode {
  readonly name: string;
  readonly hosts: Set<string>;
  /** Name of the child and the line that says so. */
  readonly children: Map<string, number>;
  readonly parents: Set<string>;
  readonly variables: Map<string, Variable>;
  priority: bigint;
  /** Longest way from `all`. */
  depth: number;
}

interface HostNode {
  readonly name: string;
  /** The groups that name it, without their ancestors. */
  readonly groups: Set<string>;
  readonly variables: Map<string, Variable>;
}

export interface ResolvedInventory {
  readonly hosts: ReadonlyMap<string, LayeredHost>;
  readonly groups: ReadonlyMap<string, InventoryGroup>;
  readonly warnings: readonly string[];
}

/**
 * Groups, hosts and variables while a file is read, whatever its grammar; `resolve` then applies Ansible's rules. Every method that
 * can find a fault takes the line and throws INVENTORY_SYNTAX with it.
 */
export class InventoryGraph {
  private readonly groups = new Map<string, GroupNode>();
  private readonly hosts = new Map<string, HostNode>();

  constructor(private readonly file: string) {
    this.addGroup('all');
    this.addGroup('ungrouped');
    this.addChild('all', 'ungrouped', 0);
  }

  fault(line: number, message: string, hint?: string): BackupError {
    return new BackupError('INVENTORY_SYNTAX', `${this.file}:${line}: ${message}`, { hint });
  }

  hasGroup(name: string): boolean {
    return this.groups.has(name);
  }

  addGroup(name: string): void {
    if (this.groups.has(name)) return;
    const node = {
      name,
      hosts: new Set<string>(),
      children: new Map(),
      parents: new Set<string>(),
      variables: new Map(),
    };
    this.groups.set(name, { ...node, priority: 1n, depth: 0 });
  }

  /** Both groups must be there. */
  addChild(parent: string, child: string, line: number): void {
    if (parent === child) throw this.fault(line, `group "${child}" cannot be a child of itself`);
    const { children } = this.group(parent);
    if (children.has(child)) return;
    children.set(child, line);
    this.group(child).parents.add(parent);
  }

  /** The port counts where the host is first named. */
  addHost(
    name: string,
    at: { readonly group: string; readonly port: number | bigint | undefined; readonly line: number },
  ): void {
    if (name === '') throw this.fault(at.line, 'a host has an empty name');
    let host = this.hosts.get(name);
    if (host === undefined) {
      host = { name, groups: new Set(), variables: new Map() };
      this.hosts.set(name, host);
      if (this.hosts.size > maximumHosts) throw this.fault(at.line, `there are more than ${maximumHosts} hosts`);
      if (at.port !== undefined && at.port !== 0)
        host.variables.set('ansible_port', { value: at.port, file: this.file, line: at.line });
    }
    host.groups.add(at.group);
    this.group(at.group).hosts.add(name);
  }

  /** A group comes before a host of the same name, as in Ansible. */
  setVariable(owner: string, name: string, variable: Variable): void {
    const group = this.groups.get(owner);
    if (group !== undefined && name === 'ansible_group_priority') {
      const priority = integerOf(variable.value);
      if (priority === undefined) throw this.fault(variable.line, 'ansible_group_priority is not an integer');
      group.priority = priority;
      return;
    }
    (group ?? this.hosts.get(owner))?.variables.set(name, variable);
  }

  /** The finished inventory: every group below `all`, hosts without a group in `ungrouped`, variables merged. */
  resolve(): ResolvedInventory {
    this.attachToAll();
    this.measureDepths();
    this.settleUngrouped();
    const hosts = new Map<string, LayeredHost>();
    const byGroups = new Map<string, GroupLayers>();
    for (const host of this.hosts.values()) {
      if (host.groups.size === 0) continue;
      const groups = this.variableGroups(host);
      const key = JSON.stringify(groups);
      const inherited = byGroups.get(key) ?? this.groupLayers(groups);
      byGroups.set(key, inherited);
      const variables = mergeLayers([inherited.variables, host.variables]);
      hosts.set(host.name, { name: host.name, groups, variables, inherited, own: host.variables });
    }
    const groups = new Map<string, InventoryGroup>();
    for (const { name, hosts: members, children } of this.groups.values()) {
      groups.set(name, { name, hosts: [...members], children: [...children.keys()] });
    }
    return { hosts, groups, warnings: this.warnings() };
  }

  private group(name: string): GroupNode {
    const group = this.groups.get(name);
    if (group === undefined) throw new BackupError('INTERNAL', `no group ${name}`);
    return group;
  }

  private attachToAll(): void {
    for (const { name, parents } of this.groups.values()) {
      if (name !== 'all' && parents.size === 0) this.addChild('all', name, 0);
    }
  }

  /** Depth is the longest way from `all`; groups that are never reached this way are in or below a cycle. */
  private measureDepths(): void {
    const waiting = new Map([...this.groups.values()].map((group) => [group.name, group.parents.size]));
    const ready = [...this.groups.values()].filter((group) => group.parents.size === 0);
    for (let group = ready.pop(); group !== undefined; group = ready.pop()) {
      waiting.delete(group.name);
      for (const name of group.children.keys()) {
        const child = this.group(name);
        child.depth = Math.max(child.depth, group.depth + 1);
        const left = (waiting.get(name) ?? 0) - 1;
        waiting.set(name, left);
        if (left === 0) ready.push(child);
      }
    }
    if (waiting.size > 0) throw this.cycleFault(new Set(waiting.keys()));
  }

  /** Walks from parent to parent among the groups left over until one repeats: that is the cycle, and its last line is at fault. */
  private cycleFault(left: ReadonlySet<string>): BackupError {
    const path: string[] = [];
    const places = new Map<string, number>();
    let current = [...left][0] ?? '';
    while (!places.has(current)) {
      places.set(current, path.length);
      path.push(current);
      current = [...this.group(current).parents].find((parent) => left.has(parent)) ?? current;
    }
    const cycle = [current, ...path.slice(places.get(current)).reverse()];
    const lines = cycle.slice(1).map((child, index) => this.group(cycle[index] ?? '').children.get(child) ?? 0);
    const line = lines.reduce((last, next) => Math.max(last, next), 0);
    return this.fault(line, `groups are children of each other: ${cycle.join(' > ')}`);
  }

  /** `ungrouped` holds exactly the hosts that are in no other group but `all`. */
  private settleUngrouped(): void {
    for (const host of this.hosts.values()) {
      const others = [...this.withAncestors(host.groups)].filter((name) => name !== 'all' && name !== 'ungrouped');
      if (others.length > 0) {
        if (host.groups.delete('ungrouped')) this.group('ungrouped').hosts.delete(host.name);
      } else if (!this.withAncestors(host.groups).has('ungrouped')) {
        host.groups.add('ungrouped');
        this.group('ungrouped').hosts.add(host.name);
      }
    }
  }

  private withAncestors(names: Iterable<string>): ReadonlySet<string> {
    const found = new Set(names);
    for (const name of found) for (const parent of this.group(name).parents) found.add(parent);
    return found;
  }

  private variableGroups(host: HostNode): string[] {
    return [...this.withAncestors(host.groups)].filter((name) => name !== 'all').sort(compareCodePoints);
  }

  private groupLayers(names: readonly string[]): GroupLayers {
    const groups = names.map((name) => this.group(name));
    groups.sort((left, right) => left.depth - right.depth || Number(left.priority - right.priority));
    const variables = mergeLayers([this.group('all').variables, ...groups.map((group) => group.variables)]);
    return { ranked: groups.map(({ name }) => name), variables };
  }

  private warnings(): string[] {
    const warnings: string[] = [];
    for (const { name, groups } of this.hosts.values()) {
      if (this.groups.has(name)) {
        warnings.push(`${this.file}: "${name}" is both a host and a group; variables on its host line go to the group`);
      }
      if (groups.size === 0) {
        warnings.push(
          `${this.file}: host "${name}" is left out, as in Ansible: its group "ungrouped" is a child of another`,
        );
      }
    }
    return warnings;
  }
}

function integerOf(value: InventoryValue): bigint | undefined {
  if (typeof value === 'string') return parseInteger(value);
  if (typeof value === 'boolean') return value ? 1n : 0n;
  if (typeof value === 'number') return BigInt(Math.trunc(value));
  return typeof value === 'bigint' ? value : undefined;
}
