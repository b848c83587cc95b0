import { describeCommand } from '../../host-services/describe-command.js';
import { filesCommand, findFiles, type FoundFiles } from '../../host-files/found-files.js';
import type { Host } from '../../cluster/cluster.js';
import type { Warning } from '../../model/artifact.js';
import { abortError, BackupError } from '../../model/errors.js';
import { artifactPath } from '../../model/names.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import type { DiscoverContext, Discovery, ExpectedArtifact, Problem, Refusal, Unit } from '../component.js';
import { hostProblem } from '../each-host.js';
import {
  componentName,
  configurationPolicy,
  configurationPath,
  configurationPaths,
  dumpName,
  type PostgresqlFound,
} from './artifacts.js';
import { readFacts, reasonToSkip, type Database, type ServerFacts } from './facts.js';
import type { PostgresqlOptions } from './options.js';
import { baseBackupCommand, physicalPath, physicalRefusal } from './physical-backup.js';
import { dumpCommand, findServers, globalsCommand, type FoundServers, type Server } from './server.js';

/** One server of one host with what it said. */
interface Member {
  readonly remote: RemoteHost;
  readonly server: Server;
  readonly facts: ServerFacts;
  readonly configuration: FoundFiles;
  readonly warnings: readonly Warning[];
  readonly options: PostgresqlOptions;
  readonly prefix: string;
  /** Only where a physical backup is wanted: why it is known already that it will fail. */
  readonly physicalRefusal: Refusal | undefined;
  /** Other inventory names of its host. */
  readonly aliases: readonly string[];
}

/**
 * One unit per database cluster. Servers with the same system identifier are one cluster: a primary and its standbys. Servers that share nothing but the
 * group are clusters of their own.
 */
export async function discover(context: DiscoverContext<PostgresqlOptions>): Promise<Discovery<PostgresqlFound>> {
  const answers = await Promise.all(context.hosts.map((host) => askHost(context, host)));
  if (context.signal.aborted) throw abortError(context.signal);
  const members = joinAliases(answers.flatMap((answer) => answer.members));
  const identifiers = [...new Set(members.map(({ facts }) => facts.systemIdentifier))];
  const outcomes = identifiers.map((identifier) =>
    toUnit(members.filter(({ facts }) => facts.systemIdentifier === identifier)),
  );
  return {
    units: outcomes.flatMap((outcome) => ('unit' in outcome ? [outcome.unit] : [])),
    problems: [
      ...answers.flatMap(({ problems }) => problems),
      ...outcomes.flatMap((outcome) => ('problem' in outcome ? [outcome.problem] : [])),
    ],
    absent: [],
  };
}

/**
 * Each server once, under the first inventory name of its host. Machines cloned from one image may share machine-id and directory; only one server
 * was started at that microsecond.
 */
function joinAliases(members: readonly Member[]): readonly Member[] {
  const servers = new Map<string, Member>();
  for (const member of members) {
    const { remote, server, facts } = member;
    const key = JSON.stringify([remote.facts.machineId, server.dataDirectory, server.port, facts.started]);
    const first = servers.get(key);
    servers.set(key, first === undefined ? member : { ...first, aliases: [...first.aliases, server.host] });
  }
  return [...servers.values()];
}

async function askHost(
  context: DiscoverContext<PostgresqlOptions>,
  host: Host,
): Promise<{ readonly members: readonly Member[]; readonly problems: readonly Problem[] }> {
  try {
    const remote = await context.remote(host);
    const options = context.optionsFor(host);
    const servers = await findServers(remote, options, context.signal);
    // A server keeps its artifacts' names when its neighbour stops.
    const several = servers.running.length + servers.stopped.length > 1;
    return {
      members: await Promise.all(
        servers.running.map((server) => askServer({ remote, server, options, several }, context.signal)),
      ),
      problems: stoppedProblems(host.name, servers),
    };
  } catch (error) {
    return { members: [], problems: [hostProblem(componentName, host.name, error)] };
  }
}

/** One each, called as the unit would be if the server ran; by its directory where the port is another server's too. */
function stoppedProblems(host: string, { running, stopped }: FoundServers): readonly Problem[] {
  const ports = [...running, ...stopped].map(({ port }) => port);
  return stopped.map(({ dataDirectory, port }) => ({
    unit: `${host}:${ports.filter((other) => other === port).length > 1 ? dataDirectory : String(port)}`,
    hosts: [host],
    error: new BackupError(
      'SERVICE_DOWN',
      `${host}: no server runs for the PostgreSQL data directory ${dataDirectory} (port ${String(port)})`,
      {
        host,
        component: componentName,
        hint: 'Start the server, remove the directory, or set the option postgresql.ignore_stopped of this host to true.',
      },
    ),
  }));
}

async function askServer(
  {
    remote,
    server,
    options,
    several,
  }: {
    readonly remote: RemoteHost;
    readonly server: Server;
    readonly options: PostgresqlOptions;
    readonly several: boolean;
  },
  signal: AbortSignal,
): Promise<Member> {
  const facts = await readFacts(remote, server, signal);
  const { files, warnings } = await findFiles(remote, {
    service: 'PostgreSQL',
    paths: configurationPaths(server, facts),
    named: facts.files,
    mayBeHidden: true,
    signal,
  });
  const prefix = several ? `${String(server.port)}-` : '';
  return {
    remote,
    server,
    facts,
    configuration: files,
    warnings,
    options,
    prefix,
    physicalRefusal:
      options.physical && !facts.recovery
        ? await physicalRefusal(remote, { server, versionNumber: facts.versionNumber, signal })
        : undefined,
    aliases: [],
  };
}

function hostsOf(members: readonly Member[]): readonly string[] {
  return [...new Set(members.flatMap(({ server, aliases }) => [server.host, ...aliases]))];
}

function toUnit(members: readonly Member[]): { readonly unit: Unit<PostgresqlFound> } | { readonly problem: Problem } {
  const hosts = hostsOf(members);
  const name = unitName(members);
  const primaries = members.filter(({ facts }) => !facts.recovery);
  const [primary] = primaries;
  if (primary === undefined || primaries.length > 1)
    return { problem: { unit: name, hosts, error: roleError(members, primaries.length) } };
  return { unit: unitOf(name, primary, members) };
}

/** The host, with the port where it has several servers; the hosts joined where the cluster has several. Stable over a change of roles. */
function unitName(members: readonly Member[]): string {
  return members
    .map(({ server, prefix }) => (prefix === '' ? server.host : `${server.host}:${String(server.port)}`))
    .join('+');
}

function roleError(members: readonly Member[], primaries: number): BackupError {
  const answers = members
    .map(
      ({ server, facts }) =>
        `${server.host}:${String(server.port)} says ${facts.recovery ? 'standby' : 'primary'}, timeline ${String(facts.timeline)}`,
    )
    .join('; ');
  return new BackupError('PG_ROLE', `expected one primary, found ${String(primaries)}: ${answers}`, {
    component: componentName,
    hint:
      primaries === 0
        ? 'Is the host of the primary unreachable, or missing in the group postgresql?'
        : 'Two servers of one cluster take writes. Decide which one is right and stop the other.',
  });
}

function unitOf(name: string, primary: Member, members: readonly Member[]): Unit<PostgresqlFound> {
  const { remote, server, facts, options, prefix } = primary;
  const dumped = facts.databases.filter((database) => reasonToSkip(database, options.exclude_databases) === undefined);
  const found: PostgresqlFound = {
    server,
    versionNumber: facts.versionNumber,
    prefix,
    databases: dumped.map(({ name: database, oid }) => ({ name: database, oid })),
    configurations: members.map(({ configuration, prefix: own }) => ({ prefix: own, files: configuration })),
  };
  return {
    name,
    hosts: hostsOf(members),
    product: { name: 'PostgreSQL', version: facts.version, detectedBy: 'SHOW server_version' },
    roles: {
      primary: server.host,
      standbys: members.filter((member) => member !== primary).map((member) => member.server.host),
      port: server.port,
    },
    consistency: 'point-in-time-per-database',
    identity: {
      systemIdentifier: facts.systemIdentifier,
      timeline: facts.timeline,
      lsn: facts.lsn,
      clusterName: facts.clusterName,
      dataChecksums: facts.checksums,
    },
    containsSecrets: true,
    artifacts: [
      {
        path: artifactPath(componentName, server.host, `${prefix}globals.sql`),
        host: server.host,
        commands: [describeCommand(remote, globalsCommand(server))],
      },
      ...dumped.map((database) => expectedDump(primary, database)),
      ...(options.physical ? [expectedBase(primary)] : []),
      ...members.map((member) => expectedConfiguration(member)),
    ],
    warnings: [...members.flatMap((member) => [...aliasWarnings(member), ...member.warnings]), ...warningsOf(primary)],
    found,
  };
}

function expectedDump({ remote, server, options, prefix }: Member, database: Database): ExpectedArtifact {
  const command = dumpCommand(server, {
    database: database.name,
    snapshot: '<exported snapshot>',
    lockWaitTimeout: options.lock_wait_timeout,
  });
  return {
    path: artifactPath(componentName, server.host, dumpName(prefix, database.name)),
    host: server.host,
    size: database.size,
    commands: [describeCommand(remote, command)],
    mayBeGone: true,
  };
}

/** Its WAL comes on top. */
function expectedBase({ remote, server, facts, prefix, physicalRefusal: refusal }: Member): ExpectedArtifact {
  return {
    path: physicalPath(server.host, prefix),
    host: server.host,
    size: facts.databases.reduce((bytes, { size }) => bytes + size, 0),
    commands: [describeCommand(remote, baseBackupCommand(server))],
    ...(refusal === undefined ? {} : { refusal }),
  };
}

function expectedConfiguration({ remote, configuration, prefix }: Member): ExpectedArtifact {
  return {
    path: configurationPath(configuration.host, prefix),
    host: configuration.host,
    size: configuration.bytes,
    commands: [describeCommand(remote, filesCommand(remote, configuration, configurationPolicy))],
  };
}

function aliasWarnings({ server, aliases }: Member): readonly Warning[] {
  return aliases.map((alias) => ({
    code: 'HOST_ALIAS',
    message: `${alias} is the same machine as ${server.host}: PostgreSQL at port ${String(server.port)} is saved once, as ${server.host}`,
  }));
}

function warningsOf({ server, facts, options }: Member): readonly Warning[] {
  const skipped = facts.databases.flatMap((database): Warning[] => {
    const reason = reasonToSkip(database, options.exclude_databases);
    return reason === undefined || database.name === 'template0'
      ? []
      : [{ code: 'DATABASE_SKIPPED', message: `${server.host}: database ${database.name} is not saved: ${reason}` }];
  });
  if (facts.superuser === 'on') return skipped;
  return [
    ...skipped,
    {
      code: 'PG_NOT_SUPERUSER',
      message: `${server.host}: ${server.user} is no superuser in PostgreSQL, so roles or data may be out of its reach`,
    },
  ];
}
