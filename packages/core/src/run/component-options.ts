import type { z } from 'zod';
import type { Cluster, Host } from '../cluster/cluster.js';
import { matchHosts } from '../cluster/patterns/host-patterns.js';
import { patternHint } from '../cluster/patterns/limit.js';
import { splitPatterns } from '../cluster/patterns/split-patterns.js';
import type { AnyComponent } from '../components/component.js';
import { BackupError } from '../model/errors.js';
import type { OptionLayer } from './api.js';
import type { SelectedComponent } from './selection.js';

/** Looks up the checked options of one component on one host. */
export type OptionsLookup = (component: AnyComponent, host: Host) => unknown;

const variablePrefix = 'lsbackup_';

/**
 * Checks the options of every selected component on every host before any host is touched.
 * Errors: OPTION_INVALID (a value or name the component does not take, with its source), COMPONENT_UNKNOWN.
 */
export function resolveOptions(
  cluster: Cluster,
  components: readonly AnyComponent[],
  selected: readonly SelectedComponent[],
  layers: readonly OptionLayer[],
): OptionsLookup {
  const checked = layers.map((layer) => checkLayer(cluster, layer, components));
  const hostOf = new Map(cluster.hosts.map((host) => [host.name, host]));
  const resolved = new Map<string, unknown>();
  for (const { component, hosts } of selected) {
    for (const name of hosts) {
      const host = hostOf.get(name);
      if (host) resolved.set(key(component, host), optionsFor(component, components, host, checked));
    }
  }
  return (component, host) => resolved.get(key(component, host));
}

function key(component: AnyComponent, host: Host): string {
  return `${component.name}@${host.name}`;
}

type Options = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** A layer whose names are known, with the hosts that its patterns choose. */
interface CheckedLayer {
  readonly source: string;
  readonly components: Options;
  readonly hosts: readonly { readonly names: ReadonlySet<string>; readonly options: Options }[];
}

function checkLayer(cluster: Cluster, layer: OptionLayer, components: readonly AnyComponent[]): CheckedLayer {
  const { source, components: everywhere = {}, hosts = {} } = layer;
  const known = new Set(components.map((component) => component.name));
  const named = [everywhere, ...Object.values(hosts)].flatMap((options) => Object.keys(options));
  const unknown = named.find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new BackupError('COMPONENT_UNKNOWN', `${source}: unknown component "${unknown}"`, {
      hint: `Known components: ${[...known].join(', ')}.`,
    });
  const chosen = Object.entries(hosts).map(([pattern, options]) => ({
    names: hostsOf(cluster, pattern, source),
    options,
  }));
  return { source, components: everywhere, hosts: chosen };
}

/** Of a key of `hosts`: what `--limit` takes. */
function hostsOf(cluster: Cluster, pattern: string, source: string): ReadonlySet<string> {
  const { hosts, faults } = matchHosts(cluster, splitPatterns(pattern));
  const [fault] = faults;
  if (fault === undefined) return hosts;
  throw new BackupError(
    'OPTION_INVALID',
    `${source}: hosts: "${pattern}": ${fault.pattern} ${fault.problem} (${cluster.inventoryFile})`,
    { hint: patternHint(cluster, fault) },
  );
}

/** Variables that are about the way to a host. */
const connectionVariables: readonly string[] = ['lsbackup_transport'];

/** Names of `lsbackup_*` variables of the host that belong to none of the components: misspelt, they do nothing. */
export function idleVariables(host: Host, components: readonly AnyComponent[]): readonly string[] {
  const prefixes = components.map((component) => `${variablePrefix}${variableName(component)}_`);
  return Object.keys(host.variables).filter(
    (name) =>
      name.startsWith(variablePrefix) &&
      !connectionVariables.includes(name) &&
      !prefixes.some((prefix) => name.startsWith(prefix)),
  );
}

/** One option's value and who gave it. */
interface Given {
  readonly value: unknown;
  readonly source: string;
}

function optionsFor(
  component: AnyComponent,
  components: readonly AnyComponent[],
  host: Host,
  layers: readonly CheckedLayer[],
): unknown {
  const given = new Map<string, Given>();
  const add = (options: Readonly<Record<string, unknown>> | undefined, source: (name: string) => string): void => {
    for (const [name, value] of Object.entries(options ?? {})) given.set(name, { value, source: source(name) });
  };
  add(
    fromVariables(component, components, host),
    (name) => `inventory variable ${variablePrefix}${variableName(component)}_${name}`,
  );
  for (const layer of layers) {
    add(layer.components[component.name], () => layer.source);
    for (const { names, options } of layer.hosts)
      if (names.has(host.name)) add(options[component.name], () => layer.source);
  }
  const parsed = component.options.safeParse(Object.fromEntries([...given].map(([name, { value }]) => [name, value])));
  if (parsed.success) return parsed.data;
  const complaints = parsed.error.issues.flatMap((issue) => complaintsOf(issue, component.name, given));
  throw new BackupError('OPTION_INVALID', `options of ${component.name} on ${host.name}: ${complaints.join('; ')}`, {
    component: component.name,
    host: host.name,
    hint: `\`lsbackup components\` lists the options of ${component.name}.`,
    cause: parsed.error,
  });
}

function complaintsOf(issue: z.core.$ZodIssue, component: string, given: ReadonlyMap<string, Given>): string[] {
  const names = issue.code === 'unrecognized_keys' ? issue.keys : [String(issue.path[0] ?? '')];
  return names.map((name) => {
    const source = given.get(name)?.source;
    const what = issue.code === 'unrecognized_keys' ? 'there is no such option' : expectation(issue);
    return `${component}.${name}${source === undefined ? '' : ` (${source})`}: ${what}`;
  });
}

/** A union says only that nothing fits; what its members wanted is what helps. */
function expectation(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return issue.message;
  return [...new Set(issue.errors.flat().map(expectation))].join(', or ');
}

/** `lsbackup_<component>_<option>` variables of the host; a component whose name begins with another's keeps its own. */
function fromVariables(
  component: AnyComponent,
  components: readonly AnyComponent[],
  host: Host,
): Record<string, unknown> {
  const own = `${variablePrefix}${variableName(component)}_`;
  const longer = components
    .map((other) => `${variablePrefix}${variableName(other)}_`)
    .filter((prefix) => prefix !== own && prefix.startsWith(own));
  const options: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(host.variables))
    if (name.startsWith(own) && !longer.some((prefix) => name.startsWith(prefix)))
      options[name.slice(own.length)] = value;
  return options;
}

function variableName(component: AnyComponent): string {
  return component.name.replaceAll('-', '_');
}
