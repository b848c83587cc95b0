import { z } from 'zod';
import { shellWord, type ByHand, type ByHandRequest } from '../../model/by-hand.js';
import type { ArtifactRecord } from '../../model/metadata.js';

const identitySchema = z.object({ configFile: z.string().nullable(), dataDirectory: z.string() });

/** What Prometheus keeps in its data directory; everything else in there is somebody else's. Blocks are called by ULIDs. */
const storeNames = '0????????????????????????? wal wbl chunks_head lock queries.active';

/** How one server is put back without lsbackup: configuration, then time series. What it scraped is only taken out. */
export function byHand({ unit, artifacts }: ByHandRequest): readonly ByHand[] {
  const identity = identitySchema.safeParse(unit.identity).data;
  const service = shellWord(typeof unit.roles?.service === 'string' ? unit.roles.service : 'prometheus.service');
  const find = (name: string): readonly ArtifactRecord[] => artifacts.filter(({ path }) => path.endsWith(`/${name}`));
  return [
    ...find('config.tar').map((artifact) => configuration(artifact, service, identity?.configFile ?? undefined)),
    ...(identity === undefined
      ? []
      : find('tsdb.tar').map((artifact) => store(artifact, service, identity.dataDirectory))),
  ];
}

function configuration({ path, host }: ArtifactRecord, service: string, file: string | undefined): ByHand {
  return {
    host,
    title: 'configuration, rules and targets of Prometheus',
    artifacts: [path],
    notes: [
      'Files that the backup has replace those that are there; others stay. What is replaced is saved first.',
      'Owners are the numbers they were: on another machine, give the files to the user that Prometheus runs as.',
    ],
    commands: [
      `replace_files ${path}`,
      ...(file === undefined
        ? []
        : [`if ! promtool check config ${shellWord(file)}; then`, '  old_files_back', '  exit 1', 'fi']),
      'systemctl daemon-reload',
      `systemctl restart ${service}`,
    ],
  };
}

function store({ path, host }: ArtifactRecord, service: string, directory: string): ByHand {
  return {
    host,
    title: 'time series of Prometheus',
    artifacts: [path],
    notes: [
      'What is there now is moved aside, into a directory replaced-<time> in the data directory: remove it when all is well. What was scraped since the backup is only in there.',
      'Series older than the retention time are deleted again when Prometheus starts.',
    ],
    commands: [
      `data=${shellWord(directory)}`,
      'replaced=$data/replaced-$(date +%Y%m%dT%H%M%S)',
      `systemctl stop ${service}`,
      'mkdir "$replaced"',
      `(cd "$data" && for name in ${storeNames}; do if test -e "$name"; then mv "$name" "$replaced/"; fi; done)`,
      `artifact ${path} | tar -C "$data" --no-overwrite-dir --numeric-owner -xpf -`,
      `(cd "$data" && for name in ${storeNames}; do if test -e "$name"; then chown -R --reference=. "$name"; fi; done)`,
      `systemctl start ${service}`,
    ],
  };
}
