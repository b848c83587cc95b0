import { z } from 'zod';
import { BackupError } from '../../model/errors.js';
import { parseJson } from '../../model/parse-json.js';
import type { Command, RemoteHost } from '../../remote/remote-host.js';
import type { RabbitmqOptions } from './options.js';

/** The Erlang program behind rabbitmqctl takes a second to start, more on a busy host. */
const deadline = 120;
const notFound = 127;

const clusterSchema = z.object({
  cluster_name: z.string(),
  disk_nodes: z.array(z.string()),
  ram_nodes: z.array(z.string()).default([]),
  running_nodes: z.array(z.string()),
  partitions: z.union([z.record(z.string(), z.unknown()), z.array(z.unknown())]).default({}),
  versions: z.record(z.string(), z.object({ rabbitmq_version: z.string(), erlang_version: z.string() })).default({}),
});
export type ClusterStatus = z.infer<typeof clusterSchema>;

const statusSchema = z.object({
  rabbitmq_version: z.string(),
  erlang_version: z.string().optional(),
  data_directory: z.string(),
  config_files: z.array(z.string()).default([]),
  enabled_plugin_file: z.string().optional(),
  active_plugins: z.array(z.string()).default([]),
});
export type NodeStatus = z.infer<typeof statusSchema>;

/** rabbitmqctl as root: its wrapper changes to RabbitMQ's own user, whose cookie it needs. */
function controlCommand(options: RabbitmqOptions, words: readonly string[]): Command {
  return { argv: [options.rabbitmqctl, ...words], become: 'root', deadline };
}

/** Users, virtual hosts, permissions, queues, exchanges, bindings, policies, parameters, on standard output. Since 3.8.2. */
export function exportCommand(options: Pick<RabbitmqOptions, 'rabbitmqctl'>): Command {
  return { argv: [options.rabbitmqctl, 'export_definitions', '-', '--format', 'json', '--silent'], become: 'root' };
}

/** Errors: SERVICE_MISSING (no rabbitmqctl), SERVICE_DOWN (the node does not answer), SERVICE_ANSWER. */
export function readCluster(remote: RemoteHost, options: RabbitmqOptions, signal: AbortSignal): Promise<ClusterStatus> {
  return askNode(remote, {
    options,
    words: ['cluster_status', '--formatter', 'json', '--silent'],
    schema: clusterSchema,
    signal,
  });
}

/** Errors: as `readCluster`. */
export function readStatus(remote: RemoteHost, options: RabbitmqOptions, signal: AbortSignal): Promise<NodeStatus> {
  return askNode(remote, {
    options,
    words: ['status', '--formatter', 'json', '--silent'],
    schema: statusSchema,
    signal,
  });
}

async function askNode<T>(
  remote: RemoteHost,
  request: {
    readonly options: RabbitmqOptions;
    readonly words: readonly string[];
    readonly schema: z.ZodType<T>;
    readonly signal: AbortSignal;
  },
): Promise<T> {
  const host = remote.host.name;
  const everyStatus = Array.from({ length: notFound + 1 }, (_, status) => status);
  const { stdout, stderr, status } = await remote.run(
    { ...controlCommand(request.options, request.words), accept: everyStatus },
    { signal: request.signal },
  );
  if (status === notFound || (status !== 0 && stderr.includes('command not found')))
    throw new BackupError('SERVICE_MISSING', `${host}: there is no ${request.options.rabbitmqctl} on this host`, {
      host,
      hint: 'If it lies elsewhere, set the option rabbitmq.rabbitmqctl.',
    });
  if (status !== 0)
    throw new BackupError(
      'SERVICE_DOWN',
      `${host}: the RabbitMQ node does not answer: ${firstLine(`${stderr}\n${stdout.toString('utf8')}`)}`,
      {
        host,
        hint: 'Start RabbitMQ on this host, or leave it out with --skip.',
        retryable: true,
      },
    );
  try {
    return request.schema.parse(parseJson(stdout.toString('utf8')));
  } catch (cause) {
    throw new BackupError(
      'SERVICE_ANSWER',
      `${host}: rabbitmqctl ${request.words[0] ?? ''} gave an answer that is not what was asked for`,
      { host, cause },
    );
  }
}

function firstLine(text: string): string {
  return (
    text
      .split('\n')
      .find((line) => line.trim() !== '')
      ?.trim() ?? 'no message'
  );
}
