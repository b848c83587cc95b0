import type { Cluster, Host } from '../cluster/cluster.js';
import type { LimitScope } from '../cluster/patterns/limit.js';
import type { AnyComponent } from '../components/component.js';
import type { UnitBackup } from '../components/restore.js';
import { asBackupError, BackupError } from '../model/errors.js';
import type { Metadata } from '../model/metadata.js';
import { hostsOf, select } from '../run/selection.js';
import type { RestoredUnit, RestoreOptions } from './api.js';
import type { Mapping } from './mapping.js';

/** A unit of the archive that will be restored, with its component and the hosts that take it. */
export interface ChosenUnit {
  readonly component: AnyComponent;
  readonly backup: UnitBackup;
  readonly targets: readonly Host[];
}

export interface Choice {
  readonly units: readonly ChosenUnit[];
  /** Those that are not restored, each with the reason; not those that the selection leaves out. */
  readonly left: readonly RestoredUnit[];
}

/**
 * The units of the archive that `only`, `skip` and `limit` mean; the names are those of the target cluster, and the archive's for a host whose place nobody takes.
 * Errors: those of `select`; RESTORE_HOST for a host that is in no group of the component, or takes two hosts' place in it; RESTORE_HOST and ARTIFACT_MISSING where
 * nothing is left to restore.
 */
export async function chooseUnits(
  { cluster, archive, ...selection }: RestoreOptions,
  components: readonly AnyComponent[],
  mapping: Mapping,
): Promise<Choice> {
  const backups = unitsOf(archive.metadata);
  const selected = await select(withAllHosts(cluster, { backups, components, mapping }), components, selection);
  const units: ChosenUnit[] = [];
  const left: RestoredUnit[] = [];
  let homeless: BackupError | undefined;
  for (const backup of backups) {
    const component = components.find(({ name }) => name === backup.component);
    const unable = (reason: string, isMissed: boolean): void =>
      void left.push({ component: backup.component, unit: backup.unit.name, sets: [], reason, isMissed });
    const isNamed = selection.only !== undefined;
    if (component === undefined) {
      if (!isNamed) unable('this version knows no such component', false);
      continue;
    }
    const hosts = selected.find((each) => each.component === component)?.hosts ?? [];
    if (!placesOf(backup, mapping).some((name) => hosts.includes(name))) continue;
    const lacking = homelessOf(backup, mapping);
    if (component.restore === undefined) unable('this version can only extract it', isNamed);
    else if (backup.artifacts.length === 0)
      unable(`nothing of it is in the archive: ${backup.unit.reason ?? backup.unit.status}`, true);
    else if (lacking !== undefined) {
      homeless ??= lacking;
      unable(`${lacking.message}. ${lacking.hint ?? ''}`, true);
    } else units.push({ component, backup, targets: targetsOf(component, backup, { cluster, mapping }) });
  }
  refuseTwoInOne(units);
  if (units.length === 0) throw nothingToRestore(archive.name, left, homeless);
  return { units, left };
}

function unitsOf(metadata: Metadata): readonly UnitBackup[] {
  return metadata.components.flatMap(({ name, units }) =>
    units
      .filter(({ status }) => status !== 'absent' && status !== 'skipped')
      .map((unit) => ({
        component: name,
        unit,
        artifacts: metadata.artifacts.filter((each) => each.component === name && each.unit === unit.name),
        failed: metadata.failed.filter((each) => each.component === name && each.unit === unit.name),
      })),
  );
}

/** Names of the hosts that take the place of the unit's; a host whose place nobody takes by its own name. A unit of several hosts is meant when one of them is. */
function placesOf({ unit }: UnitBackup, mapping: Mapping): readonly string[] {
  return unit.hosts.map((name) => mapping.find(name)?.name ?? name);
}

/** Undefined where every host of the unit has its place. */
function homelessOf({ unit }: UnitBackup, mapping: Mapping): BackupError | undefined {
  try {
    for (const name of unit.hosts) mapping.target(name);
    return undefined;
  } catch (error) {
    return asBackupError(error);
  }
}

/** The target cluster as if each unit had its hosts in it and in the groups of its component, so that a selection can mean also what has no place there. */
function withAllHosts(
  cluster: Cluster,
  request: {
    readonly backups: readonly UnitBackup[];
    readonly components: readonly AnyComponent[];
    readonly mapping: Mapping;
  },
): LimitScope {
  const groups = new Map(cluster.groups);
  const names = new Set(cluster.hosts.map(({ name }) => name));
  const add = (group: string, places: readonly string[]): void =>
    void groups.set(group, [...new Set([...(groups.get(group) ?? []), ...places])]);
  for (const backup of request.backups) {
    const own = request.components.find(({ name }) => name === backup.component)?.groups ?? [];
    const places = placesOf(backup, request.mapping);
    const known = own.filter((group) => cluster.groups.has(group));
    for (const group of known.length > 0 ? known : own.slice(0, 1)) add(group, places);
    add('all', places);
    for (const name of places) names.add(name);
  }
  return { ...cluster, groups, hosts: [...names].map((name) => ({ name })) };
}

function targetsOf(
  component: AnyComponent,
  { unit }: UnitBackup,
  { cluster, mapping }: { readonly cluster: RestoreOptions['cluster']; readonly mapping: Mapping },
): readonly Host[] {
  const inGroups = new Set(hostsOf(cluster, component));
  const targets = unit.hosts.map((name) => mapping.target(name));
  const stray = targets.find(({ name }) => !inGroups.has(name));
  if (stray === undefined) return [...new Set(targets)];
  throw new BackupError(
    'RESTORE_HOST',
    `${stray.name} is in no group of ${component.name} (${component.groups.join(', ')}) in ${cluster.inventoryFile}`,
    {
      host: stray.name,
      component: component.name,
      hint: `Add it to the group, name another host with --map, or leave it out: --skip ${component.name}@${stray.name}.`,
    },
  );
}

/** Two units of one component on one host would overwrite each other, unless they were beside each other in the backup too. */
function refuseTwoInOne(units: readonly ChosenUnit[]): void {
  const first = new Map<string, ChosenUnit>();
  for (const unit of units)
    for (const { name } of unit.targets) {
      const key = `${unit.component.name}@${name}`;
      const other = first.get(key);
      first.set(key, unit);
      if (other === undefined) continue;
      const together = other.backup.unit.hosts.some((host) => unit.backup.unit.hosts.includes(host));
      if (!together)
        throw new BackupError(
          'RESTORE_HOST',
          `${name} would take the place of both ${other.backup.unit.name} and ${unit.backup.unit.name} for ${unit.component.name}`,
          { host: name, component: unit.component.name, hint: 'Map one of them to another host: --map OLD=NEW.' },
        );
    }
}

/** `homeless`: what would have been restored has no place. */
export function nothingToRestore(archive: string, left: readonly RestoredUnit[], homeless?: BackupError): BackupError {
  const reasons = left.map(({ component, unit, reason }) => `\n  ${component} on ${unit}: ${reason ?? ''}`);
  return new BackupError(
    homeless?.code ?? 'ARTIFACT_MISSING',
    `${archive} has nothing that can be restored as asked${reasons.join('')}`,
    {
      hint:
        homeless === undefined
          ? 'lsbackup show lists what it has; lsbackup extract takes out what this version cannot restore.'
          : 'Say which host takes whose place: --map OLD=NEW.',
    },
  );
}
