import { matchesGlob, parseGlob } from '../cluster/patterns/glob.js';
import { matchHosts } from '../cluster/patterns/host-patterns.js';
import { limitHosts, type LimitScope, patternHint } from '../cluster/patterns/limit.js';
import { splitPatterns } from '../cluster/patterns/split-patterns.js';
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

/** The selection, and names of components that a document switches off, each with the reason. `only` is stronger. */
export interface SelectionWithSwitches extends Selection {
  readonly disabled?: ReadonlyMap<string, string>;
}

type Matches = (component: AnyComponent, host: string) => boolean;

/**
 * Every component that the inventory has hosts for, with the hosts that are left of them. Errors: COMPONENT_UNKNOWN for a name in
 * `only` or `skip` that means nothing, with the names that do; USAGE for a `limit` that cannot be meant (`limitHosts`), and for an `only` that means
 * something of which this inventory has nothing: what somebody named must not be missing without a word.
 */
export async function select(
  cluster: LimitScope,
  components: readonly AnyComponent[],
  selection: SelectionWithSwitches,
): Promise<SelectedComponent[]> {
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
  const limited = new Set(await limitHosts(cluster, selection.limit));

  const selected: SelectedComponent[] = [];
  for (const component of components) {
    const all = hostsOf(cluster, component);
    if (all.length === 0) continue;
    const disabled = selection.disabled?.get(component.name);
    const hosts: string[] = [];
    const skipped: { host: string; reason: string }[] = [];
    for (const host of all) {
      const skippedBy = skip.find((pattern) => pattern.matches(component, host));
      if (skippedBy) skipped.push({ host, reason: `--skip ${skippedBy.text}` });
      else if (!limited.has(host)) skipped.push({ host, reason: `not in --limit` });
      else if (only && !only.some((matches) => matches(component, host)))
        skipped.push({ host, reason: 'not in --only' });
      else if (!only && disabled !== undefined) skipped.push({ host, reason: disabled });
      else hosts.push(host);
    }
    selected.push({ component, hosts, skipped });
  }
  return selected;
}

/** Names of the hosts of a component's groups, in inventory order, each once. */
export function hostsOf(cluster: Pick<LimitScope, 'hosts' | 'groups'>, component: AnyComponent): string[] {
  const names = new Set(component.groups.flatMap((group) => cluster.groups.get(group) ?? []));
  return cluster.hosts.map((host) => host.name).filter((name) => names.has(name));
}

function groupsHint(components: readonly AnyComponent[]): string {
  return components.map(({ name, groups }) => `${name}: ${groups.join(', ')}`).join('; ');
}

/**
 * `component` (also with `*`), area, group or name of a component's group (in this order of meaning), `area:x`, `group:x`, each with an
 * optional `@` and what `--limit` takes, but for commas where a comma separates the patterns themselves.
 */
function parsePattern(text: string, cluster: LimitScope, components: readonly AnyComponent[]): Matches {
  const at = text.indexOf('@');
  const subject = at === -1 ? text : text.slice(0, at);
  const matchesSubject = parseSubject(subject, cluster, components);
  if (!matchesSubject) throw unknownPattern(text, cluster, components);
  if (at === -1) return matchesSubject;
  const { hosts, faults } = matchHosts(cluster, splitPatterns(text.slice(at + 1)));
  if (faults[0] !== undefined)
    throw new BackupError('COMPONENT_UNKNOWN', `${text}: ${faults[0].pattern} ${faults[0].problem}`, {
      hint: patternHint(cluster, faults[0]),
    });
  return (component, host) => matchesSubject(component, host) && hosts.has(host);
}

function parseSubject(subject: string, cluster: LimitScope, components: readonly AnyComponent[]): Matches | undefined {
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
  const glob = parseGlob(subject);
  const named = components.filter((component) => matchesGlob(glob, component.name));
  return named.length === 0 ? undefined : (component) => named.includes(component);
}

function unknownPattern(text: string, cluster: LimitScope, components: readonly AnyComponent[]): BackupError {
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
