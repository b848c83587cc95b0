import { script } from '../../host-steps/stage-files.js';
import type { Host } from '../../cluster/cluster.js';
import { asBackupError, BackupError } from '../../model/errors.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import type { RestoreContext, UnitBackup } from '../restore.js';
import { componentName } from './artifacts.js';
import { readFacts, type ServerFacts } from './facts.js';
import type { PostgresqlOptions } from './options.js';
import { readPhysicalFacts, type PhysicalRecord } from './physical-backup.js';
import { hostOfServer, serverState, type HostOfServer, type ServerPlace } from './physical-place.js';
import { archivedPlace } from './restore-target.js';
import { findServers, type Server } from './server.js';

type Context = RestoreContext<PostgresqlOptions>;

/** The server that is replaced, which need not run any more: then it is where the archived one was. */
export interface PhysicalTarget {
  /** The host, with the port where it has several servers. */
  readonly label: string;
  readonly remote: RemoteHost;
  readonly options: PostgresqlOptions;
  readonly place: ServerPlace;
  readonly host: HostOfServer;
  /** Undefined where it is stopped. */
  readonly facts: ServerFacts | undefined;
  /** Relative to the data directory: what the host keeps. */
  readonly configuration: readonly string[];
  readonly isArchiving: boolean;
}

/** Finds it, and refuses what could not be started as a part of this cluster. Errors: RESTORE_REFUSED, PG_ROLE, SERVICE_MISSING, SERVICE_DOWN. */
export async function findPhysicalTarget(
  context: Context,
  backup: UnitBackup,
  recorded: PhysicalRecord,
): Promise<PhysicalTarget> {
  const host = context.target(archivedPlace(backup).primary);
  const options = context.optionsFor(host);
  const remote = await context.remote(host);
  const running = await runningServers(remote, options, context.signal);
  const server = await choose(context, { host, running, options, archived: recorded.server });
  const machine = await hostOfServer(remote, server.dataDirectory, context.signal);
  const isRunning = running.includes(server);
  const unit = isRunning ? machine.unit : recorded.server.unit;
  if (unit === undefined)
    throw refusal(
      server,
      'systemd did not start the server, so it cannot be stopped and started',
      'Start it by its unit (systemctl start postgresql@15-main, postgresql-15).',
    );
  const place: ServerPlace = { ...server, unit };
  await expectState(context, remote, { place, isRunning });
  const now = isRunning ? await askRunning(context, remote, { place, recorded }) : undefined;
  return {
    label: running.length > 1 ? `${host.name}:${String(server.port)}` : host.name,
    remote,
    options,
    place,
    host: machine,
    facts: now?.facts,
    configuration: now?.configuration ?? recorded.configuration,
    isArchiving: now?.isArchiving ?? recorded.archiving,
  };
}

async function runningServers(
  remote: RemoteHost,
  options: PostgresqlOptions,
  signal: AbortSignal,
): Promise<readonly Server[]> {
  try {
    return (await findServers(remote, { ...options, ignore_stopped: true }, signal)).running;
  } catch (error) {
    if (error instanceof BackupError && error.code === 'SERVICE_DOWN') return [];
    throw error;
  }
}

interface Candidates {
  readonly host: Host;
  readonly running: readonly Server[];
  readonly options: PostgresqlOptions;
  readonly archived: PhysicalRecord['server'];
}

/** Never another server of the host: all that it has would be replaced. */
async function choose(context: Context, { host, running, options, archived }: Candidates): Promise<Server> {
  const same = running.find(({ dataDirectory }) => dataDirectory === archived.dataDirectory);
  const [first, ...others] = running;
  if (options.port !== undefined && first !== undefined) return first;
  if (same !== undefined) return same;
  const stopped: Server = { ...archived, host: host.name, database: options.maintenance_database };
  if (first === undefined) return stopped;
  const remote = await context.remote(host);
  const exists = { ...script('[ -d "$1" ]', archived.dataDirectory), accept: [0, 1] };
  if ((await remote.run(exists, { signal: context.signal })).status === 0) return stopped;
  if (others.length === 0) return first;
  throw refusal(
    stopped,
    `there are several servers, at the ports ${running.map(({ port }) => String(port)).join(', ')}, none of them there`,
    'Say which one to replace with the option postgresql.port of this host.',
  );
}

async function expectState(
  context: Context,
  remote: RemoteHost,
  { place, isRunning }: { readonly place: ServerPlace; readonly isRunning: boolean },
): Promise<void> {
  const { state, hasUnit } = await serverState(remote, place, context.signal);
  if (!hasUnit)
    throw refusal(place, `the host has no unit ${place.unit}`, 'Install PostgreSQL as it was installed there.');
  if (state === 'standby')
    throw new BackupError('PG_ROLE', `${place.host}: the server in ${place.dataDirectory} is a standby`, {
      host: place.host,
      component: componentName,
      hint: 'Restore the primary, by --map, and clone the standby anew from it.',
    });
  if (state !== (isRunning ? 'ready' : 'stopped'))
    throw refusal(
      place,
      `the server is ${state}`,
      `Wait until it lets clients in, or stop it: systemctl stop ${place.unit}.`,
    );
}

async function askRunning(
  { signal }: Context,
  remote: RemoteHost,
  { place, recorded }: { readonly place: ServerPlace; readonly recorded: PhysicalRecord },
): Promise<Pick<PhysicalTarget, 'configuration' | 'isArchiving'> & { readonly facts: ServerFacts }> {
  const { facts, physical } = await readBoth(remote, place, signal);
  const { configuration, archiving, blockSize, walBlockSize, catalogVersion } = physical;
  if (facts.standbys > 0)
    throw refusal(
      place,
      `${String(facts.standbys)} standbys or other receivers follow the server; what is restored is older than what they have, and in the same timeline`,
      'Stop each of them first (systemctl stop repmgrd and its PostgreSQL); afterwards clone them anew (repmgr standby clone --force, or pg_basebackup --write-recovery-conf).',
    );
  const builds = [
    ['block size', blockSize, recorded.blockSize],
    ['WAL block size', walBlockSize, recorded.walBlockSize],
    ['catalog version', catalogVersion, recorded.catalogVersion],
  ] as const;
  const other = builds.find(([, here, there]) => here !== there);
  if (other !== undefined)
    throw refusal(place, `its ${other[0]} is ${String(other[1])}, the backup's ${String(other[2])}`, dumpsHint);
  return { facts, configuration, isArchiving: archiving };
}

/** A damaged one need not be able to say what it is. */
async function readBoth(
  remote: RemoteHost,
  place: ServerPlace,
  signal: AbortSignal,
): Promise<{ readonly facts: ServerFacts; readonly physical: Awaited<ReturnType<typeof readPhysicalFacts>> }> {
  try {
    return {
      facts: await readFacts(remote, place, signal),
      physical: await readPhysicalFacts(remote, place, signal),
    };
  } catch (cause) {
    signal.throwIfAborted();
    const { message } = asBackupError(cause);
    throw new BackupError(
      'RESTORE_REFUSED',
      `${place.host}: the server that is to be replaced cannot be asked: ${message}`,
      {
        host: place.host,
        component: componentName,
        hint: `If it is damaged, stop it (systemctl stop ${place.unit}) and restore again.`,
        cause,
      },
    );
  }
}

export const dumpsHint = 'Restore the dumps instead: without --select postgresql.physical=yes.';

export function refusal({ host, dataDirectory }: Server, what: string, hint: string): BackupError {
  return new BackupError('RESTORE_REFUSED', `${host}: PostgreSQL in ${dataDirectory}: ${what}`, {
    host,
    component: componentName,
    hint,
  });
}
