import { z } from 'zod';
import { plainText, shellWord, type ByHand, type ByHandRequest } from '../../model/by-hand.js';
import type { ArtifactRecord } from '../../model/metadata.js';

const rolesSchema = z.object({ dataDirectory: z.string() });

/** How a cluster's definitions, or a node's data, are put back without lsbackup. Configuration belongs to its host and is only taken out. */
export function byHand({ unit, artifacts }: ByHandRequest): readonly ByHand[] {
  return [
    ...artifacts.filter(({ path }) => path.endsWith('/definitions.json')).map(definitions),
    ...artifacts.filter(({ path }) => path.endsWith('/config.tar')).map(configuration),
    ...artifacts
      .filter(({ path }) => path.endsWith('/messages.tar'))
      .flatMap((artifact) => {
        const roles = rolesSchema.safeParse(unit.roles);
        return roles.success ? [messages(artifact, roles.data.dataDirectory, unit.product?.version ?? 'unknown')] : [];
      }),
  ];
}

function messages({ path, host }: ArtifactRecord, directory: string, version: string): ByHand {
  const node = directory.replace(/^.*\//, '');
  return {
    host,
    title: 'all data of RabbitMQ, with the messages in queues',
    artifacts: [path],
    notes: [
      `Only for a node that is called ${plainText(node)}, alone in its cluster, with RabbitMQ ${version} or another of its series. It replaces the section with the definitions.`,
      'RabbitMQ is stopped. All that it has now is moved aside, into a directory .replaced-<time> beside its data: remove it when all is well.',
    ],
    commands: [
      `data=${shellWord(directory)}`,
      'test -d "$data"',
      'replaced=${data%/*}/.replaced-$(date +%Y%m%dT%H%M%S)',
      'mkdir "$replaced" "$replaced/new"',
      `artifact ${path} | tar -C "$replaced/new" --acls --xattrs --numeric-owner -xpf -`,
      'chown -hR --reference="$data" "$replaced/new$data"',
      'if test -e "$replaced/new$data-feature_flags"; then chown --reference="$data" "$replaced/new$data-feature_flags"; fi',
      'systemctl stop rabbitmq-server',
      'mv "$data" "$replaced/"',
      'if test -e "$data-feature_flags"; then mv "$data-feature_flags" "$replaced/"; fi',
      'mv "$replaced/new$data" "$data"',
      'if test -e "$replaced/new$data-feature_flags"; then mv "$replaced/new$data-feature_flags" "$data-feature_flags"; fi',
      'systemctl start rabbitmq-server',
      'rabbitmqctl await_startup',
      'rabbitmqctl list_queues name messages',
    ],
  };
}

/** rabbitmqctl changes to RabbitMQ's own user, who must be able to read the file; from standard input it hangs in some versions (rabbitmq-server issue 13157). */
function definitions({ path, host }: ArtifactRecord): ByHand {
  return {
    host,
    title: 'users, virtual hosts, permissions, queues and policies of RabbitMQ',
    artifacts: [path],
    notes: [
      'On one node that runs; the others of its cluster follow. Messages are not in it: where they were saved, they have a section of their own.',
      'What is there and not in the backup stays; queues that are there keep their arguments; passwords become those of the backup.',
    ],
    commands: [
      'definitions=$(mktemp)',
      `trap 'rm -f "$definitions"' EXIT`,
      `artifact ${path} > "$definitions"`,
      'chown rabbitmq "$definitions"',
      'rabbitmqctl import_definitions "$definitions"',
      'rabbitmqctl list_vhosts name',
    ],
  };
}

function configuration({ path, host }: ArtifactRecord): ByHand {
  const directory = path.replace(/\.tar$/, '').replaceAll('/', '-');
  return {
    host,
    title: 'configuration of RabbitMQ, to compare with what is there',
    artifacts: [path],
    notes: [
      'Copy what you need to its place and restart one node after the other. A node that is in a cluster must keep the Erlang cookie it has.',
    ],
    commands: [`mkdir ${directory}`, `artifact ${path} | tar -C ${directory} --acls --xattrs --numeric-owner -xpf -`],
  };
}
