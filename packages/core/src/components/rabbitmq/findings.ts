import type { Json } from '../../model/json.js';
import type { Finding } from '../restore.js';
import type { Definition, Definitions } from './definitions.js';
import { stringsIn } from './import.js';

/** Names of the cluster in the archive that the target does not have, and the host that stands in its place. */
export interface Move {
  readonly host: string;
  readonly oldNames: readonly string[];
}

/** Hosts and nodes by all their names: `rabbit@mq1` is also `mq1`. */
export function namesOf(hosts: readonly string[], nodes: readonly string[]): readonly string[] {
  return [...new Set([...hosts, ...nodes, ...nodes.map((node) => node.replace(/^.*@/, ''))])];
}

/**
 * Parameters and policies that name a host or node of the old cluster; and where that is another one, all connections to other brokers that shovels and federation
 * will open from the new one too.
 */
export function findings(definitions: Definitions, { host, oldNames }: Move): readonly Finding[] {
  if (oldNames.length === 0) return [];
  const inParameters = definitions.parameters.flatMap((parameter) => {
    const where = `rabbitmq parameter ${named(parameter.component)}/${named(parameter.name)}${place(parameter)}`;
    return stringsIn(parameter.value).flatMap((text) => {
      const old = nameIn(text, oldNames);
      if (old === undefined && !text.includes('://')) return [];
      const why =
        old === undefined
          ? `a connection that the cluster in the archive makes; ${host} will make it too`
          : `${old} is a name of the cluster in the archive, whose place ${host} takes`;
      return [{ host, where, text: withoutPassword(text), why }];
    });
  });
  const inPolicies = definitions.policies.flatMap((policy) =>
    stringsIn([policy.pattern ?? null, policy.definition ?? null] as Json).flatMap((text) => {
      const old = nameIn(text, oldNames);
      if (old === undefined) return [];
      const why = `${old} is a name of the cluster in the archive, whose place ${host} takes`;
      return [
        { host, where: `rabbitmq policy ${named(policy.name)}${place(policy)}`, text: withoutPassword(text), why },
      ];
    }),
  );
  return [...inParameters, ...inPolicies];
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
