import type { Metadata, Plan } from '@lsbackup/core';
import { nameList } from '@lsbackup/core/store';
import { counted, indented, printable } from './text.js';

/** What a run did not save: the part of a summary that matters most. */
export interface NotBackedUp {
  readonly units: readonly {
    component: string;
    unit: string;
    status: string;
    reason: string | null;
    code: string | null;
  }[];
  readonly artifacts: readonly { path: string; code: string; reason: string }[];
  readonly hosts: readonly { host: string; reason: string }[];
  readonly uncoveredGroups: readonly string[];
  /** Of a plan: what an archive says about hosts is about those that were asked. */
  readonly uncoveredHosts?: readonly string[];
}

/** Of an archive. */
export function notBackedUp(metadata: Metadata): NotBackedUp {
  return {
    units: metadata.components.flatMap((component) =>
      component.units.filter((unit) => unit.status !== 'complete').map((unit) => missing(component.name, unit)),
    ),
    artifacts: metadata.failed.map(({ path, code, reason }) => ({ path, code, reason })),
    hosts: unreached(metadata.hosts),
    uncoveredGroups: metadata.uncoveredGroups,
  };
}

/** Of a plan: what a backup would not save. */
export function notPlanned(plan: Plan): NotBackedUp {
  return {
    units: plan.units.filter((unit) => unit.status !== 'planned').map((unit) => missing(unit.component, unit)),
    artifacts: plan.units.flatMap(({ artifacts }) =>
      artifacts.flatMap(({ path, refusal }) =>
        refusal === undefined ? [] : [{ path, code: refusal.code, reason: `${refusal.message} ${refusal.hint}` }],
      ),
    ),
    hosts: unreached(plan.hosts),
    uncoveredGroups: plan.uncoveredGroups,
    uncoveredHosts: plan.uncoveredHosts,
  };
}

interface UnitLike {
  readonly name: string;
  readonly status: string;
  readonly reason?: string | undefined;
  readonly code?: string | undefined;
}

function missing(component: string, unit: UnitLike): NotBackedUp['units'][number] {
  return { component, unit: unit.name, status: unit.status, reason: unit.reason ?? null, code: unit.code ?? null };
}

function unreached(hosts: Metadata['hosts'] | Plan['hosts']): NotBackedUp['hosts'] {
  return hosts.filter((host) => !host.reached).map((host) => ({ host: host.name, reason: host.reason ?? 'not asked' }));
}

/** For people; empty when everything was saved. */
export function notBackedUpText(missed: NotBackedUp, heading = 'NOT backed up'): string {
  const lines = [
    ...missed.hosts.map(({ host, reason }) => `host ${host}: ${reason}`),
    ...missed.units.map(
      ({ component, unit, status, reason }) => `${component}/${unit} ${status}${reason === null ? '' : `: ${reason}`}`,
    ),
    ...missed.artifacts.map(({ path, reason }) => `${path}: ${reason}`),
  ];
  if (missed.uncoveredGroups.length > 0) {
    lines.push(
      `${counted(missed.uncoveredGroups.length, 'group')} that no component covers: ${missed.uncoveredGroups.join(', ')}`,
    );
  }
  const { uncoveredHosts = [] } = missed;
  if (uncoveredHosts.length > 0)
    lines.push(`${counted(uncoveredHosts.length, 'host')} that no component looks at: ${nameList(uncoveredHosts)}`);
  if (lines.length === 0) return '';
  return [`${heading}:`, ...lines.map((line) => indented(printable(line)))].join('\n');
}
