import { BackupError } from '../../model/errors.js';
import { isContradiction } from './contradictions.js';
import type { Contradiction } from './contradictions.js';
import { longName, maximumHosts, maximumNameLength } from './host-names.js';
import { mergeLayers } from './merge-variables.js';
import { mayBeNamed, named } from './inventory-text.js';
import type { GroupLayers, LayeredHost } from './merge-variables.js';
import type { InventoryGroup, InventoryValue, Place, Variable } from './inventory.js';
import { parseInteger, PythonFloat } from '../python/python-number.js';
import { compareCodePoints } from '../python/python-text.js';

/** Work and memory grow with the square of the depth; `ansible-inventory` itself ends with an error below about 1,000 levels. */
const maximumDepth = 1_000;

/** What makes a group the child of another. */
interface Membership {
  /** Undefined for what is so in every inventory. */
  readonly place: Place | undefined;
  /** Of two in a cycle the one with the higher number was said later. */
  readonly order: number;
}

interface GroupNode {
  readonly name: string;
  readonly hosts: Set<string>;
  readonly children: Map<string, Membership>;
  readonly parents: Set<string>;
  readonly variables: Map<string, Variable>;
  priority: bigint;
  /** Longest way from `all`. */
  depth: number;
}

interface HostNode {
  readonly name: string;
  readonly place: Place;
  /** The groups that name it, without their ancestors. */
  readonly groups: Set<string>;
  readonly variables: Map<string, Variable>;
  /** Named in `ungrouped` and in another group: it has nothing of `ungrouped`, even if that other group is below it. */
  leftUngrouped: boolean;
}

export interface ResolvedInventory {
  readonly hosts: ReadonlyMap<string, LayeredHost>;
  readonly groups: ReadonlyMap<string, InventoryGroup>;
  readonly warnings: readonly string[];
  /** The first of each host. */
  readonly contradictions: readonly Contradiction[];
}

/** What is wrong in an inventory: INVENTORY_SYNTAX with `file:line`. */
export function inventoryFault(place: Place, message: string, hint?: string): BackupError {
  return new BackupError('INVENTORY_SYNTAX', `${place.file}:${place.line}: ${message}`, { hint });
}

/**
 * Groups, hosts and variables while sources are read, whatever their grammar; `resolve` then applies Ansible's rules. Every method that
 * can find a fault takes the place and throws INVENTORY_SYNTAX with it. What a later source says counts more.
 */
export class InventoryGraph {
  private readonly groups = new Map<string, GroupNode>();
  private readonly hosts = new Map<string, HostNode>();
  private readonly contradictions = new Map<string, Contradiction>();
  private memberships = 0;

  constructor() {
    this.addGroup('all');
    this.addGroup('ungrouped');
    this.addChild('all', 'ungrouped');
  }

  hasGroup(name: string): boolean {
    return this.groups.has(name);
  }

  hasHost(name: string): boolean {
    return this.hosts.has(name);
  }

  /** The place may be left out for what cannot be at fault. */
  addGroup(name: string, place?: Place): void {
    if (this.groups.has(name)) return;
    if (place !== undefined && name.length > maximumNameLength) throw inventoryFault(place, longName);
    const node = {
      name,
      hosts: new Set<string>(),
      children: new Map(),
      parents: new Set<string>(),
      variables: new Map(),
    };
    this.groups.set(name, { ...node, priority: 1n, depth: 0 });
  }

  /** Both groups must be there; the place may be left out for what cannot be at fault. */
  addChild(parent: string, child: string, place?: Place): void {
    if (parent === child && place !== undefined)
      throw inventoryFault(place, `${named('group', child, place)} cannot be a child of itself`);
    const { children } = this.group(parent);
    if (children.has(child)) return;
    this.memberships += 1;
    children.set(child, { place, order: place === undefined ? 0 : this.memberships });
    this.group(child).parents.add(parent);
  }

  /** The port counts where the host is first named. */
  addHost(name: string, group: string, place: Place, port?: number | bigint): void {
    if (name === '') throw inventoryFault(place, 'a host has an empty name');
    if (name.length > maximumNameLength) throw inventoryFault(place, longName);
    let host = this.hosts.get(name);
    if (host === undefined) {
      host = { name, place, groups: new Set(), variables: new Map(), leftUngrouped: false };
      this.hosts.set(name, host);
      if (this.hosts.size > maximumHosts) throw inventoryFault(place, `there are more than ${maximumHosts} hosts`);
      if (port !== undefined && port !== 0) host.variables.set('ansible_port', { value: port, ...place });
    } else if (port !== undefined && port !== 0) {
      this.compare(host, 'ansible_port', { value: port, ...place });
    }
    host.groups.add(group);
    this.group(group).hosts.add(name);
  }

  /** A group comes before a host of the same name, as in Ansible. */
  setVariable(owner: string, name: string, variable: Variable): void {
    const group = this.groups.get(owner);
    if (group !== undefined && name === 'ansible_group_priority') {
      const priority = integerOf(variable.value);
      if (priority === undefined) throw inventoryFault(variable, 'ansible_group_priority is not an integer');
      group.priority = priority;
      return;
    }
    const host = group === undefined ? this.hosts.get(owner) : undefined;
    if (host !== undefined) this.compare(host, name, variable);
    (group ?? host)?.variables.set(name, variable);
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
      hosts.set(host.name, { name: host.name, place: host.place, groups, variables, inherited, own: host.variables });
    }
    const groups = new Map<string, InventoryGroup>();
    for (const { name, hosts: members, children } of this.groups.values()) {
      groups.set(name, { name, hosts: [...members], children: [...children.keys()] });
    }
    return { hosts, groups, warnings: this.warnings(), contradictions: [...this.contradictions.values()] };
  }

  private compare(host: HostNode, name: string, after: Variable): void {
    const before = host.variables.get(name);
    if (before === undefined || !isContradiction(name, before, after) || this.contradictions.has(host.name)) return;
    this.contradictions.set(host.name, { host: host.name, before, after });
  }

  private group(name: string): GroupNode {
    const group = this.groups.get(name);
    if (group === undefined) throw new BackupError('INTERNAL', `no group ${name}`);
    return group;
  }

  private attachToAll(): void {
    for (const { name, parents } of this.groups.values()) {
      if (name !== 'all' && parents.size === 0) this.addChild('all', name);
    }
  }

  /** Depth is the longest way from `all`; groups that are never reached this way are in or below a cycle. */
  private measureDepths(): void {
    const waiting = new Map([...this.groups.values()].map((group) => [group.name, group.parents.size]));
    const ready = [...this.groups.values()].filter((group) => group.parents.size === 0);
    for (let group = ready.pop(); group !== undefined; group = ready.pop()) {
      waiting.delete(group.name);
      for (const [name, { place }] of group.children) {
        const child = this.group(name);
        child.depth = Math.max(child.depth, group.depth + 1);
        if (child.depth > maximumDepth && place !== undefined)
          throw inventoryFault(place, `groups are nested more than ${maximumDepth} levels deep`);
        const left = (waiting.get(name) ?? 0) - 1;
        waiting.set(name, left);
        if (left === 0) ready.push(child);
      }
    }
    if (waiting.size > 0) throw this.cycleFault(new Set(waiting.keys()));
  }

  /** Walks from parent to parent among the groups left over until one repeats: that is the cycle, and what was said last is at fault. */
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
    const said = cycle.slice(1).flatMap((child, index) => this.group(cycle[index] ?? '').children.get(child) ?? []);
    const { place } = said.reduce((latest, next) => (next.order > latest.order ? next : latest));
    if (place === undefined) throw new BackupError('INTERNAL', 'a cycle of groups that no inventory made');
    const encrypted = said.some((each) => each.place?.encrypted);
    const names = cycle.every((name) => mayBeNamed(name, { encrypted })) ? `: ${cycle.join(' > ')}` : '';
    return inventoryFault(place, `groups are children of each other${names}`);
  }

  /** `ungrouped` holds exactly the hosts that are in no other group but `all`. */
  private settleUngrouped(): void {
    for (const host of this.hosts.values()) {
      const others = [...this.withAncestors(host.groups)].filter((name) => name !== 'all' && name !== 'ungrouped');
      if (others.length > 0) {
        host.leftUngrouped = host.groups.delete('ungrouped');
        if (host.leftUngrouped) this.group('ungrouped').hosts.delete(host.name);
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
    const passedOver = host.leftUngrouped ? ['all', 'ungrouped'] : ['all'];
    return [...this.withAncestors(host.groups)].filter((name) => !passedOver.includes(name)).sort(compareCodePoints);
  }

  private groupLayers(names: readonly string[]): GroupLayers {
    const groups = names.map((name) => this.group(name));
    groups.sort((left, right) => left.depth - right.depth || Number(left.priority - right.priority));
    const variables = mergeLayers([this.group('all').variables, ...groups.map((group) => group.variables)]);
    return { ranked: groups.map(({ name }) => name), variables };
  }

  private warnings(): string[] {
    const warnings: string[] = [];
    for (const { name, groups, place } of this.hosts.values()) {
      if (this.groups.has(name)) {
        warnings.push(
          `${place.file}:${place.line}: ${named('name', name, place)} is both a host and a group; variables of the host go to the group`,
        );
      }
      if (groups.size === 0) {
        warnings.push(
          `${place.file}:${place.line}: ${named('host', name, place)} is left out, as in Ansible: its group "ungrouped" is a child of another`,
        );
      }
    }
    return warnings;
  }
}

function integerOf(value: InventoryValue): bigint | undefined {
  if (typeof value === 'string') return parseInteger(value);
  if (typeof value === 'boolean') return value ? 1n : 0n;
  if (typeof value === 'number') return BigInt(value);
  if (value instanceof PythonFloat) return Number.isFinite(value.value) ? BigInt(Math.trunc(value.value)) : undefined;
  return typeof value === 'bigint' ? value : undefined;
}
