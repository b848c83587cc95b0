import type { Cluster, Host } from '../cluster/cluster.js';
import type { AnyComponent } from '../components/component.js';
import type { MovedHost } from '../components/restore.js';
import { BackupError } from '../model/errors.js';
import type { HostRecord, Metadata } from '../model/metadata.js';

export interface MappingRequest {
  readonly metadata: Metadata;
  readonly cluster: Cluster;
  readonly components: readonly AnyComponent[];
  readonly map?: ReadonlyMap<string, string> | undefined;
  readonly from?: Cluster | undefined;
}

/** Which host of the target cluster stands in the place of which host of the archive. */
export interface Mapping {
  /** Errors: RESTORE_HOST where none does. */
  target(archived: string): Host;
  /** Undefined where none does. */
  find(archived: string): Host | undefined;
  /** Somebody said so: by a name given for it, or by the inventory of the old cluster. Then it may be another machine. */
  isChosen(archived: string): boolean;
}

/**
 * A host stands for itself unless `map` says otherwise, or `from` has it at the same place of the same group. One for which there is no place is nobody's business
 * until somebody wants it. Errors: RESTORE_HOST for a name in `map` that means nothing.
 */
export function createMapping(request: MappingRequest): Mapping {
  const { metadata, cluster, map = new Map<string, string>() } = request;
  const hosts = new Map(cluster.hosts.map((host) => [host.name, host]));
  const archived = new Set(metadata.hosts.map(({ name }) => name));
  for (const [old, now] of map) {
    if (!archived.has(old)) throw hostError(`the archive has no host ${old}`, `It has ${[...archived].join(', ')}.`);
    if (!hosts.has(now)) throw hostError(`${cluster.inventoryFile} has no host ${now}`, known(cluster));
  }
  const { paired, homeless } = pairByGroups(request, archived);
  const find = (name: string): Host | undefined =>
    homeless.has(name) ? undefined : hosts.get(map.get(name) ?? paired.get(name) ?? name);
  const target = (name: string): Host => {
    const host = find(name);
    if (host !== undefined) return host;
    const why = homeless.get(name) ?? `${name}, a host of the archive, is not in ${cluster.inventoryFile}`;
    throw hostError(why, `Say which host takes its place: --map ${name}=HOST. ${known(cluster)}`);
  };
  return { target, find, isChosen: (name) => map.has(name) || paired.has(name) };
}

interface Pairs {
  readonly paired: ReadonlyMap<string, string>;
  /** Why nobody takes the place of these. */
  readonly homeless: ReadonlyMap<string, string>;
}

/** Old and new hosts of each group of a component, in their order, where the names differ; then those that have the same name in both inventories. */
function pairByGroups({ cluster, components, map, from }: MappingRequest, archived: ReadonlySet<string>): Pairs {
  const paired = new Map<string, string>();
  const homeless = new Map<string, string>();
  if (from === undefined) return { paired, homeless };
  const taken = new Set(map?.values() ?? []);
  const left: { readonly name: string; readonly why: string }[] = [];
  for (const group of new Set(components.flatMap(({ groups }) => groups))) {
    const old = (from.groups.get(group) ?? []).filter((name) => archived.has(name) && map?.has(name) !== true);
    const now = (cluster.groups.get(group) ?? []).filter((name) => !taken.has(name));
    const free = now.filter((name) => !old.includes(name));
    for (const [index, name] of old.filter((each) => !now.includes(each)).entries()) {
      const place = free[index];
      const before = paired.get(name);
      if (place === undefined)
        left.push({
          name,
          why: `group ${group} of ${cluster.inventoryFile} has nobody left to take the place of ${name}`,
        });
      else if (before !== undefined && before !== place)
        homeless.set(name, `${name} would be both ${before} and ${place}: its groups do not fit together`);
      else paired.set(name, place);
    }
  }
  const isIn = ({ hosts }: Cluster, name: string): boolean => hosts.some((host) => host.name === name);
  for (const name of archived)
    if (!paired.has(name) && map?.has(name) !== true && isIn(from, name) && isIn(cluster, name)) paired.set(name, name);
  for (const { name, why } of left) if (!paired.has(name)) homeless.set(name, why);
  return { paired, homeless };
}

/** Hosts of the archive whose name or address is another one now; those that nothing stands for are nobody's business. */
export function movedHosts(records: readonly HostRecord[], mapping: Mapping): readonly MovedHost[] {
  return records.flatMap(({ name, address, hostname }) => {
    const host = mapping.find(name);
    if (host === undefined || (host.name === name && host.connection.address === address)) return [];
    const archived = [...new Set([name, address, ...(hostname === undefined ? [] : [hostname])])];
    return [{ archived, target: host.name, address: host.connection.address }];
  });
}

function known(cluster: Cluster): string {
  return `Its hosts are ${cluster.hosts.map(({ name }) => name).join(', ')}.`;
}

function hostError(message: string, hint: string): BackupError {
  return new BackupError('RESTORE_HOST', message, { hint });
}
