import { z } from 'zod';
import { BackupError } from '../../model/errors.js';
import type { Json } from '../../model/json.js';
import { parseJson } from '../../model/parse-json.js';
import type { Command, RemoteHost } from '../../remote/remote-host.js';

const metaSchema = z.object({
  ulid: z.string(),
  minTime: z.number(),
  maxTime: z.number(),
  stats: z.object({ numSamples: z.number().optional(), numSeries: z.number().optional() }).optional(),
  compaction: z.object({ level: z.number() }).optional(),
});
export type BlockMeta = z.infer<typeof metaSchema>;

/** One line of JSON per block. */
const listScript = `cd -- "$1" || exit
for meta in */meta.json; do
  if [ -f "$meta" ]; then tr -d '\\n' <"$meta" && echo || exit; fi
done`;

function listBlocksCommand(directory: string): Command {
  return { argv: ['sh', '-c', listScript, 'sh', directory], become: 'root' };
}

/** The blocks in a directory, by their meta.json. */
export async function listBlocks(
  remote: RemoteHost,
  directory: string,
  signal: AbortSignal,
): Promise<readonly BlockMeta[]> {
  const { stdout } = await remote.run(listBlocksCommand(directory), { signal });
  try {
    return stdout
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => metaSchema.parse(parseJson(line)));
  } catch (cause) {
    throw new BackupError(
      'SERVICE_ANSWER',
      `${remote.host.name}: the meta.json of a block in ${directory} cannot be read`,
      { host: remote.host.name, cause },
    );
  }
}

/** More would make the metadata large; ten years of blocks of 18 days are some 200. */
const maximumBlocks = 500;

/** What a restore is compared with. Times in milliseconds since 1970. */
export function blocksBaseline(blocks: readonly BlockMeta[]): Readonly<Record<string, Json>> {
  const sorted = [...blocks].sort((one, other) => one.minTime - other.minTime);
  return {
    blockCount: blocks.length,
    samples: blocks.reduce((sum, { stats }) => sum + (stats?.numSamples ?? 0), 0),
    minTime: sorted[0]?.minTime ?? null,
    maxTime: blocks.reduce<number | null>((latest, { maxTime }) => Math.max(latest ?? maxTime, maxTime), null),
    blocks: sorted.slice(-maximumBlocks).map(({ ulid, minTime, maxTime, stats, compaction }) => ({
      ulid,
      minTime,
      maxTime,
      series: stats?.numSeries ?? 0,
      samples: stats?.numSamples ?? 0,
      level: compaction?.level ?? 0,
    })),
  };
}

/**
 * Hard-links every finished block of `$1` into the new directory `$2`. Compaction may replace blocks meanwhile, so that old and new ones, or neither, would be
 * linked: the list is compared afterwards and the whole repeated until it has held still.
 * A missing `snapshots` directory is made like Prometheus would, with the owner of the data directory; the line `made` says so.
 */
const linkScript = `cd -- "$1" || exit
list() {
  for meta in */meta.json; do
    block=\${meta%/meta.json}
    case $block in *[!0-9A-Z]*) continue;; esac
    if [ \${#block} -eq 26 ] && [ -f "$meta" ]; then echo "$block"; fi
  done
}
if [ ! -d snapshots ]; then mkdir snapshots && chown --reference=. snapshots || exit; echo made; fi
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  rm -rf -- "$2" && mkdir -m 700 -- "$2" || exit
  before=$(list)
  whole=yes
  for block in $before; do cp -al -- "$block" "$2/" || whole=no; done
  if [ $whole = yes ] && [ "$before" = "$(list)" ]; then exit 0; fi
  sleep 1
done
echo "blocks kept changing" >&2
exit 3`;

/** `run` waits up to five minutes: a large store is some thousand links. */
export function linkBlocksCommand(dataDirectory: string, target: string): Command {
  return { argv: ['sh', '-c', linkScript, 'sh', dataDirectory, target], become: 'root', deadline: 300 };
}

/** Removes a directory of hard links or a snapshot; `alsoEmpty` is removed when nothing is left in it. */
export function removeCommand(directory: string, alsoEmpty: string | undefined): Command {
  const script = 'rm -rf --one-file-system -- "$1" && if [ -n "$2" ]; then rmdir -- "$2" 2>/dev/null || :; fi';
  return { argv: ['sh', '-c', script, 'sh', directory, alsoEmpty ?? ''], become: 'root' };
}
