import type { Host } from '../cluster/cluster.js';
import { thisController } from '../controller/controller.js';
import { abortError, asBackupError, exitStatuses } from '../model/errors.js';
import type { BackupEvent } from '../model/event.js';
import type { PlanOptions } from '../run/api.js';
import { discoverAll, type DiscoveredUnit } from '../run/discover.js';
import { createRunId, createSession, selectedHosts, type Session, warnOfInventory } from '../run/session.js';
import type { Store } from '../stores/store.js';
import { unitChecks } from './component-checks.js';
import { examineController } from './controller-checks.js';
import { about, type Check, type Diagnosis, failed, type Finding, ok, skipped, warning, worst } from './diagnosis.js';
import { examineHost } from './host-checks.js';
import { spaceFindings } from './space-check.js';
import { examineTarget, targetSpace } from './target-checks.js';
import { commonTools } from './tools-check.js';

export interface DoctorOptions extends Omit<PlanOptions, 'onEvent'> {
  /** Where a backup would go; unset: no target is looked at. */
  readonly target?: DoctorTarget;
}

export interface DoctorTarget {
  /** For the report, where it cannot be opened. */
  readonly name: string;
  open(): Promise<Store>;
}

/**
 * Looks at everything that a backup needs, all hosts at once, and tells what would fail or is doubtful, with what to do about it. Changes nothing on
 * hosts; at the target it makes a small object and removes it again. Problems are checks of the diagnosis, also that a host cannot be reached as the
 * inventory says; it rejects for what else `plan` rejects for before a host is touched (usage, configuration), for a target that no store is for (TARGET_UNSUPPORTED, USAGE), and with ABORTED.
 */
export async function doctor(options: DoctorOptions): Promise<Diagnosis> {
  const warnings: WarningEvent[] = [];
  const session = await createSession(
    {
      ...options,
      refusesLate: true,
      onEvent: (event) => {
        if (event.type === 'warning') warnings.push(event);
      },
    },
    createRunId(new Date()),
  );
  try {
    return await examine({ session, options, warnings, hosts: selectedHosts(session, options) });
  } finally {
    await session.pool[Symbol.asyncDispose]();
  }
}

type WarningEvent = BackupEvent & { readonly type: 'warning' };

interface Examination {
  readonly session: Session;
  readonly options: DoctorOptions;
  readonly warnings: readonly WarningEvent[];
  readonly hosts: readonly Host[];
}

async function examine(examination: Examination): Promise<Diagnosis> {
  const { session, options, hosts } = examination;
  const target = options.target && (await openTarget(options.target));
  try {
    warnOfInventory(session, options);
    const [controller, cluster, stored] = await allSettled([
      examineController(options.user, hosts, session.signal),
      examineCluster(examination),
      target?.store && examineTarget(target.store, session),
    ] as const);
    const expectedBytes = cluster.discovered
      .flatMap(({ planned }) => planned.artifacts)
      .reduce((sum, { size = 0 }) => sum + size, 0);
    const space = target?.store && (await targetSpace(target.store, expectedBytes, session.signal));
    const ofTarget = [...(target?.findings ?? []), ...(stored ?? []), ...(space ? [space] : [])];
    const checks = [
      ...about({ kind: 'controller' }, [...controller, ...inventoryFindings(examination)]),
      ...cluster.checks,
      ...about({ kind: 'target', target: target?.name ?? '' }, ofTarget),
      ...cluster.discovered.flatMap((unit) => unitChecks(unit, cluster.unreached)),
    ];
    return { cluster: options.cluster.name, status: worst(checks), checks };
  } finally {
    await target?.store?.[Symbol.asyncDispose]();
  }
}

/** Waits for all also where one fails: what is made at the target is taken back before anybody goes on. */
async function allSettled<Parts extends readonly unknown[]>(
  parts: Parts,
): Promise<{ -readonly [Index in keyof Parts]: Awaited<Parts[Index]> }> {
  await Promise.allSettled(parts);
  return Promise.all(parts);
}

interface OpenedTarget {
  readonly name: string;
  readonly store?: Store;
  readonly findings: readonly Finding[];
}

async function openTarget(target: DoctorTarget): Promise<OpenedTarget> {
  try {
    const store = await target.open();
    return { name: store.description, store, findings: [ok('exists', 'exists')] };
  } catch (error) {
    const failure = asBackupError(error);
    if (failure.exitStatus === exitStatuses.usage && failure.code !== 'TARGET_MISSING') throw failure;
    const later = (['write', 'publish', 'read', 'list', 'remove', 'space'] as const).map((check) =>
      skipped(check, 'no target'),
    );
    return { name: target.name, findings: [failed('exists', failure), ...later] };
  }
}

function inventoryFindings({ warnings }: Examination): readonly Finding[] {
  return warnings
    .filter(({ host }) => host === undefined)
    .map(({ code, message }) => warning('inventory', message, undefined, code));
}

interface ClusterFindings {
  readonly checks: readonly Check[];
  readonly discovered: readonly DiscoveredUnit[];
  readonly unreached: ReadonlySet<string>;
}

/** Each host by itself, then what components find there: a slow host keeps only those waiting that ask for it. */
async function examineCluster(examination: Examination): Promise<ClusterFindings> {
  const { session, options, hosts, warnings } = examination;
  const questions = {
    pool: session.pool,
    wayIn: (host: Host) => ({
      user: options.user,
      milliseconds: session.pool.connectMilliseconds(host),
      warnings: warnings.filter((each) => each.host === host.name),
    }),
    controller: await thisController(),
    tools: (host: Host) => toolsFor(session, host),
    signal: session.signal,
  };
  const examinations = new Map(hosts.map((host) => [host.name, examineHost(host, questions)]));
  const remote: Session['remote'] = async (host) => {
    await examinations.get(host.name);
    return session.remote(host);
  };
  const [findings, discovered] = await allSettled([
    Promise.all(examinations.values()),
    discoverAll({ cluster: options.cluster, ...session, remote }, session.selected),
  ] as const);
  const spaces = await Promise.all(hosts.map((host) => examineSpace(session, host, discovered)));
  const checks = hosts.flatMap((host, index) =>
    about({ kind: 'host', host: host.name }, [...(findings[index] ?? []), ...(spaces[index] ?? [])]),
  );
  const reached = await Promise.all(hosts.map((host) => isReached(session, host)));
  return {
    checks,
    discovered,
    unreached: new Set(hosts.map(({ name }) => name).filter((_, index) => !reached[index])),
  };
}

function toolsFor({ selected }: Session, host: Host): readonly string[] {
  const components = selected.filter(({ hosts }) => hosts.includes(host.name)).map(({ component }) => component);
  return [...new Set([...commonTools, ...components.flatMap(({ tools = [] }) => tools)])].sort();
}

async function examineSpace(
  session: Session,
  host: Host,
  discovered: readonly DiscoveredUnit[],
): Promise<readonly Finding[]> {
  if (!(await isReached(session, host))) return [skipped('space', 'no connection')];
  const needs = discovered.flatMap(({ planned }) => planned.tempSpace).filter((need) => need.host === host.name);
  try {
    return await spaceFindings(await session.remote(host), needs, session.signal);
  } catch (error) {
    if (session.signal.aborted) throw abortError(session.signal);
    return [failed('space', asBackupError(error), host.name)];
  }
}

function isReached(session: Session, host: Host): Promise<boolean> {
  return session.remote(host).then(
    () => true,
    () => false,
  );
}
