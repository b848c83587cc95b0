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
 * A host stands for itself unless `map` says otherwise, or `from` has it at the same place of the same group. Errors: RESTORE_HOST for a
 * name that means nothing, two hosts of the archive in one place, or groups that do not fit.
 */
export function createMapping(request: MappingRequest): Mapping {
  const { metadata, cluster, map = new Map<string, string>(), from } = request;
  const hosts = new Map(cluster.hosts.map((host) => [host.name, host]));
  const archived = new Set(metadata.hosts.map(({ name }) => name));
  for (const [old, now] of map) {
    if (!archived.has(old)) throw hostError(`the archive has no host ${old}`, `It has ${[...archived].join(', ')}.`);
    if (!hosts.has(now)) throw hostError(`${cluster.inventoryFile} has no host ${now}`, known(cluster));
  }
  const paired = from === undefined ? new Map<string, string>() : pairByGroups(request, from);
  const find = (name: string): Host | undefined => hosts.get(map.get(name) ?? paired.get(name) ?? name);
  const target = (name: string): Host => {
    const host = find(name);
    if (host !== undefined) return host;
    throw hostError(
      `${name}, a host of the archive, is not in ${cluster.inventoryFile}`,
      `Say which host takes its place: --map ${name}=HOST. ${known(cluster)}`,
    );
  };
  return { target, find, isChosen: (name) => map.has(name) || paired.has(name) };
}

/** Old and new hosts of each group of a component, in their order, where the names differ. */
function pairByGroups({ metadata, cluster, components, map }: MappingRequest, from: Cluster): Map<string, string> {
  const archived = new Set(metadata.hosts.map(({ name }) => name));
  const pairs = new Map<string, string>();
  for (const group of new Set(components.flatMap(({ groups }) => groups))) {
    const left = (from.groups.get(group) ?? []).filter((name) => archived.has(name) && map?.has(name) !== true);
    const taken = new Set(map?.values() ?? []);
    const right = (cluster.groups.get(group) ?? []).filter((name) => !taken.has(name));
    const stay = new Set(left.filter((name) => right.includes(name)));
    const old = left.filter((name) => !stay.has(name));
    const now = right.filter((name) => !stay.has(name));
    if (old.length === 0) continue;
    if (old.length > now.length)
      throw hostError(
        `group ${group}: ${old.join(', ')} of ${from.inventoryFile} have ${now.length === 0 ? 'nobody' : `only ${now.join(', ')}`} to take their place in ${cluster.inventoryFile}`,
        'Say which host takes whose place: --map OLD=NEW.',
      );
    for (const [index, name] of old.entries()) pair(pairs, name, now[index] ?? '');
  }
  for (const name of archived)
    if (
      !pairs.has(name) &&
      from.hosts.some((host) => host.name === name) &&
      cluster.hosts.some((host) => host.name === name)
    )
      pairs.set(name, name);
  return pairs;
}

function pair(pairs: Map<string, string>, old: string, now: string): void {
  const before = pairs.get(old);
  if (before !== undefined && before !== now)
    throw hostError(
      `${old} would be both ${before} and ${now}: its groups do not fit together`,
      `Say which one takes its place: --map ${old}=HOST.`,
    );
  pairs.set(old, now);
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
