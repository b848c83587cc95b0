import type { Cluster } from '../cluster/cluster.js';
import {
  formatName,
  type Member,
  type Metadata,
  type RunStatus,
  type UnitRecord,
  type UnitStatus,
} from '../model/metadata.js';
import type { Plan, PlannedUnit } from './api.js';
import type { UnitOutcome } from './unit-scope.js';

/** A unit of the plan and what became of it; no outcome where it was not backed up at all. */
export interface FinishedUnit {
  readonly planned: PlannedUnit;
  readonly outcome?: UnitOutcome;
}

/** Worst last. */
const severity: readonly UnitStatus[] = ['skipped', 'absent', 'complete', 'partial', 'failed'];

function runStatus(units: readonly FinishedUnit[]): RunStatus {
  return units.some((unit) => ['partial', 'failed'].includes(unitStatus(unit))) ? 'partial' : 'complete';
}

/** The whole run as `metadata.json` carries it. */
export function describeRun(run: {
  readonly runId: string;
  readonly name: string;
  readonly startedAt: Date;
  readonly tool: { readonly name: string; readonly version: string };
  readonly cluster: Cluster;
  readonly plan: Plan;
  readonly units: readonly FinishedUnit[];
  readonly members: readonly Member[];
}): Metadata {
  return {
    format: formatName,
    requires: [],
    tool: run.tool,
    runId: run.runId,
    startedAt: run.startedAt.toISOString(),
    finishedAt: new Date().toISOString(),
    status: runStatus(run.units),
    cluster: { name: run.name, inventorySha256: run.cluster.inventorySha256 },
    hosts: [...run.plan.hosts],
    components: components(run.units),
    artifacts: run.units.flatMap(({ outcome }) => outcome?.artifacts ?? []),
    failed: run.units.flatMap(({ outcome }) => outcome?.failed ?? []),
    members: [...run.members],
    uncoveredGroups: [...run.plan.uncoveredGroups],
  };
}

function components(units: readonly FinishedUnit[]): Metadata['components'] {
  const names = [...new Set(units.map(({ planned }) => planned.component))];
  return names.map((name) => {
    const own = units.filter(({ planned }) => planned.component === name);
    const statuses = own.map(unitStatus);
    return {
      name,
      area: own[0]?.planned.area ?? name,
      status: severity.findLast((status) => statuses.includes(status)) ?? 'failed',
      units: own.map(unitRecord),
    };
  });
}

export function unitStatus({ planned, outcome }: FinishedUnit): UnitStatus {
  if (outcome) return outcome.status;
  return planned.status === 'planned' ? 'failed' : planned.status;
}

export function unitRecord(finished: FinishedUnit): UnitRecord {
  const { planned, outcome } = finished;
  const reason = outcome?.error?.reason ?? planned.reason;
  const code = outcome?.error?.code ?? planned.code;
  return {
    name: planned.name,
    hosts: [...planned.hosts],
    status: unitStatus(finished),
    ...(reason === undefined ? {} : { reason }),
    ...(code === undefined ? {} : { code }),
    ...(planned.product === undefined ? {} : { product: planned.product }),
    ...(planned.roles === undefined ? {} : { roles: { ...planned.roles } }),
    ...(planned.consistency === undefined ? {} : { consistency: planned.consistency }),
    ...(planned.identity === undefined ? {} : { identity: planned.identity }),
    ...(outcome?.baseline === undefined ? {} : { baseline: outcome.baseline }),
    containsSecrets: planned.containsSecrets,
    warnings: [...(outcome?.warnings ?? planned.warnings)],
    ...(outcome === undefined ? {} : { startedAt: outcome.startedAt, finishedAt: outcome.finishedAt }),
  };
}
