import { z } from 'zod';
import type { BackupDocument, ComponentEntry } from '../cluster/documents/backup-document.js';
import { nearNames } from '../cluster/patterns/near-names.js';
import type { AnyComponent } from '../components/component.js';
import type { Warning } from '../model/artifact.js';
import { nameList } from '../model/name-list.js';
import type { OptionLayer, PlanOptions } from './api.js';
import { hostsOf } from './selection.js';

/** What LambdaStack's own document of a backup has. Source: its schema/common/defaults/configuration/backup.yml. */
const lambdaStackNames = ['load_balancer', 'logging', 'monitoring', 'postgresql', 'rabbitmq', 'kubernetes'];

/** What a backup document means for the components there are. */
export interface DocumentSettings {
  /** Names of components that it switches off, with the reason for people. */
  readonly disabled: ReadonlyMap<string, string>;
  readonly layers: readonly OptionLayer[];
  readonly warnings: readonly Warning[];
}

/** One name of the document, with the components that it means. */
interface Entry extends ComponentEntry {
  readonly name: string;
  readonly where: string;
  readonly components: readonly AnyComponent[];
}

/**
 * Translates LambdaStack's names into components, a component's own name before that of its area before that of a group. A component
 * that the document does not name is saved; nothing in it is fatal here.
 */
export function documentSettings(options: PlanOptions, components: readonly AnyComponent[]): DocumentSettings {
  const { document } = options;
  if (document === undefined) return { disabled: new Map(), layers: [], warnings: [] };
  const entries = [...document.components].map(([name, entry]): Entry => {
    return { ...entry, name, where: `${document.file}:${entry.line}`, components: meantBy(name, components) };
  });
  const { layer, unused } = optionLayer(document, entries);
  const ignored = unused.length === 0 ? [] : [`${document.file} has options that are not used: ${nameList(unused)}`];
  const warnings = [
    ...[...document.warnings, ...ignored].map((message) => ({ code: 'OPTIONS_IGNORED', message })),
    ...entries.flatMap((entry) => entryWarnings(entry, options, components)),
    ...unsaidWarnings(document, options, components),
  ];
  return { disabled: switchedOff(document, entries), layers: [layer], warnings };
}

function meantBy(name: string, components: readonly AnyComponent[]): readonly AnyComponent[] {
  const ways: ((component: AnyComponent) => boolean)[] = [
    (component) => component.name === name,
    (component) => component.area === name,
    (component) => component.groups.includes(name),
  ];
  return ways.map((way) => components.filter(way)).find((found) => found.length > 0) ?? [];
}

/** What is said about one component by its own name counts more than what is said about its area. */
function switchedOff(document: BackupDocument, entries: readonly Entry[]): ReadonlyMap<string, string> {
  const disabled = new Map<string, string>();
  const isOwn = (entry: Entry): boolean => entry.components.some(({ name }) => name === entry.name);
  for (const entry of [...entries.filter((each) => !isOwn(each)), ...entries.filter(isOwn)]) {
    for (const { name } of entry.components) {
      if (entry.enabled === false) disabled.set(name, `switched off in ${document.file} (${entry.name})`);
      else if (entry.enabled === true) disabled.delete(name);
    }
  }
  return disabled;
}

/** Options that exactly one of the components of an entry has; the others are named with their lines, never with their values. */
function optionLayer(
  document: BackupDocument,
  entries: readonly Entry[],
): { readonly layer: OptionLayer; readonly unused: readonly string[] } {
  const chosen = new Map<string, Map<string, unknown>>();
  const unused: string[] = [];
  for (const entry of entries) {
    for (const [option, { value, line }] of entry.options) {
      const [component, second] = entry.components.filter((each) => optionNames(each).includes(option));
      if (component === undefined || second !== undefined) unused.push(`${entry.name}.${option} (line ${line})`);
      else chosen.set(component.name, (chosen.get(component.name) ?? new Map<string, unknown>()).set(option, value));
    }
  }
  const components = Object.fromEntries([...chosen].map(([name, options]) => [name, Object.fromEntries(options)]));
  return { layer: { source: document.file, components }, unused };
}

function optionNames({ options }: AnyComponent): readonly string[] {
  return options instanceof z.ZodObject ? Object.keys(options.shape) : [];
}

function entryWarnings(
  entry: Entry,
  { cluster }: PlanOptions,
  components: readonly AnyComponent[],
): readonly Warning[] {
  const { name, where, enabled } = entry;
  const known = lambdaStackNames.includes(name);
  if (entry.components.length === 0 && !known) {
    const near = nearNames(name, [...lambdaStackNames, ...components.map((component) => component.name)]);
    const hint = near.length === 0 ? '' : `; names that come near: ${near.join(', ')}`;
    return [{ code: 'COMPONENT_IGNORED', message: `${where}: "${name}" is no component that is known here${hint}` }];
  }
  if (enabled !== true) return [];
  if (entry.components.length === 0)
    return [{ code: 'COMPONENT_IGNORED', message: `${where}: "${name}" is enabled, and lsbackup cannot save it yet` }];
  if (entry.components.some((component) => hostsOf(cluster, component).length > 0)) return [];
  const groups = [...new Set(entry.components.flatMap((component) => component.groups))];
  const missing = `no host of ${cluster.inventoryFile} is in ${groups.join(' or ')}`;
  return [{ code: 'COMPONENT_IGNORED', message: `${where}: "${name}" is enabled, and ${missing}` }];
}

/** LambdaStack takes what its document does not name for switched off. */
function unsaidWarnings(
  document: BackupDocument,
  { only, cluster }: PlanOptions,
  components: readonly AnyComponent[],
): readonly Warning[] {
  const unsaid = lambdaStackNames.filter(
    (name) =>
      document.components.get(name)?.enabled === undefined &&
      meantBy(name, components).some((component) => hostsOf(cluster, component).length > 0),
  );
  if (only !== undefined || unsaid.length === 0) return [];
  const message = `${document.file} does not say whether to save ${unsaid.join(', ')}: lsbackup does, LambdaStack would not`;
  return [{ code: 'COMPONENT_UNSAID', message }];
}
