import type { Host } from '../../cluster/cluster.js';
import { describeCommand } from '../../host-services/describe-command.js';
import { findServices } from '../../host-services/systemd.js';
import { filesCommand, findFiles, type FoundFiles } from '../../host-files/found-files.js';
import type { Warning } from '../../model/artifact.js';
import { abortError, BackupError } from '../../model/errors.js';
import { artifactPath } from '../../model/names.js';
import type { RemoteHost, TarPolicy } from '../../remote/remote-host.js';
import type { DiscoverContext, Discovery, Problem, Refusal, Unit } from '../component.js';
import { hostProblem } from '../each-host.js';
import { findMessages, serviceUnit, type FoundMessages, type NodeData } from './data.js';
import { exportCommand, readCluster, readStatus, type ClusterStatus, type NodeStatus } from './node.js';
import type { RabbitmqOptions } from './options.js';
import { messagesArtifact, messagesWarning } from './save-messages.js';

export const componentName = 'rabbitmq';

/** What `backup` needs to know again. Not an interface, so that it is Json. */
export type RabbitmqFound = Readonly<{
  /** The host whose node is asked for the definitions, which are the same on all. */
  host: string;
  /** Of every member's host. */
  configurations: readonly FoundFiles[];
  /** Null where the option does not ask for them. */
  messages: Readonly<{ data: NodeData; files: FoundFiles }> | null;
  /** Why they are not saved although the option asks for them. */
  refusal: Refusal | null;
}>;

/** One host's node. */
interface Member {
  readonly remote: RemoteHost;
  readonly options: RabbitmqOptions;
  readonly cluster: ClusterStatus;
  readonly status: NodeStatus;
  readonly node: string;
  readonly configuration: FoundFiles;
  readonly messages: FoundMessages | undefined;
  readonly warnings: readonly Warning[];
}

/** Seconds for all questions to one host. Less than all hosts together may take, so that a host which hangs does not cost the answers of the others. */
const hostSeconds = 200;

/** One unit per RabbitMQ cluster: nodes that name the same members are one, nodes that know only themselves are brokers of their own. */
export async function discover(
  context: DiscoverContext<RabbitmqOptions>,
  seconds = hostSeconds,
): Promise<Discovery<RabbitmqFound>> {
  const answers = await Promise.all(context.hosts.map((host) => askHost(context, host, seconds)));
  if (context.signal.aborted) throw abortError(context.signal);
  const members = answers.flatMap((answer) => ('member' in answer ? [answer.member] : []));
  return {
    units: clustersOf(members).map(unitOf),
    problems: answers.flatMap((answer) => ('problem' in answer ? [answer.problem] : [])),
    absent: [],
  };
}

function allNodes(cluster: ClusterStatus): readonly string[] {
  return [...new Set([...cluster.disk_nodes, ...cluster.ram_nodes])].sort();
}

/**
 * Members by cluster. Names are no proof: a cluster's name travels with its definitions, and a node may be called rabbit@localhost. Two hosts
 * whose nodes have the same name cannot be in one cluster, so each is taken for itself.
 */
function clustersOf(members: readonly Member[]): readonly (readonly Member[])[] {
  const keys = [...new Set(members.map(clusterKey))];
  return keys.flatMap((key) => {
    const together = members.filter((member) => clusterKey(member) === key);
    const nodes = new Set(together.map(({ node }) => node));
    return nodes.size === together.length ? [together] : together.map((member) => [member]);
  });
}

function clusterKey({ cluster }: Member): string {
  return JSON.stringify([cluster.cluster_name, allNodes(cluster)]);
}

async function askHost(
  context: DiscoverContext<RabbitmqOptions>,
  host: Host,
  seconds: number,
): Promise<{ readonly member: Member } | { readonly problem: Problem }> {
  const timeout = AbortSignal.timeout(seconds * 1000);
  const signal = AbortSignal.any([context.signal, timeout]);
  try {
    return { member: await askMember(await context.remote(host), context.optionsFor(host), signal) };
  } catch (error) {
    return { problem: hostProblem(componentName, host.name, timeout.aborted ? tooSlow(host, seconds, error) : error) };
  }
}

function tooSlow(host: Host, seconds: number, cause: unknown): BackupError {
  return new BackupError('COMMAND_TIMEOUT', `${host.name}: RabbitMQ did not answer within ${String(seconds)} s`, {
    host: host.name,
    cause,
    retryable: true,
  });
}

async function askMember(remote: RemoteHost, options: RabbitmqOptions, signal: AbortSignal): Promise<Member> {
  const [cluster, status, services] = await Promise.all([
    readCluster(remote, options, signal),
    readStatus(remote, options, signal),
    findServices(remote, [serviceUnit], signal),
  ]);
  requireExport(remote, status);
  const certificates = await readCertificatePaths(remote, absolute(status.config_files), signal);
  const { files, warnings } = await findFiles(remote, {
    service: 'RabbitMQ',
    paths: [...configurationPaths(status), ...certificates, ...(services[0]?.files ?? [])],
    required: { paths: options.paths, hint: 'Correct the option rabbitmq.paths of this host.' },
    named: [...absolute(status.config_files), ...certificates],
    mayBeHidden: true,
    signal,
  });
  const messages = options.messages
    ? await findMessages(remote, { options, status, cluster, service: services[0] }, signal)
    : undefined;
  return {
    remote,
    options,
    cluster,
    status,
    node: status.data_directory.replace(/^.*\//, ''),
    configuration: files,
    messages,
    warnings,
  };
}

/** `export_definitions` to standard output came with 3.8.2. Source: rabbitmq-cli pull request 387. */
function requireExport(remote: RemoteHost, status: NodeStatus): void {
  const [major = 0, minor = 0, patch = 0] = status.rabbitmq_version.split('.').map((part) => Number.parseInt(part, 10));
  if (major * 1_000_000 + minor * 1000 + patch >= 3_008_002) return;
  throw new BackupError(
    'SERVICE_ANSWER',
    `${remote.host.name}: RabbitMQ ${status.rabbitmq_version} cannot export its definitions by rabbitmqctl, 3.8.2 and later can`,
    { host: remote.host.name },
  );
}

/** The Erlang cookie lies in the home of RabbitMQ's user, which is the parent of its data. */
export function configurationPaths(
  status: Pick<NodeStatus, 'config_files' | 'enabled_plugin_file' | 'data_directory'>,
): readonly string[] {
  const home = /^(.+)\/mnesia\/[^/]+$/.exec(status.data_directory)?.[1];
  return [
    '/etc/rabbitmq',
    '/etc/default/rabbitmq-server',
    '/var/lib/rabbitmq/.erlang.cookie',
    ...(home === undefined ? [] : [`${home}/.erlang.cookie`]),
    ...absolute([...status.config_files, status.enabled_plugin_file ?? '']),
  ];
}

/** RabbitMQ has words where it has no file, as `(none)`. */
function absolute(paths: readonly string[]): readonly string[] {
  return paths.filter((path) => path.startsWith('/'));
}

async function readCertificatePaths(
  remote: RemoteHost,
  files: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (files.length === 0) return [];
  const { stdout } = await remote.run({ argv: ['cat', '--', ...files], become: 'root', accept: [0, 1] }, { signal });
  return certificatePaths(stdout.toString('utf8'));
}

/** Files of TLS in rabbitmq.conf (`ssl_options.certfile = /x`) and advanced.config (`{certfile, "/x"}`). */
export function certificatePaths(configuration: string): readonly string[] {
  const lines = configuration.split(/\r?\n/).filter((line) => !/^\s*[#%]/.test(line));
  const found = lines.flatMap((line) =>
    [...line.matchAll(/\b(?:cacertfile|certfile|keyfile|dhfile)\s*[=,]\s*["']?(\/[^"'\s,}]+)/g)].map(
      ([, path]) => path ?? '',
    ),
  );
  return [...new Set(found)];
}

function unitOf(members: readonly Member[]): Unit<RabbitmqFound> {
  const first = members[0];
  if (first === undefined) throw new BackupError('INTERNAL', 'a RabbitMQ cluster without members');
  const { remote, options, cluster, status } = first;
  const messages = members.find((member) => member.messages !== undefined)?.messages;
  const hosts = members.map((member) => member.remote.host.name);
  const found: RabbitmqFound = {
    host: remote.host.name,
    configurations: members.map(({ configuration }) => configuration),
    messages: messages?.data ? { data: messages.data, files: messages.files } : null,
    refusal: messages?.refusal ?? null,
  };
  return {
    name: hosts.join('+'),
    hosts,
    product: { name: 'RabbitMQ', version: status.rabbitmq_version, detectedBy: 'rabbitmqctl status' },
    roles: {
      nodes: Object.fromEntries(members.map((member) => [member.remote.host.name, member.node])),
      running: cluster.running_nodes,
      plugins: status.active_plugins,
      ...(found.messages === null ? {} : { dataDirectory: found.messages.data.directory }),
    },
    consistency: 'point-in-time',
    identity: {
      clusterName: cluster.cluster_name,
      nodes: allNodes(cluster),
      erlang: cluster.versions[first.node]?.erlang_version ?? status.erlang_version ?? 'unknown',
    },
    containsSecrets: true,
    artifacts: [
      {
        path: definitionsPath(found.host),
        host: found.host,
        commands: [describeCommand(remote, exportCommand(options))],
      },
      ...members.map((member) => ({
        path: configurationPath(member.remote.host.name),
        host: member.remote.host.name,
        size: member.configuration.bytes,
        commands: [
          describeCommand(member.remote, filesCommand(member.remote, member.configuration, configurationPolicy)),
        ],
      })),
      ...(messages === undefined ? [] : [messagesArtifact(remote, messages)]),
    ],
    warnings: warningsOf(members, cluster, messages),
    found,
  };
}

export function definitionsPath(host: string): string {
  return artifactPath(componentName, host, 'definitions.json');
}

export function configurationPath(host: string): string {
  return artifactPath(componentName, host, 'config.tar');
}

export const configurationPolicy: TarPolicy = { mayChange: false, mayVanish: false };

function warningsOf(
  members: readonly Member[],
  cluster: ClusterStatus,
  messages: FoundMessages | undefined,
): readonly Warning[] {
  const known = new Set(members.map(({ node }) => node));
  const all = allNodes(cluster);
  const foreign = all.filter((node) => !known.has(node));
  const stopped = all.filter((node) => !cluster.running_nodes.includes(node));
  const partitioned = Object.keys(cluster.partitions).length > 0;
  return [
    ...members.flatMap(({ warnings }) => warnings),
    ...messagesWarning(cluster, messages),
    ...(foreign.length > 0
      ? [
          {
            code: 'RMQ_NODE',
            message: `${cluster.cluster_name}: members whose host was not found in the group rabbitmq, so their configuration is not saved: ${foreign.join(', ')}`,
          },
        ]
      : []),
    ...(stopped.length > 0
      ? [{ code: 'RMQ_NODE', message: `${cluster.cluster_name}: members that do not run: ${stopped.join(', ')}` }]
      : []),
    ...(partitioned
      ? [
          {
            code: 'RMQ_PARTITION',
            message: `${cluster.cluster_name}: the cluster is partitioned, so the definitions may differ between its parts`,
          },
        ]
      : []),
  ];
}
