import type { Host } from '../cluster/cluster.js';
import type { AnyComponent } from '../components/component.js';
import type { UnitBackup } from '../components/restore.js';
import { BackupError } from '../model/errors.js';
import type { Metadata } from '../model/metadata.js';
import { hostsOf, select, type SelectedComponent } from '../run/selection.js';
import type { Selection } from '../run/api.js';
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
  /** Those that the selection means and that cannot be restored, each with the reason. */
  readonly left: readonly RestoredUnit[];
  readonly selected: readonly SelectedComponent[];
}

/**
 * The units of the archive that `only`, `skip` and `limit` mean; the names are those of the target cluster. Errors: those of `select`; RESTORE_HOST for a
 * host that is in no group of the component, or takes two hosts' place in it; ARTIFACT_MISSING where nothing is left to restore.
 */
export async function chooseUnits(
  { cluster, archive, ...selection }: RestoreOptions,
  components: readonly AnyComponent[],
  mapping: Mapping,
): Promise<Choice> {
  const selected = await select(cluster, components, selection);
  const units: ChosenUnit[] = [];
  const left: RestoredUnit[] = [];
  for (const backup of unitsOf(archive.metadata)) {
    const component = components.find(({ name }) => name === backup.component);
    const { unit } = backup;
    const unable = (reason: string): void =>
      void left.push({ component: backup.component, unit: unit.name, sets: [], reason });
    if (component === undefined) {
      if (selection.only === undefined) unable('this version knows no such component');
      continue;
    }
    const homeless = unit.hosts.find((name) => mapping.find(name) === undefined);
    if (homeless !== undefined) {
      if (isEverything(selection)) mapping.target(homeless);
      unable(`${homeless} is not in ${cluster.inventoryFile}: say which host takes its place, --map ${homeless}=HOST`);
      continue;
    }
    if (!isMeant(component, backup, { selected, mapping, isEverything: isEverything(selection) })) continue;
    if (backup.artifacts.length === 0) unable(`nothing of it is in the archive: ${unit.reason ?? unit.status}`);
    else if (component.restore === undefined) unable('this version can only extract it');
    else units.push({ component, backup, targets: targetsOf(component, backup, { cluster, mapping }) });
  }
  refuseTwoInOne(units);
  if (units.length === 0) throw nothingToRestore(archive.name, left);
  return { units, left, selected };
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

function isEverything({ only, skip, limit }: Selection): boolean {
  return only === undefined && limit === undefined && (skip ?? []).length === 0;
}

/** A unit of several hosts is meant when one of them is: it is restored as a whole. */
function isMeant(
  component: AnyComponent,
  { unit }: UnitBackup,
  request: {
    readonly selected: readonly SelectedComponent[];
    readonly mapping: Mapping;
    readonly isEverything: boolean;
  },
): boolean {
  if (request.isEverything) return true;
  const own = request.selected.find((each) => each.component === component);
  return unit.hosts.some((name) => own?.hosts.includes(request.mapping.target(name).name));
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
    { host: stray.name, component: component.name, hint: 'Add it to the group, or map to another host with --map.' },
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
          { host: name, component: unit.component.name, hint: 'Restore one of them: --only, or another --map.' },
        );
    }
}

function nothingToRestore(archive: string, left: readonly RestoredUnit[]): BackupError {
  const reasons = left.map(({ component, unit, reason }) => `\n  ${component} on ${unit}: ${reason ?? ''}`);
  return new BackupError(
    'ARTIFACT_MISSING',
    `${archive} has nothing that can be restored as asked${reasons.join('')}`,
    {
      hint: 'lsbackup show lists what it has; lsbackup extract takes out what this version cannot restore.',
    },
  );
}
