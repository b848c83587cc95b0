import { findFiles, type FoundFiles } from '../../host-files/found-files.js';
import type { Service } from '../../host-services/systemd.js';
import { artifactPath } from '../../model/names.js';
import { BackupError } from '../../model/errors.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import type { Refusal } from '../component.js';
import type { ClusterStatus, NodeStatus } from './node.js';
import type { RabbitmqOptions } from './options.js';

/** Debian's, Red Hat's and RabbitMQ's own packages call it so. */
export const serviceUnit = 'rabbitmq-server.service';

export function messagesPath(host: string): string {
  return artifactPath('rabbitmq', host, 'messages.tar');
}

/** A node's data on its host: everything that RabbitMQ knows, messages and definitions. Not an interface, so that it is Json. */
export type NodeData = Readonly<{
  host: string;
  rabbitmqctl: string;
  /** Its owner, who RabbitMQ runs as. */
  user: string;
  /** Without symbolic links on the way. */
  directory: string;
  /** Something else is mounted there, so it cannot be moved. */
  isMount: boolean;
  /** Why a tar of the directory would not be the whole of the data, nor a move of it; null: it is. */
  obstacle: string | null;
}>;

/** The file beside the data directory in which a node keeps its feature flags; data and flags belong together. */
export function flagsFile(directory: string): string {
  return `${directory}-feature_flags`;
}

/** Mount points: proc_pid_mountinfo(5), field 5, blanks as `\\040`. Only the first obstacle is told. */
const dataScript = `path=$(readlink -f -- "$1") && stat -c %U -- "$path" &&
if [ "$(stat -c %d -- "$path")" = "$(stat -c %d -- "\${path%/*}")" ]; then echo inside; else echo mount; fi &&
printf '%s\\n' "$path" || exit
[ ! -L "$1" ] || { echo "$1 is a symbolic link"; exit; }
while read -r _ _ _ _ point _; do
  case $(printf %b "$point") in "$path"/*) echo "something else is mounted on $point"; exit ;; esac
done </proc/self/mountinfo
# Files of a node that runs come and go while they are looked at.
link=$(find "$path" -type l 2>/dev/null | head -n 1)
[ -z "$link" ] || echo "$link is a symbolic link"`;

/** Looks at the data directory that the node names. Error SERVICE_ANSWER. */
export async function lookAtData(
  remote: RemoteHost,
  { rabbitmqctl, named }: { readonly rabbitmqctl: string; readonly named: string },
  signal: AbortSignal,
): Promise<NodeData> {
  const { stdout } = await remote.run({ argv: ['sh', '-c', dataScript, 'sh', named], become: 'root' }, { signal });
  const [user, place, directory, obstacle = ''] = stdout.toString('utf8').split('\n');
  const host = remote.host.name;
  if (user === undefined || directory?.startsWith('/') !== true)
    throw new BackupError('SERVICE_ANSWER', `${host}: the data directory ${named} cannot be looked at`, { host });
  return { host, rabbitmqctl, user, directory, isMount: place === 'mount', obstacle: obstacle || null };
}

/** Prints `{true,true}` where the data of quorum queues and of streams lie below the data directory. */
const insideProgram = (directory: string): string =>
  `Inside = fun(App) -> case application:get_env(App, data_dir) of
    {ok, Place} -> lists:prefix([${[...Buffer.from(`${directory}/`, 'utf8')].join(',')}], binary_to_list(iolist_to_binary(Place)));
    undefined -> true
  end end, {Inside(ra), Inside(osiris)}.`.replaceAll(/\s+/g, ' ');

export interface MessagesRequest {
  readonly options: RabbitmqOptions;
  readonly status: NodeStatus;
  readonly cluster: ClusterStatus;
  readonly service: Service | undefined;
}

/** What is needed to save a node's messages, or why they cannot be saved. */
export type FoundMessages =
  | Readonly<{ data: NodeData; files: FoundFiles; refusal: null }>
  | Readonly<{ data: null; files: null; refusal: Refusal }>;

/** Read-only. Errors: the host's own. */
export async function findMessages(
  remote: RemoteHost,
  { options, status, cluster, service }: MessagesRequest,
  signal: AbortSignal,
): Promise<FoundMessages> {
  const host = remote.host.name;
  const refused = (why: string, hint: string): FoundMessages => ({
    data: null,
    files: null,
    refusal: { code: 'ARTIFACT_NOT_SAVED', message: `${host}: messages are not saved: ${why}`, hint },
  });
  const nodes = new Set([...cluster.disk_nodes, ...cluster.ram_nodes]);
  if (nodes.size > 1)
    return refused(
      `the cluster has ${String(nodes.size)} nodes, and the messages of one alone are no backup`,
      'Set the option rabbitmq.messages to false; messages are saved of single nodes only.',
    );
  if (!remote.facts.loginIsRoot && remote.host.connection.become === undefined)
    return refused('RabbitMQ has to be stopped for it, which takes root', 'Allow ansible_become on this host.');
  if (service?.running !== true)
    return refused(`RabbitMQ does not run as ${serviceUnit}`, 'Only systemd can stop it and start it again surely.');
  const data = await lookAtData(remote, { rabbitmqctl: options.rabbitmqctl, named: status.data_directory }, signal);
  if (data.obstacle !== null)
    return refused(
      `${data.obstacle}, so a copy of ${data.directory} would not hold all of them`,
      'Set the option rabbitmq.messages to false, or keep all data in one directory.',
    );
  const { stdout } = await remote.run(
    { argv: [options.rabbitmqctl, 'eval', insideProgram(status.data_directory)], become: data.user, deadline: 120 },
    { signal },
  );
  if (stdout.toString('utf8').trim() !== '{true,true}')
    return refused(
      `quorum queues or streams have their data outside ${status.data_directory}`,
      'Set the option rabbitmq.messages to false.',
    );
  const { files, warnings } = await findFiles(remote, {
    service: 'RabbitMQ',
    paths: [flagsFile(data.directory)],
    required: { paths: [data.directory], hint: 'Is it removed?' },
    signal,
  });
  const expected = [data.directory, flagsFile(data.directory)].map((path) => path.slice(1));
  const strange = [...files.excluded, ...files.names.filter((name) => !expected.includes(name))];
  if (strange.length > 0 || warnings.length > 0)
    return refused(
      `${data.directory} is more than files: ${[...strange.map((name) => `/${name}`), ...warnings.map(({ message }) => message)].slice(0, 3).join('; ')}`,
      'Set the option rabbitmq.messages to false, or keep all data in one directory.',
    );
  return { data, files, refusal: null };
}
