import type { Cluster } from '../cluster/cluster.js';
import { matchesHostPattern } from '../cluster/host-pattern.js';
import type { AnyComponent } from '../components/component.js';
import { BackupError } from '../model/errors.js';
import type { Selection } from './api.js';

/** The hosts one component is about, after `--limit`, `--only` and `--skip`. */
export interface SelectedComponent {
  readonly component: AnyComponent;
  /** Inventory names, in inventory order. */
  readonly hosts: readonly string[];
  /** Hosts of its groups that a flag left out, and which. */
  readonly skipped: readonly { readonly host: string; readonly reason: string }[];
}

type Matches = (component: AnyComponent, host: string) => boolean;

/**
 * Every component that the inventory has hosts for, with the hosts that are left of them. Errors: COMPONENT_UNKNOWN for a name in
 * `only` or `skip` that means nothing, with the names that do; USAGE for a `limit` that matches no host, and for an `only` that means
 * something of which this inventory has nothing: what somebody named must not be missing without a word.
 */
export function select(
  cluster: Cluster,
  components: readonly AnyComponent[],
  selection: Selection,
): SelectedComponent[] {
  const only = selection.only?.map((text) => parsePattern(text, cluster, components));
  for (const [index, matches] of (only ?? []).entries())
    if (!components.some((component) => hostsOf(cluster, component).some((host) => matches(component, host))))
      throw new BackupError(
        'USAGE',
        `--only ${selection.only?.[index] ?? ''} fits nothing in ${cluster.inventoryFile}`,
        {
          hint: `Hosts of a component are those in its groups: ${groupsHint(components)}`,
        },
      );
  const skip = (selection.skip ?? []).map((text) => ({ text, matches: parsePattern(text, cluster, components) }));
  const limited = limitedHosts(cluster, selection.limit);

  const selected: SelectedComponent[] = [];
  for (const component of components) {
    const all = hostsOf(cluster, component);
    if (all.length === 0) continue;
    const hosts: string[] = [];
    const skipped: { host: string; reason: string }[] = [];
    for (const host of all) {
      const skippedBy = skip.find((pattern) => pattern.matches(component, host));
      if (skippedBy) skipped.push({ host, reason: `--skip ${skippedBy.text}` });
      else if (!limited.has(host)) skipped.push({ host, reason: `not in --limit` });
      else if (only && !only.some((matches) => matches(component, host)))
        skipped.push({ host, reason: 'not in --only' });
      else hosts.push(host);
    }
    selected.push({ component, hosts, skipped });
  }
  return selected;
}

/** Names of the hosts of a component's groups, in inventory order, each once. */
function hostsOf(cluster: Cluster, component: AnyComponent): string[] {
  const names = new Set(component.groups.flatMap((group) => cluster.groups.get(group) ?? []));
  return cluster.hosts.map((host) => host.name).filter((name) => names.has(name));
}

function limitedHosts(cluster: Cluster, limit: readonly string[] | undefined): ReadonlySet<string> {
  const names = cluster.hosts.map((host) => host.name);
  if (!limit) return new Set(names);
  const limited = new Set<string>();
  for (const pattern of limit) {
    const found = cluster.groups.get(pattern) ?? names.filter((name) => matchesHostPattern(name, pattern));
    if (found.length === 0)
      throw new BackupError('USAGE', `--limit ${pattern} matches no host and no group of ${cluster.inventoryFile}`, {
        hint: hostsHint(cluster),
      });
    for (const name of found) limited.add(name);
  }
  return limited;
}

function groupsHint(components: readonly AnyComponent[]): string {
  return components.map(({ name, groups }) => `${name}: ${groups.join(', ')}`).join('; ');
}

function hostsHint({ hosts }: Cluster): string {
  const shown = 20;
  const names = hosts.slice(0, shown).map((host) => host.name);
  return `Hosts: ${names.join(', ')}${hosts.length > shown ? ', ...' : ''}`;
}

/** `component` (also with `*`), area, group or name of a component's group (in this order of meaning), `area:x`, `group:x`, each with an optional `@host`. */
function parsePattern(text: string, cluster: Cluster, components: readonly AnyComponent[]): Matches {
  const at = text.indexOf('@');
  const subject = at === -1 ? text : text.slice(0, at);
  const matchesSubject = parseSubject(subject, cluster, components);
  if (!matchesSubject) throw unknownPattern(text, cluster, components);
  if (at === -1) return matchesSubject;
  const matchesHost = (name: string): boolean => matchesHostPattern(name, text.slice(at + 1));
  if (!cluster.hosts.some((host) => matchesHost(host.name)))
    throw new BackupError('COMPONENT_UNKNOWN', `${text}: no host of the inventory is named ${text.slice(at + 1)}`, {
      hint: hostsHint(cluster),
    });
  return (component, host) => matchesSubject(component, host) && matchesHost(host);
}

function parseSubject(subject: string, cluster: Cluster, components: readonly AnyComponent[]): Matches | undefined {
  const byArea = (area: string): Matches | undefined =>
    components.some((component) => component.area === area) ? (component) => component.area === area : undefined;
  const byGroup = (group: string): Matches | undefined => {
    const hosts = cluster.groups.get(group);
    return hosts && ((_component, host) => hosts.includes(host));
  };
  if (subject.startsWith('area:')) return byArea(subject.slice('area:'.length));
  if (subject.startsWith('group:')) return byGroup(subject.slice('group:'.length));
  if (subject.includes('*')) return byWildcard(subject, components);
  if (components.some((component) => component.name === subject)) return (component) => component.name === subject;
  const inGroup = byGroup(subject);
  if (cluster.groups.get(subject)?.length === 0)
    return byArea(subject) ?? byNameOfGroup(subject, components) ?? inGroup;
  return byArea(subject) ?? inGroup ?? byNameOfGroup(subject, components);
}

/** The name of a component's group means that component also where the inventory has its hosts in another one. */
function byNameOfGroup(subject: string, components: readonly AnyComponent[]): Matches | undefined {
  const named = components.filter((component) => component.groups.includes(subject));
  return named.length === 0 ? undefined : (component) => named.includes(component);
}

function byWildcard(subject: string, components: readonly AnyComponent[]): Matches | undefined {
  const named = components.filter((component) => matchesHostPattern(component.name, subject));
  return named.length === 0 ? undefined : (component) => named.includes(component);
}

function unknownPattern(text: string, cluster: Cluster, components: readonly AnyComponent[]): BackupError {
  const names = components.map((component) => component.name);
  const areas = [...new Set(components.map((component) => component.area))].filter((area) => !names.includes(area));
  const groups = [
    ...new Set([...cluster.groups.keys(), ...components.flatMap((component) => component.groups)]),
  ].filter((group) => !names.includes(group) && !areas.includes(group) && group !== 'all' && group !== 'ungrouped');
  const known = [`components: ${names.join(', ')}`];
  if (areas.length > 0) known.push(`areas: ${areas.join(', ')}`);
  if (groups.length > 0) known.push(`groups: ${groups.join(', ')}`);
  return new BackupError('COMPONENT_UNKNOWN', `unknown component "${text}"`, { hint: `Known ${known.join('; ')}.` });
}
