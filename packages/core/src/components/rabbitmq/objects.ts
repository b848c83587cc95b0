import type { Json } from '../../model/json.js';
import { comesAndGoes, lastingBindings, type Definition, type Definitions } from './definitions.js';
import { exactJsonText } from './exact-json.js';

/** What makes an object the same object, in the order in which `removal.ts` takes it; objects of the last kinds hold others. */
const identities = {
  bindings: ['vhost', 'source', 'destination_type', 'destination', 'routing_key', 'arguments'],
  queues: ['vhost', 'name'],
  exchanges: ['vhost', 'name'],
  policies: ['vhost', 'name'],
  parameters: ['vhost', 'component', 'name'],
  topic_permissions: ['user', 'vhost', 'exchange'],
  permissions: ['user', 'vhost'],
  users: ['name'],
  vhosts: ['name'],
  global_parameters: ['name'],
} as const;
export type Kind = keyof typeof identities;
/** In the order in which they can be removed. */
export const kinds = Object.keys(identities) as readonly Kind[];

const words: Readonly<Record<Kind, string>> = {
  bindings: 'binding',
  queues: 'queue',
  exchanges: 'exchange',
  policies: 'policy',
  parameters: 'parameter',
  topic_permissions: 'topic permission',
  permissions: 'permission',
  users: 'user',
  vhosts: 'virtual host',
  global_parameters: 'global parameter',
};

/** One object in a form that can be compared. */
export interface DefinedObject {
  readonly kind: Kind;
  readonly key: string;
  /** Kind and name, for people; no values. */
  readonly label: string;
  readonly identity: readonly Json[];
  /** The virtual host it is in; undefined: it is in none. */
  readonly vhost: Json | undefined;
  /** Canonical text by field. */
  readonly fields: Readonly<Record<string, string>>;
}

export type Objects = ReadonlyMap<string, DefinedObject>;

/** Everything, by key, in the order in which it can be removed. */
export function everyObjectOf(definitions: Definitions): Objects {
  const objects = kinds.flatMap((kind) => definitions[kind].map((entry) => objectOf(kind, entry)));
  return new Map(objects.map((object) => [object.key, object]));
}

/** Everything that stays: not the queues that come and go with their clients. */
export function objectsOf(definitions: Definitions): Objects {
  return everyObjectOf({
    ...definitions,
    queues: definitions.queues.filter((queue) => !comesAndGoes(queue)),
    bindings: [...lastingBindings(definitions)],
  });
}

function objectOf(kind: Kind, entry: Definition): DefinedObject {
  const identity = identities[kind].map((field) => entry[field] ?? null);
  return {
    kind,
    key: exactJsonText([kind, ...identity]),
    label: labelOf(kind, entry),
    identity,
    vhost: kind === 'vhosts' ? entry.name : entry.vhost,
    fields: Object.fromEntries(
      Object.entries(comparable(kind, entry)).map(([name, value]) => [name, exactJsonText(value)]),
    ),
  };
}

function labelOf(kind: Kind, entry: Definition): string {
  const names = identities[kind].filter((field) => field !== 'vhost' && field !== 'arguments');
  const vhost = entry.vhost === undefined ? '' : ` in virtual host ${JSON.stringify(entry.vhost)}`;
  return `${words[kind]} ${names.map((field) => JSON.stringify(entry[field] ?? '')).join(' ')}${vhost}`;
}

/** What versions print differently, made one; limits of a virtual host are those of its parameter `vhost-limits`. */
function comparable(kind: Kind, entry: Definition): Readonly<Record<string, Json>> {
  if (kind === 'users') return { ...entry, tags: sortedTags(entry.tags) };
  if (kind === 'vhosts') {
    const metadata = isObject(entry.metadata) ? entry.metadata : {};
    const others = Object.entries(entry).filter(([name]) => name !== 'limits' && name !== 'metadata');
    return {
      ...Object.fromEntries(others),
      ...metadata,
      ...('tags' in metadata && { tags: sortedTags(metadata.tags) }),
    };
  }
  if (kind !== 'queues') return entry;
  const { 'x-queue-type': type, ...others } = isObject(entry.arguments) ? entry.arguments : {};
  return { ...entry, type: entry.type ?? type ?? 'classic', arguments: others };
}

/** Up to 3.8 the tags are one text. */
function sortedTags(tags: Json | undefined): Json {
  const all =
    typeof tags === 'string'
      ? tags.split(',').map((tag) => tag.trim())
      : Array.isArray(tags)
        ? (tags as readonly Json[])
        : [];
  return all.map(String).filter(Boolean).sort();
}

export function isObject(value: Json | undefined): value is Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Fields that only the newer of two versions knows are not compared. */
export function isEqual(wanted: DefinedObject, present: DefinedObject | undefined): boolean {
  return (
    present !== undefined && Object.entries(wanted.fields).every(([name, value]) => present.fields[name] === value)
  );
}

/** Labels of what is not there, or not as it should be; empty: everything is. */
export function differences(wanted: Objects, present: Objects): readonly string[] {
  return [...wanted.values()]
    .filter((object) => !isEqual(object, present.get(object.key)))
    .map((object) => `${object.label} ${present.has(object.key) ? 'is different' : 'is missing'}`);
}

/** Queues and exchanges that an import leaves as they are, because there is one of that name. */
export function conflicts(wanted: Objects, present: Objects): readonly DefinedObject[] {
  return [...wanted.values()].filter(
    (object) =>
      (object.kind === 'queues' || object.kind === 'exchanges') &&
      present.has(object.key) &&
      !isEqual(object, present.get(object.key)),
  );
}

/** What is there and not wanted, as far as a restore of these objects has a say: all of it, or what is in the virtual hosts chosen. */
export function extras(wanted: Objects, present: Objects, vhosts: readonly string[] | null): readonly DefinedObject[] {
  return [...present.values()].filter(
    ({ key, vhost }) => !wanted.has(key) && (vhosts === null || (typeof vhost === 'string' && vhosts.includes(vhost))),
  );
}

/** The first few, for one line. */
export function someOf(labels: readonly string[]): string {
  const shown = labels.slice(0, 10).join('; ');
  return labels.length > 10 ? `${shown}; and ${labels.length - 10} more` : shown;
}
