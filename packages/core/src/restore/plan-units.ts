import type { Host } from '../cluster/cluster.js';
import type { Finding, RestoreContext, Step } from '../components/restore.js';
import { asBackupError, BackupError } from '../model/errors.js';
import { type Logger, silentLogger } from '../model/logger.js';
import type { ArtifactRecord } from '../model/metadata.js';
import type { OptionsLookup } from '../run/component-options.js';
import type { RestoreOptions } from './api.js';
import type { ChosenUnit } from './choose-units.js';
import { type Mapping, movedHosts } from './mapping.js';
import type { Planning } from './plan.js';
import { concerns, hasNothing, missedIn, refuseUnknown, selectionOf, type UnitSelection } from './selectors.js';
import { surveyArtifact } from './survey-tar.js';

export interface UnitPlanning {
  readonly options: RestoreOptions;
  readonly mapping: Mapping;
  readonly lookup: OptionsLookup;
  readonly planning: Planning;
  readonly findings: Finding[];
}

export interface UnitPlan {
  readonly unit: ChosenUnit;
  readonly steps: readonly Step[];
  /** Why there are none. */
  readonly reason?: string;
  readonly isMissed?: boolean;
}

/**
 * What `--select` names need be in one unit of a component only: one that has none of it is left out, with the reason. Errors: the first one of any unit that fails
 * otherwise; OPTION_INVALID for what no unit has.
 */
export async function planUnits(units: readonly ChosenUnit[], request: UnitPlanning): Promise<readonly UnitPlan[]> {
  const { select } = request.options;
  const tasks = units.map((unit) => {
    const { component, backup } = unit;
    return { unit, selection: selectionOf(component.name, backup.unit.name, select?.[component.name]) };
  });
  const settled = await Promise.allSettled(
    tasks.map(async ({ unit, selection }) => planUnit(unit, selection, request)),
  );
  const planned = tasks.map(({ unit, selection }, index): UnitPlan => {
    const result = settled[index];
    if (result?.status === 'fulfilled')
      return result.value.length > 0
        ? { unit, steps: result.value }
        : { unit, steps: [], reason: 'nothing of it is left to restore', isMissed: unit.backup.failed.length > 0 };
    const error = asBackupError(result?.reason, { component: unit.component.name });
    if (!hasNothing(selection)) throw error;
    return { unit, steps: [], reason: error.message, isMissed: concerns(selection) };
  });
  refuseUnknown(tasks.map(({ selection }) => selection));
  return planned;
}

async function planUnit(unit: ChosenUnit, selection: UnitSelection, request: UnitPlanning): Promise<readonly Step[]> {
  const context = contextOf(unit, selection, request);
  const steps = (await unit.component.restore?.(context, unit.backup)) ?? [];
  for (const message of missedIn(selection)) context.warn({ code: 'RESTORE_NOT_SAVED', message });
  return steps;
}

function contextOf(
  { component, backup }: ChosenUnit,
  { selected }: UnitSelection,
  request: UnitPlanning,
): RestoreContext<unknown> {
  const { options, mapping, lookup, planning, findings } = request;
  const log: Logger = (options.logger ?? silentLogger).child({ component: component.name });
  const ownArtifact = (path: string): ArtifactRecord => {
    const artifact = backup.artifacts.find((each) => each.path === path);
    if (artifact !== undefined) return artifact;
    throw new BackupError('ARTIFACT_MISSING', `${path} is not in the archive`, { component: component.name });
  };
  return {
    runId: planning.runId,
    target: (archived): Host => mapping.target(archived),
    optionsFor: (host) => lookup(component, host),
    remote: (host) => planning.remote(host.name),
    selected,
    read: async (path) => options.archive.read(ownArtifact(path).path, { signal: planning.signal }),
    surveyTar: async (path, visit) =>
      surveyArtifact(options.archive, ownArtifact(path), { visit, signal: planning.signal }),
    moved: movedHosts(options.archive.metadata.hosts, mapping),
    report: (finding) => void findings.push(finding),
    warn: (warning) => planning.emit({ type: 'warning', component: component.name, ...warning }),
    signal: planning.signal,
    log,
  };
}
