import { z } from 'zod';
import type { Cluster, Host } from '../cluster/cluster.js';
import { matchesHostPattern } from '../cluster/host-pattern.js';
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
  for (const layer of layers) checkNames(layer, components);
  const resolved = new Map<string, unknown>();
  for (const { component, hosts } of selected) {
    for (const name of hosts) {
      const host = cluster.hosts.find((candidate) => candidate.name === name);
      if (host) resolved.set(key(component, host), optionsFor(component, components, host, layers));
    }
  }
  return (component, host) => resolved.get(key(component, host));
}

function key(component: AnyComponent, host: Host): string {
  return `${component.name}@${host.name}`;
}

function checkNames(layer: OptionLayer, components: readonly AnyComponent[]): void {
  const known = new Set(components.map((component) => component.name));
  const named = [layer.components ?? {}, ...Object.values(layer.hosts ?? {})].flatMap((options) =>
    Object.keys(options),
  );
  const unknown = named.find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new BackupError('COMPONENT_UNKNOWN', `${layer.source}: unknown component "${unknown}"`, {
      hint: `Known components: ${[...known].join(', ')}.`,
    });
}

function optionsFor(
  component: AnyComponent,
  components: readonly AnyComponent[],
  host: Host,
  layers: readonly OptionLayer[],
): unknown {
  const merged: Record<string, unknown> = fromVariables(component, components, host);
  for (const layer of layers) {
    Object.assign(merged, layer.components?.[component.name]);
    for (const [pattern, options] of Object.entries(layer.hosts ?? {}))
      if (matchesHostPattern(host.name, pattern)) Object.assign(merged, options[component.name]);
  }
  const parsed = component.options.safeParse(merged);
  if (parsed.success) return parsed.data;
  throw new BackupError(
    'OPTION_INVALID',
    `options of ${component.name} on ${host.name}: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}`,
    {
      component: component.name,
      host: host.name,
      hint: `Given by ${[`inventory variables ${variablePrefix}${variableName(component)}_*`, ...layers.map((layer) => layer.source)].join(' or ')}; the component's README lists its options.`,
      cause: parsed.error,
    },
  );
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
