import type { Json } from '../../model/json.js';
import { findMoved } from '../moved-hosts.js';
import type { Finding, MovedHost } from '../restore.js';
import type { Definition, Definitions } from './definitions.js';
import { stringsIn } from './import.js';

/** Where the definitions come to. */
export interface Move {
  readonly host: string;
  /** Of all hosts of the archive. */
  readonly moved: readonly MovedHost[];
  /** Hosts and nodes of the archive's cluster that the target's has not. */
  readonly oldNames: readonly string[];
  /** The target is another cluster, or has another address. */
  readonly isElsewhere: boolean;
}

/** Hosts and nodes by all their names: `rabbit@mq1` is also `mq1`. */
export function namesOf(hosts: readonly string[], nodes: readonly string[]): readonly string[] {
  return [...new Set([...hosts, ...nodes, ...nodes.map((node) => node.replace(/^.*@/, ''))])];
}

/**
 * Parameters and policies that name a host that moved, or a node of the old cluster; and where that is another one, all connections to other brokers that shovels and
 * federation will open from the new one too.
 */
export function findings(definitions: Definitions, move: Move): readonly Finding[] {
  const parameters = definitions.parameters.flatMap((parameter) => {
    const where = `rabbitmq parameter ${named(parameter.component)}/${named(parameter.name)}${place(parameter)}`;
    return found(parameter.value, where, move);
  });
  const globals = definitions.global_parameters.flatMap(({ name, value }) =>
    // The plan warns of that one by itself.
    name === 'cluster_name' ? [] : found(value, `rabbitmq global parameter ${named(name)}`, move),
  );
  const policies = definitions.policies.flatMap((policy) => {
    const value = [policy.pattern ?? null, policy.definition ?? null] as Json;
    return found(value, `rabbitmq policy ${named(policy.name)}${place(policy)}`, move);
  });
  return [...parameters, ...globals, ...policies];
}

function found(value: Json | undefined, where: string, move: Move): readonly Finding[] {
  return stringsIn(withoutSecretFields(value)).flatMap((text) => {
    const why = whyOf(text, move);
    return why === undefined ? [] : [{ host: move.host, where, text: withoutPassword(text), why }];
  });
}

function whyOf(text: string, { host, moved, oldNames, isElsewhere }: Move): string | undefined {
  // One line in quotes, which is never taken for a comment.
  const [line] = findMoved(`"${text.replaceAll(/\s+/g, ' ')}"`, moved);
  if (line !== undefined) return line.why;
  const old = nameIn(text, oldNames);
  if (old !== undefined) return `${old} is a name of the cluster in the archive, whose place ${host} takes`;
  if (!isElsewhere || !text.includes('://')) return undefined;
  return `a connection that the cluster in the archive makes; ${host} will make it too`;
}

/** A password may hold a host's name. */
function withoutSecretFields(value: Json | undefined): Json {
  const text = JSON.stringify(value ?? null, (field, inner: Json) =>
    /pass|secret|token/i.test(field) ? undefined : inner,
  );
  return JSON.parse(text) as Json;
}

function named(value: Json | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function place({ vhost }: Definition): string {
  return ` in virtual host ${JSON.stringify(vhost)}`;
}

/** As a word of its own: `mq1` is not in `mq10`, nor in `my-mq1`. */
function nameIn(text: string, names: readonly string[]): string | undefined {
  return names.find((name) => {
    const escaped = name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
    return new RegExp(`(?<![\\w-])${escaped}(?![\\w-])`).test(text);
  });
}

/** An address without user and password, and without what follows `?`, where keys may stand. */
function withoutPassword(text: string): string {
  return text
    .replaceAll(/(:\/\/)[^\s/]*@/g, '$1')
    .replace(/\?.*$/s, '')
    .slice(0, 200);
}
