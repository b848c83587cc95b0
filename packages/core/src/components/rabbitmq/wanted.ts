import { comesAndGoes, isServerNamed, type Definition, type Definitions } from './definitions.js';
import { isObject } from './objects.js';

/** What of the archived definitions is restored. */
export interface Choice {
  /** Of the target: `4.0.5`. */
  readonly version: string;
  /** Null: everything. */
  readonly vhosts: readonly string[] | null;
  /** With `vhosts`: the users to make, because they have permissions there and the target does not know them. */
  readonly users: readonly string[];
}

export interface Wanted {
  readonly definitions: Definitions;
  /** What was left out or changed, for people. */
  readonly notes: readonly string[];
}

/** The definitions as they are imported. Says the same for the same archive and choice. */
export function wantedDefinitions(archived: Definitions, choice: Choice): Wanted {
  const chosen = choice.vhosts === null ? archived : inVhosts(archived, choice.vhosts, choice.users);
  const notes: string[] = [];
  const bindings = possibleBindings(chosen, notes);
  const vhosts = chosen.vhosts.map((vhost) => withoutUndefinedType(vhost, notes));
  const unnamed = chosen.queues.filter(
    ({ name, durable, auto_delete }) => isServerNamed(name) && durable === true && auto_delete === false,
  );
  if (unnamed.length > 0)
    notes.push(
      `${unnamed.length} queues that the server named (amq.*) are not restored: RabbitMQ does not import them`,
    );
  const definitions: Definitions = {
    ...chosen,
    vhosts,
    bindings,
    queues: chosen.queues.filter(({ name }) => !isServerNamed(name)),
  };
  return {
    definitions: Number.parseInt(choice.version, 10) >= 4 ? withoutMirroring(definitions, notes) : definitions,
    notes,
  };
}

function inVhosts(archived: Definitions, vhosts: readonly string[], users: readonly string[]): Definitions {
  const inside = (entries: readonly Definition[]): Definition[] =>
    entries.filter(({ vhost }) => typeof vhost === 'string' && vhosts.includes(vhost));
  const named = (entries: readonly Definition[], names: readonly string[]): Definition[] =>
    entries.filter(({ name }) => typeof name === 'string' && names.includes(name));
  return {
    ...archived,
    users: named(archived.users, users),
    vhosts: named(archived.vhosts, vhosts),
    global_parameters: [],
    permissions: inside(archived.permissions),
    topic_permissions: inside(archived.topic_permissions),
    parameters: inside(archived.parameters),
    policies: inside(archived.policies),
    queues: inside(archived.queues),
    exchanges: inside(archived.exchanges),
    bindings: inside(archived.bindings),
  };
}

/** Users with permissions in the virtual hosts, as the archive has them. */
export function usersOf(archived: Definitions, vhosts: readonly string[]): readonly string[] {
  const { permissions, topic_permissions } = inVhosts(archived, vhosts, []);
  const names = [...permissions, ...topic_permissions].flatMap(({ user }) => (typeof user === 'string' ? [user] : []));
  return [...new Set(names)];
}

/** Exclusive queues and internal exchanges are not exported, bindings to them are. The former went with their clients. */
function possibleBindings(definitions: Definitions, notes: string[]): Definition[] {
  const place = (vhost: unknown, name: unknown): string => JSON.stringify([vhost, name]);
  const queues = new Set(definitions.queues.map(({ vhost, name }) => place(vhost, name)));
  const exchanges = new Set(definitions.exchanges.map(({ vhost, name }) => place(vhost, name)));
  const hasExchange = (vhost: unknown, name: unknown): boolean =>
    isServerNamed(name) || exchanges.has(place(vhost, name));
  const missing = new Set<string>();
  const kept = definitions.bindings.filter(({ vhost, source, destination, destination_type: type }) => {
    const named = type === 'queue' ? [source] : [source, destination];
    const absent = named.filter((name) => !hasExchange(vhost, name));
    for (const name of absent) missing.add(`${JSON.stringify(name)} in virtual host ${JSON.stringify(vhost)}`);
    return (
      absent.length === 0 &&
      (type !== 'queue' || (queues.has(place(vhost, destination)) && !isServerNamed(destination)))
    );
  });
  if (missing.size > 0)
    notes.push(
      `bindings are left out, because RabbitMQ did not export their exchanges (internal ones): ${[...missing].join(', ')}`,
    );
  return kept;
}

/** Some versions export a virtual host's default queue type as "undefined", which an import refuses (rabbitmq-server issue 10468). */
function withoutUndefinedType(vhost: Definition, notes: string[]): Definition {
  const metadata = isObject(vhost.metadata) ? vhost.metadata : undefined;
  const isUndefined = (entry: Readonly<Record<string, unknown>> | undefined): boolean =>
    entry?.default_queue_type === 'undefined';
  if (!isUndefined(vhost) && !isUndefined(metadata)) return vhost;
  notes.push(
    `virtual host ${JSON.stringify(vhost.name)}: its default queue type "undefined" is left out, an import would refuse it`,
  );
  const without = (entry: Definition): Definition =>
    Object.fromEntries(
      Object.entries(entry).filter(([name, value]) => name !== 'default_queue_type' || value !== 'undefined'),
    );
  return { ...without(vhost), ...(metadata && { metadata: without(metadata) }) };
}

/** Mirrored classic queues ended with RabbitMQ 4.0, which refuses policies that ask for them (release notes of 4.0). */
function withoutMirroring(definitions: Definitions, notes: string[]): Definitions {
  const strip = (entry: Definition, definition: unknown): Definition | undefined => {
    if (!isObject(definition as never)) return undefined;
    const all = Object.entries(definition as Definition);
    const kept = all.filter(([name]) => !name.startsWith('ha-'));
    if (kept.length === all.length) return undefined;
    const removed = all.filter(([name]) => name.startsWith('ha-')).map(([name]) => name);
    notes.push(
      `policy ${JSON.stringify(entry.name)} in virtual host ${JSON.stringify(entry.vhost)} is restored without ${removed.join(', ')}` +
        `${kept.length === 0 ? ', so not at all' : ''}: RabbitMQ 4 has no mirrored classic queues, quorum queues take their place`,
    );
    return Object.fromEntries(kept);
  };
  const policies = definitions.policies.flatMap((policy) => {
    const definition = strip(policy, policy.definition);
    if (definition === undefined) return [policy];
    return Object.keys(definition).length === 0 ? [] : [{ ...policy, definition }];
  });
  const parameters = definitions.parameters.flatMap((parameter) => {
    const value = parameter.component === 'operator_policy' && isObject(parameter.value) ? parameter.value : {};
    const definition = strip(parameter, value.definition);
    if (definition === undefined) return [parameter];
    return Object.keys(definition).length === 0
      ? []
      : [{ ...parameter, value: { ...(value as Definition), definition } }];
  });
  return { ...definitions, policies, parameters };
}

/** How many objects of each kind, for titles: `3 users, 1 virtual host, ...`. */
export function countText(definitions: Definitions): string {
  const counts = [
    [definitions.vhosts, 'virtual hosts'],
    [definitions.users, 'users'],
    [definitions.queues.filter((queue) => !comesAndGoes(queue)), 'queues'],
    [definitions.exchanges, 'exchanges'],
    [definitions.bindings, 'bindings'],
    [definitions.policies, 'policies'],
  ] as const;
  return counts.map(([all, word]) => `${all.length} ${word}`).join(', ');
}
