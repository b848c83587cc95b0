import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Json } from '../../model/json.js';
import { exactJsonText, parseExactJson } from './exact-json.js';

const object = z.record(z.string(), z.json());
const list = z.array(object).default([]);
const definitionsSchema = z
  .object({
    users: list,
    vhosts: list,
    permissions: list,
    topic_permissions: list,
    parameters: list,
    global_parameters: list,
    policies: list,
    queues: list,
    exchanges: list,
    bindings: list,
  })
  .catchall(z.json());

/** One user, queue, binding ... as `export_definitions` prints it. */
export type Definition = z.infer<typeof object>;
export type Definitions = z.infer<typeof definitionsSchema>;

/** More is not counted, nor restored: some 50,000 queues. */
export const maximumDefinitions = 16 * 1024 * 1024;

/**
 * What `export_definitions` printed. Throws a ZodError or SyntaxError when it is something else. Erlang's lists of pairs are exported as `[["key",value]]` where
 * nobody made maps of them (values of global parameters, inside values of parameters, limits; seen with 3.10.8); an import would refuse them or make them lists,
 * so they are objects here.
 */
export function parseDefinitions(text: string): Definitions {
  const definitions = definitionsSchema.parse(parseExactJson(text));
  const withObjects = (entry: Definition): Definition =>
    'value' in entry ? { ...entry, value: objectsOfPairs(entry.value) } : entry;
  return {
    ...definitions,
    parameters: definitions.parameters.map(withObjects),
    global_parameters: definitions.global_parameters.map(withObjects),
    vhosts: definitions.vhosts.map((vhost) =>
      Array.isArray(vhost.limits) ? { ...vhost, limits: objectsOfPairs(vhost.limits) } : vhost,
    ),
  };
}

function objectsOfPairs(value: Json): Definition[string] {
  if (Array.isArray(value)) {
    const items = value as readonly Json[];
    const pairs = items.filter(isPair);
    if (pairs.length === 0 || pairs.length < items.length) return items.map(objectsOfPairs);
    return Object.fromEntries(pairs.map(([key, inner]) => [key, objectsOfPairs(inner)]));
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, objectsOfPairs(inner)]));
}

function isPair(value: Json): value is readonly [string, Json] {
  return Array.isArray(value) && value.length === 2 && typeof value[0] === 'string';
}

/**
 * What a restore is compared with: counts, queues per virtual host, and a SHA-256 of everything in a canonical form. Queues that come and go are left out, and bindings
 * of what is not there. The version and the cluster's name, which a restore may change, are not in it.
 */
export function definitionsBaseline(text: string): Readonly<Record<string, Json>> {
  return baselineOf(parseDefinitions(text));
}

/** The same of definitions that are read already. */
export function baselineOf(definitions: Definitions): Readonly<Record<string, Json>> {
  const { users, vhosts, permissions, topic_permissions, parameters, policies, exchanges } = definitions;
  const queues = definitions.queues.filter((queue) => !comesAndGoes(queue));
  const bindings = lastingBindings(definitions);
  const kept = { users, vhosts, permissions, topic_permissions, parameters, policies, queues, exchanges, bindings };
  const queuesByVhost: Record<string, number> = {};
  for (const { vhost } of queues) if (typeof vhost === 'string') queuesByVhost[vhost] = (queuesByVhost[vhost] ?? 0) + 1;
  return {
    ...Object.fromEntries(Object.entries(kept).map(([kind, all]) => [kind, all.length])),
    queuesByVhost,
    sha256: createHash('sha256').update(canonical(kept)).digest('hex'),
  };
}

/** Queues that end with their clients, and those the server named, which no import makes (rabbit_definitions.erl: names that begin with `amq.` are skipped). */
export function comesAndGoes(queue: Definition): boolean {
  return queue.auto_delete === true || queue.exclusive === true || queue.durable === false || isServerNamed(queue.name);
}

/** Names that the server keeps for itself. */
export function isServerNamed(name: unknown): boolean {
  return typeof name === 'string' && name.startsWith('amq.');
}

/** Bindings whose exchanges and queue are there and stay. Exclusive queues and internal exchanges are not exported, their bindings are. */
export function lastingBindings(definitions: Definitions): readonly Definition[] {
  const place = ({ vhost, name }: Definition): string => JSON.stringify([vhost, name]);
  const queues = new Set(definitions.queues.filter((queue) => !comesAndGoes(queue)).map(place));
  const exchanges = new Set(definitions.exchanges.map(place));
  const hasExchange = (vhost: unknown, name: unknown): boolean =>
    isServerNamed(name) || exchanges.has(JSON.stringify([vhost, name]));
  return definitions.bindings.filter(
    ({ vhost, source, destination, destination_type: type }) =>
      hasExchange(vhost, source) &&
      (type === 'queue' ? queues.has(JSON.stringify([vhost, destination])) : hasExchange(vhost, destination)),
  );
}

/** The lists of the top level sorted too, for their order says nothing. */
function canonical(definitions: Readonly<Record<string, readonly Json[]>>): string {
  const sorted = Object.entries(definitions).map(([kind, all]): [string, string] => [
    kind,
    `[${all.map(exactJsonText).sort().join(',')}]`,
  ]);
  return sorted
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([kind, all]) => `${kind}:${all}`)
    .join('\n');
}
