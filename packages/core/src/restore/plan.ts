import type { Archive } from '../archive/archive.js';
import { builtInComponents } from '../components/index.js';
import type { AnyComponent } from '../components/component.js';
import type { Finding, Step } from '../components/restore.js';
import { abortError, asBackupError, BackupError } from '../model/errors.js';
import type { ArtifactRecord, HostRecord } from '../model/metadata.js';
import type { RemoteHost } from '../remote/remote-host.js';
import { resolveOptions } from '../run/component-options.js';
import type { SelectedComponent } from '../run/selection.js';
import { type Choice, chooseUnits, type ChosenUnit, nothingToRestore } from './choose-units.js';
import type { MappedHost, RestoredUnit, RestoreEvent, RestoreOptions, RestorePlan } from './api.js';
import { findKind } from './kinds.js';
import { createMapping, type Mapping } from './mapping.js';
import { planUnits, type UnitPlan } from './plan-units.js';
import { checkSelectors, refuseIdle } from './selectors.js';
import { inOrder } from './run-sets.js';
import { stepSets } from './step-sets.js';
import { verifyNeeded } from './verify-needed.js';

export interface Planning {
  readonly runId: string;
  readonly remote: (host: string) => Promise<RemoteHost>;
  readonly signal: AbortSignal;
  readonly emit: (event: RestoreEvent) => void;
}

/**
 * Everything that is known before a host is touched: what is restored to where in which steps, and that every byte it needs is whole. Errors: usage
 * (RESTORE_HOST, COMPONENT_UNKNOWN, OPTION_INVALID), ARTIFACT_MISSING where nothing is left to restore, RESTORE_REFUSED, RESTORE_VERSION, the hosts' own, ARCHIVE_CORRUPT.
 */
export async function planRestore(options: RestoreOptions, planning: Planning): Promise<RestorePlan> {
  const { archive, cluster } = options;
  const components = options.components ?? builtInComponents;
  checkSelectors(options.select ?? {}, components);
  const mapping = createMapping({ ...options, metadata: archive.metadata, components });
  const choice = await chooseUnits(options, components, mapping);
  refuseIdle(options.select ?? {}, choice);
  const lookup = resolveOptions(cluster, components, targetsPerComponent(choice), options.options ?? []);
  const hosts = await identifyHosts(choice.units, { archive, mapping, planning });
  const findings: Finding[] = [];
  const planned = await planUnits(choice.units, { options, mapping, lookup, planning, findings });
  const units = [...planned.map(restoredUnit), ...choice.left];
  const steps = planned.flatMap((each) => each.steps);
  if (steps.length === 0) throw nothingToRestore(archive.name, units);
  checkSteps(steps, components, archive);
  const sizes = sizesOf(steps, archive);
  const needed = neededArtifacts(steps, archive);
  await verifyNeeded(archive, needed, planning);
  return {
    runId: planning.runId,
    archive: archive.name,
    cluster: archive.metadata.cluster.name,
    hosts,
    units,
    steps,
    sizes,
    bytes: Object.values(sizes).reduce((sum, bytes) => sum + bytes, 0),
    verified: { artifacts: needed.length, of: archive.metadata.artifacts.length },
    findings,
    irreversible: irreversible(planned, components),
  };
}

function targetsPerComponent({ units }: Choice): readonly SelectedComponent[] {
  const components = [...new Set(units.map(({ component }) => component))];
  return components.map((component) => {
    const own = units.filter((unit) => unit.component === component);
    return { component, hosts: own.flatMap(({ targets }) => targets.map(({ name }) => name)), skipped: [] };
  });
}

function restoredUnit({ unit, steps, ...why }: UnitPlan): RestoredUnit {
  return {
    component: unit.component.name,
    unit: unit.backup.unit.name,
    sets: [...new Set(steps.map(({ set }) => set))],
    ...why,
  };
}

/** Connects every target and compares it with the machine that was backed up. Errors: RESTORE_HOST for another one that nobody named. */
async function identifyHosts(
  units: readonly ChosenUnit[],
  { archive, mapping, planning }: { readonly archive: Archive; readonly mapping: Mapping; readonly planning: Planning },
): Promise<readonly MappedHost[]> {
  const names = [...new Set(units.flatMap(({ backup }) => backup.unit.hosts))];
  const settled = await Promise.allSettled(
    names.map(async (name): Promise<MappedHost> => {
      const target = mapping.target(name);
      const { facts } = await planning.remote(target.name);
      const record = archive.metadata.hosts.find((host) => host.name === name);
      const isOther = record?.machineId !== facts.machineId || facts.machineId === '';
      if (isOther && target.name === name && !mapping.isChosen(name)) throw otherMachine(name, record);
      return {
        archived: name,
        target: target.name,
        address: target.connection.address,
        machineId: facts.machineId,
        isOther,
      };
    }),
  );
  if (planning.signal.aborted) throw abortError(planning.signal);
  return settled.map((result) => {
    if (result.status === 'rejected') throw asBackupError(result.reason);
    return result.value;
  });
}

function otherMachine(name: string, record: HostRecord | undefined): BackupError {
  const known =
    record?.machineId === undefined || record.machineId === '' ? 'has no machine-id' : 'has another machine-id';
  return new BackupError('RESTORE_HOST', `${name} is not the machine that was backed up: it ${known}`, {
    host: name,
    hint: `If it replaces that machine, say so: --map ${name}=${name}. Else check the inventory.`,
  });
}

/** What a component got wrong is found before anything is done. */
function checkSteps(steps: readonly Step[], components: readonly AnyComponent[], archive: Archive): void {
  const ids = new Set(steps.map(({ id }) => id));
  if (ids.size < steps.length) throw new BackupError('INTERNAL', 'two steps have the same id');
  for (const step of steps) {
    findKind(components, step).params.parse(step.params);
    const stranger = step.after.find((id) => !ids.has(id));
    if (stranger !== undefined)
      throw new BackupError('INTERNAL', `${step.id} comes after ${stranger}, which is no step`);
    for (const path of step.reads) bytesOf(archive, path);
  }
  inOrder(stepSets(steps, []));
}

function neededArtifacts(steps: readonly Step[], archive: Archive): readonly ArtifactRecord[] {
  const paths = new Set(steps.flatMap(({ reads }) => reads));
  return archive.metadata.artifacts.filter(({ path }) => paths.has(path));
}

function sizesOf(steps: readonly Step[], archive: Archive): Readonly<Record<string, number>> {
  const reading = steps.filter(({ reads }) => reads.length > 0);
  const sum = (paths: readonly string[]): number => paths.reduce((bytes, path) => bytes + bytesOf(archive, path), 0);
  return Object.fromEntries(reading.map(({ id, reads }) => [id, sum(reads)]));
}

function bytesOf(archive: Archive, path: string): number {
  const record = archive.metadata.artifacts.find((artifact) => artifact.path === path);
  if (record === undefined)
    throw new BackupError('ARTIFACT_MISSING', `there is no artifact ${path} in ${archive.name}`);
  return record.bytes;
}

function irreversible(
  planned: readonly { readonly unit: ChosenUnit; readonly steps: readonly Step[] }[],
  components: readonly AnyComponent[],
): readonly string[] {
  const names = planned
    .filter(({ steps }) => steps.some((step) => findKind(components, step).revert === undefined))
    .map(({ unit }) => unit.component.name);
  return [...new Set(names)];
}
