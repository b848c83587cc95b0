import { z } from 'zod';
import type { Step, StepKind } from '../components/restore.js';
import { removeEmptyDirectories } from './places.js';
import { askState, script, spaceError } from './stage-files.js';

const paramsSchema = z.object({
  host: z.string(),
  /** Of the run on the host; the copies lie in its `old`. */
  directory: z.string().startsWith('/'),
  /** Relative to `/`. */
  roots: z.array(z.string()).readonly(),
});
export type KeepFiles = z.infer<typeof paramsSchema>;

/** Under its name only when it is whole and on the disk. What is not there is kept as that. */
const keepScript = `umask 077
directory=$1
shift
[ -e "$directory/old" ] && exit 0
mkdir -p -- "$directory" && chmod 0700 -- "$directory" && rm -rf -- "$directory/old.part" && mkdir -- "$directory/old.part" || exit
cd / || exit
for root do
  if [ -e "$root" ] || [ -L "$root" ]; then cp -a --parents -- "$root" "$directory/old.part/" || exit; fi
done
sync -- "$directory" 2>/dev/null || sync
mv -T -- "$directory/old.part" "$directory/old"`;

const probeScript = `if [ -e "$1/old" ]; then echo done
elif [ -e "$1/old.part" ]; then echo half
else echo 'not done'; fi`;

const removeScript = `rm -rf --one-file-system -- "$1/old" "$1/old.part" || exit
${removeEmptyDirectories}`;

const dropScript = `rm -rf --one-file-system -- "$1" || exit
${removeEmptyDirectories}`;

/** Copies the files as they are now, to put them back by. */
export const keepFiles: StepKind<KeepFiles, null> = {
  name: 'keep-files',
  params: paramsSchema,
  undo: z.null(),
  prepare: () => Promise.resolve(null),
  async apply(context, { host, directory, roots }) {
    const remote = await context.remote(host);
    try {
      await remote.run({ ...script(keepScript, directory, ...roots), deadline: 600 }, { signal: context.signal });
    } catch (error) {
      throw spaceError(remote, error);
    }
  },
  probe: (context, { host, directory }) => askState(context, host, script(probeScript, directory)),
  async revert(context, { host, directory }) {
    const remote = await context.remote(host);
    await remote.run({ ...script(removeScript, directory), deadline: 600 }, { signal: context.signal });
  },
  old: {
    describe: ({ directory, roots }) => `${roots.map((root) => `/${root}`).join(', ')} in ${directory}/old`,
    async drop(context, { host, directory }) {
      const remote = await context.remote(host);
      await remote.run({ ...script(dropScript, directory), deadline: 600 }, { signal: context.signal });
    },
  },
};

export function keepStep(params: KeepFiles, place: Pick<Step, 'id' | 'set' | 'after'>): Step {
  return {
    ...place,
    kind: keepFiles.name,
    params,
    host: params.host,
    title: `copy the present ${params.roots.map((root) => `/${root}`).join(', ')} on ${params.host} to put them back by`,
    preview: [`cp -a --parents ${params.roots.join(' ')} ${params.directory}/old`],
    reads: [],
  };
}
