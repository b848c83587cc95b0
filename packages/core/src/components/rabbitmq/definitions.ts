import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Json } from '../../model/json.js';
import { parseJson } from '../../model/parse-json.js';

const object = z.record(z.string(), z.json());
const list = z.array(object).default([]);
const definitionsSchema = z.object({
  users: list,
  vhosts: list,
  permissions: list,
  topic_permissions: list,
  parameters: list,
  policies: list,
  queues: list,
  exchanges: list,
  bindings: list,
});

/**
 * What a restore is compared with: counts, queues per virtual host, and a SHA-256 of everything in a canonical form. Queues that go away by themselves, and bindings
 * to them, are left out, for they come and go with their clients. The version and the cluster's name, which a restore may change, are not in it.
 */
export function definitionsBaseline(text: string): Readonly<Record<string, Json>> {
  const definitions = definitionsSchema.parse(parseJson(text));
  const queues = definitions.queues.filter((queue) => !isTransient(queue));
  const transient = new Set(
    definitions.queues.filter(isTransient).map((queue) => JSON.stringify([queue.vhost, queue.name])),
  );
  const bindings = definitions.bindings.filter(
    (binding) =>
      binding.destination_type !== 'queue' || !transient.has(JSON.stringify([binding.vhost, binding.destination])),
  );
  const kept = { ...definitions, queues, bindings };
  const queuesByVhost: Record<string, number> = {};
  for (const { vhost } of queues) if (typeof vhost === 'string') queuesByVhost[vhost] = (queuesByVhost[vhost] ?? 0) + 1;
  return {
    ...Object.fromEntries(Object.entries(kept).map(([kind, all]) => [kind, all.length])),
    queuesByVhost,
    sha256: createHash('sha256').update(canonical(kept)).digest('hex'),
  };
}

function isTransient(queue: Readonly<Record<string, Json>>): boolean {
  return queue.auto_delete === true || queue.exclusive === true || queue.durable === false;
}

/** JSON with sorted keys; the lists of the top level sorted too, for their order says nothing. */
function canonical(definitions: Readonly<Record<string, readonly Json[]>>): string {
  const sorted = Object.entries(definitions).map(([kind, all]): [string, string] => [
    kind,
    `[${all.map(sortedJson).sort().join(',')}]`,
  ]);
  return sorted
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([kind, all]) => `${kind}:${all}`)
    .join('\n');
}

function sortedJson(value: Json): string {
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(sortedJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const pairs = Object.entries(value).map(([name, inner]) => `${JSON.stringify(name)}:${sortedJson(inner)}`);
  return `{${pairs.sort().join(',')}}`;
}
