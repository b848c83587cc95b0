import type { ByHand, ByHandRequest } from '../../model/by-hand.js';
import type { ArtifactRecord } from '../../model/metadata.js';

/** How a cluster's definitions are put back without lsbackup. Configuration belongs to its host and is only taken out. */
export function byHand({ artifacts }: ByHandRequest): readonly ByHand[] {
  return [
    ...artifacts.filter(({ path }) => path.endsWith('/definitions.json')).map(definitions),
    ...artifacts.filter(({ path }) => path.endsWith('/config.tar')).map(configuration),
  ];
}

/** rabbitmqctl changes to RabbitMQ's own user, who must be able to read the file; from standard input it hangs in some versions (rabbitmq-server issue 13157). */
function definitions({ path, host }: ArtifactRecord): ByHand {
  return {
    host,
    title: 'users, virtual hosts, permissions, queues and policies of RabbitMQ',
    artifacts: [path],
    notes: [
      'On one node that runs; the others of its cluster follow. Messages are not in it.',
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
