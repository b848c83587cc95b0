import type { Cluster, Host } from '../cluster/cluster.js';
import type { AnyComponent, Discovery, Unit } from '../components/component.js';
import { inTime } from '../model/in-time.js';
import { abortError, asBackupError, BackupError } from '../model/errors.js';
import type { Logger } from '../model/logger.js';
import type { RemoteHost } from '../remote/remote-host.js';
import type { PlannedUnit } from './api.js';
import type { OptionsLookup } from './component-options.js';
import type { SelectedComponent } from './selection.js';

/** Seconds one component may take to look at all its hosts. */
const discoverSeconds = 300;

/** A unit as the plan shows it and, where it will be backed up, as its component needs it again. */
export interface DiscoveredUnit {
  readonly component: AnyComponent;
  readonly planned: PlannedUnit;
  readonly unit?: Unit;
  /** Why there is nothing to back up where there should be. */
  readonly error?: BackupError;
}

export interface DiscoverServices {
  readonly cluster: Cluster;
  readonly remote: (host: Host) => Promise<RemoteHost>;
  readonly options: OptionsLookup;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** Asks every selected component, in parallel, what it would save. A component that fails as a whole becomes one failed unit. */
export async function discoverAll(
  services: DiscoverServices,
  selected: readonly SelectedComponent[],
): Promise<DiscoveredUnit[]> {
  const found = await Promise.all(selected.map((selection) => discoverOne(services, selection)));
  if (services.signal.aborted) throw abortError(services.signal);
  return found.flat();
}

async function discoverOne(services: DiscoverServices, selection: SelectedComponent): Promise<DiscoveredUnit[]> {
  const { component, hosts, skipped } = selection;
  const units: DiscoveredUnit[] = skipped.map(({ host, reason }) =>
    without(component, host, [host], { status: 'skipped', reason }),
  );
  if (hosts.length === 0) return units;
  let discovery: Discovery;
  try {
    const limit = { seconds: discoverSeconds, signal: services.signal, late: () => tooSlow(component) };
    discovery = await inTime(limit, (signal) =>
      component.discover({
        hosts: services.cluster.hosts.filter((host) => hosts.includes(host.name)),
        optionsFor: (host) => services.options(component, host),
        remote: services.remote,
        signal,
        log: services.log.child({ component: component.name }),
      }),
    );
  } catch (error) {
    return [...units, failed(component, component.name, hosts, asBackupError(error, { component: component.name }))];
  }
  for (const unit of discovery.units) units.push({ component, unit, planned: planned(component, unit) });
  for (const { unit, hosts: of, error } of discovery.problems) units.push(failed(component, unit, of, error));
  for (const { host, evidence } of discovery.absent)
    units.push(without(component, host, [host], { status: 'absent', reason: evidence }));
  for (const host of forgotten(hosts, discovery))
    units.push(
      failed(component, host, [host], new BackupError('INTERNAL', `${component.name} says nothing about ${host}`)),
    );
  return units;
}

function tooSlow({ name }: AnyComponent): BackupError {
  const text = `${name}: not all hosts were looked at within ${discoverSeconds} s`;
  return new BackupError('COMMAND_TIMEOUT', text, { component: name, retryable: true });
}

/** Hosts that a component was asked about and left out, which would otherwise be a backup without them that says complete. */
function forgotten(hosts: readonly string[], { units, problems, absent }: Discovery): readonly string[] {
  const known = new Set([...units, ...problems].flatMap((each) => each.hosts));
  for (const { host } of absent) known.add(host);
  return hosts.filter((host) => !known.has(host));
}

function planned(component: AnyComponent, unit: Unit): PlannedUnit {
  return {
    component: component.name,
    area: component.area,
    name: unit.name,
    hosts: unit.hosts,
    status: 'planned',
    product: unit.product,
    ...(unit.roles === undefined ? {} : { roles: unit.roles }),
    consistency: unit.consistency,
    ...(unit.identity === undefined ? {} : { identity: unit.identity }),
    containsSecrets: unit.containsSecrets,
    artifacts: unit.artifacts,
    tempSpace: unit.tempSpace ?? [],
    warnings: unit.warnings,
  };
}

function failed(component: AnyComponent, name: string, hosts: readonly string[], error: BackupError): DiscoveredUnit {
  const { reason, code } = error;
  return { ...without(component, name, hosts, { status: 'failed', reason, code }), error };
}

function without(
  component: AnyComponent,
  name: string,
  hosts: readonly string[],
  why: { readonly status: 'failed' | 'absent' | 'skipped'; readonly reason: string; readonly code?: string },
): DiscoveredUnit {
  return {
    component,
    planned: {
      component: component.name,
      area: component.area,
      name,
      hosts,
      ...why,
      containsSecrets: false,
      artifacts: [],
      tempSpace: [],
      warnings: [],
    },
  };
}
