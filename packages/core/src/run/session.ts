import { setMaxListeners } from 'node:events';
import { randomBytes } from 'node:crypto';
import { builtInComponents } from '../components/index.js';
import { defaultMemory } from '../archive/writer.js';
import type { Host } from '../cluster/cluster.js';
import type { AnyComponent } from '../components/component.js';
import { abortError, asBackupError, BackupError } from '../model/errors.js';
import type { BackupEvent } from '../model/event.js';
import { type Logger, silentLogger } from '../model/logger.js';
import type { HostRecord } from '../model/metadata.js';
import type { RemoteHost } from '../remote/remote-host.js';
import { createHostPool, type HostPool } from '../remote/host-pool.js';
import type { Plan, PlanOptions } from './api.js';
import { idleVariables, type OptionsLookup, resolveOptions } from './component-options.js';
import { documentSettings } from './document-settings.js';
import { type DiscoveredUnit, discoverAll } from './discover.js';
import { refuseUnreachable } from './refusals.js';
import { select, type SelectedComponent } from './selection.js';

/** What plan and backup share: the checked selection, the connected hosts and what was discovered on them. */
export interface Session {
  readonly runId: string;
  readonly components: readonly AnyComponent[];
  readonly selected: readonly SelectedComponent[];
  readonly options: OptionsLookup;
  readonly pool: HostPool;
  /** The host's connection, or why it must be left alone. */
  readonly remote: (host: Host) => Promise<RemoteHost>;
  /** From now on nobody gets this host; its units fail with the error. */
  readonly block: (host: Host, error: BackupError) => void;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly emit: (event: BackupEvent) => void;
}

/** `20261122T101500Z-4f1c9a2b`: sorts by time, unique, and fit for a directory name. */
export function createRunId(startedAt: Date): string {
  return `${compactTimestamp(startedAt)}-${randomBytes(4).toString('hex')}`;
}

/** `20261122T101500Z`. */
export function compactTimestamp(date: Date): string {
  return date.toISOString().replaceAll(/[-:]|\.\d+/g, '');
}

export interface SessionOptions extends PlanOptions {
  /** What refuses a selected host is thrown only when that host is asked for, so that the others can be looked at. */
  readonly refusesLate?: boolean;
}

/**
 * Checks everything that can be checked before a host is touched. The caller's signal ends the session, and each of `stops`.
 * Errors: COMPONENT_UNKNOWN, OPTION_INVALID, USAGE, and what refuses a selected host: INVENTORY_UNSUPPORTED, INVENTORY_SYNTAX, CONFIG_INVALID.
 */
export async function createSession(
  options: SessionOptions,
  runId: string,
  ...stops: readonly AbortSignal[]
): Promise<Session> {
  const components = options.components ?? builtInComponents;
  const document = documentSettings(options, components);
  const selected = await select(options.cluster, components, { ...options, disabled: document.disabled });
  if (!selected.some(({ hosts }) => hosts.length > 0)) throw nothingSelected(options, components);
  if (options.refusesLate !== true) refuseUnreachable(options.cluster, selected);
  const signal = AbortSignal.any([...(options.signal ? [options.signal] : []), ...stops]);
  // Every host that is being called listens, and every command under way. The caller's own signal is left as it is.
  setMaxListeners(0, signal);
  const log = options.logger ?? silentLogger;
  const emit = options.onEvent ?? ((): void => undefined);
  emit({ type: 'started', runId });
  for (const warning of document.warnings) emit({ type: 'warning', ...warning });
  const pool = createHostPool({
    user: options.user,
    signal,
    warn: (host, warning) => emit({ type: 'warning', host: host.name, ...warning }),
    ...(options.limits?.dials === undefined ? {} : { dials: options.limits.dials }),
    ...(options.connect === undefined ? {} : { connect: options.connect }),
  });
  const blocked = new Map<string, BackupError>();
  return {
    runId,
    pool,
    remote: (host) => {
      const error = blocked.get(host.name);
      return error ? Promise.reject(error) : pool.get(host);
    },
    block: (host, error) => {
      blocked.set(host.name, error);
    },
    components,
    selected,
    options: resolveOptions(options.cluster, components, selected, [...document.layers, ...(options.options ?? [])]),
    signal,
    log,
    emit,
  };
}

function nothingSelected(options: PlanOptions, components: readonly AnyComponent[]): BackupError {
  const groups = [...new Set(components.flatMap((component) => component.groups))];
  return new BackupError(
    'USAGE',
    `nothing to back up: no host of ${options.cluster.inventoryFile} is left for any component`,
    {
      hint: `Check --only, --skip, --limit and what -f switches off; the groups that are looked at are ${groups.join(', ')}.`,
    },
  );
}

/** Dials every host a selected component is on, in parallel, and says what came of each. Errors: NO_HOST_REACHED when all failed. */
export async function connectAll(session: Session, options: PlanOptions): Promise<HostRecord[]> {
  const hosts = selectedHosts(session, options);
  warnOfInventory(session, options);
  const records = await Promise.all(hosts.map((host) => connectOne(session, host)));
  if (session.signal.aborted) throw abortError(session.signal);
  if (records.some((record) => record.reached)) return records;
  const reasons = records.map((record) => record.reason ?? '').join('\n  ');
  throw new BackupError('NO_HOST_REACHED', `no host could be reached:\n  ${reasons}`);
}

/** The hosts that any selected component is on, in inventory order. */
export function selectedHosts(session: Session, { cluster }: PlanOptions): readonly Host[] {
  const wanted = new Set(session.selected.flatMap(({ hosts }) => hosts));
  return cluster.hosts.filter((host) => wanted.has(host.name));
}

/** Tells what the inventory says that is doubtful, or not followed. */
export function warnOfInventory(session: Session, options: PlanOptions): void {
  const hosts = selectedHosts(session, options);
  for (const message of options.cluster.warnings)
    session.emit({ type: 'warning', code: 'INVENTORY_DOUBTFUL', message });
  warnOfIgnoredOptions(session, hosts);
  warnOfIdleVariables(session, hosts);
}

/** One warning for all hosts: what the inventory or ssh's configuration says about the way to a host and is not followed must not go unsaid. */
function warnOfIgnoredOptions(session: Session, hosts: readonly Host[]): void {
  const options = [...new Set(hosts.flatMap((host) => host.connection.ignoredOptions))];
  if (options.length === 0) return;
  const message = `set, but not used by this version when it connects: ${options.join(', ')}`;
  session.emit({ type: 'warning', code: 'OPTIONS_IGNORED', message });
}

/** One warning for all hosts, and no error: a component may be known to another program that uses the inventory. */
function warnOfIdleVariables(session: Session, hosts: readonly Host[]): void {
  const known = [...session.components, ...builtInComponents];
  const variables = [...new Set(hosts.flatMap((host) => idleVariables(host, known)))];
  if (variables.length === 0) return;
  const message = `the inventory has variables of components that are not known here: ${variables.join(', ')}`;
  session.emit({ type: 'warning', code: 'OPTIONS_IGNORED', message });
}

async function connectOne(session: Session, host: Host): Promise<HostRecord> {
  const { address, port } = host.connection;
  const record = { name: host.name, address, port };
  try {
    const { facts } = await session.pool.get(host);
    session.emit({ type: 'host', host: host.name, status: 'connected' });
    const { hostname, machineId, os, sshFingerprint } = facts;
    return { ...record, reached: true, hostname, machineId, os, sshFingerprint };
  } catch (error) {
    const failure = asBackupError(error, { host: host.name });
    session.emit({ type: 'host', host: host.name, status: 'failed', error: failure });
    return { ...record, reached: false, reason: failure.reason };
  }
}

/** What all selected components would save, and the plan of it. */
export async function makePlan(
  session: Session,
  options: PlanOptions,
  hosts: readonly HostRecord[],
): Promise<{ plan: Plan; discovered: DiscoveredUnit[] }> {
  const discovered = await discoverAll({ cluster: options.cluster, ...session }, session.selected);
  const units = discovered.map(({ planned }) => planned);
  const artifacts = units.flatMap((unit) => unit.artifacts);
  const plan: Plan = {
    runId: session.runId,
    cluster: options.cluster.name,
    hosts,
    units,
    expectedBytes: artifacts.reduce((sum, artifact) => sum + (artifact.size ?? 0), 0),
    memory: memoryLimit(options),
    uncoveredGroups: uncoveredGroups(options, session.components),
    uncoveredHosts: uncoveredHosts(options, session.components),
  };
  session.emit({
    type: 'plan',
    runId: plan.runId,
    units: units.length,
    artifacts: artifacts.length,
    expectedBytes: plan.expectedBytes,
  });
  return { plan, discovered };
}

/** Bytes for everything that is buffered. */
export function memoryLimit(options: PlanOptions): number {
  return options.limits?.memory ?? defaultMemory;
}

/** Groups that name hosts and neither belong to a component nor lie below one that does; `ungrouped` when a host is in no group at all. */
function uncoveredGroups(options: PlanOptions, components: readonly AnyComponent[]): string[] {
  const covered = new Set(components.flatMap((component) => component.groups));
  return [...options.cluster.namingGroups]
    .filter(([group, above]) => ![group, ...above].some((each) => covered.has(each)))
    .map(([group]) => group);
}

/** Whatever the flags leave out: these are hosts that no component would be asked about. */
function uncoveredHosts({ cluster }: PlanOptions, components: readonly AnyComponent[]): string[] {
  const groups = components.flatMap((component) => component.groups);
  const covered = new Set(groups.flatMap((group) => cluster.groups.get(group) ?? []));
  return cluster.hosts.map(({ name }) => name).filter((name) => !covered.has(name));
}
