import { z } from 'zod';
import type { Step, StepKind } from '../components/restore.js';
import { nameList } from '../model/name-list.js';
import { removeEmptyDirectories } from './places.js';
import { askState, script, spaceError } from './stage-files.js';

const paramsSchema = z.object({
  host: z.string(),
  /** Of the run on the host; the copies lie in its `old`. */
  directory: z.string().startsWith('/'),
  /** Relative to `/`. */
  roots: z.array(z.string()).readonly(),
  /** Of them: directories that belong to others too, in which only what was archived is replaced. */
  shared: z.array(z.string()).readonly(),
});
export type KeepFiles = z.infer<typeof paramsSchema>;

/**
 * Standard input: lines of `whole` or `shared`, a blank and a root; on a command line there might be too many. Writes what is replaced for the steps after this
 * one, each name ended by NUL: `roots`, and for shared directories the archived files in them (`leaves`) and their directories (`directories`). The copy gets
 * its name only when it is whole and on the disk. What is not there is kept as that.
 */
const keepScript = `umask 077
directory=$1
[ -e "$directory/old" ] && exit 0
mkdir -p -- "$directory" && chmod 0700 -- "$directory" && cd -- "$directory" && rm -rf -- old.part && mkdir -- old.part || exit
for list in roots leaves directories; do : > $list || exit; done
while IFS= read -r line; do
  root=./\${line#* }
  if [ "\${line%% *}" = shared ] && [ -d "new/$root" ] && [ ! -L "new/$root" ]; then
    (cd new && find "$root" ! -type d -print0 >> ../leaves && find "$root" -type d -print0 >> ../directories) || exit
  else
    printf '%s\\0' "$root" >> roots || exit
  fi
done
cd / || exit
xargs -0r sh -c 'old=$1
shift
for name do if [ -d "$name" ]; then mkdir -p -- "$old/$name" || exit 255; fi; done' sh "$directory/old.part" < "$directory/directories" || exit
cat -- "$directory/roots" "$directory/leaves" | xargs -0r sh -c 'old=$1
shift
count=$#
for name do
  if [ -e "$name" ] || [ -L "$name" ]; then set -- "$@" "$name"; fi
done
shift $count
[ $# -eq 0 ] || cp -a --parents --target-directory="$old" -- "$@" || exit 255' sh "$directory/old.part" || exit
sync -f -- "$directory" 2>/dev/null || sync
mv -T -- "$directory/old.part" "$directory/old"`;

const probeScript = `if [ -e "$1/old" ]; then echo done
elif [ -e "$1/old.part" ]; then echo half
else echo 'not done'; fi`;

const removeScript = `rm -rf --one-file-system -- "$1/old" "$1/old.part" "$1/roots" "$1/leaves" "$1/directories" || exit
${removeEmptyDirectories}`;

const dropScript = `rm -rf --one-file-system -- "$1" || exit
${removeEmptyDirectories}`;

/** Copies the files as they are now, to put them back by. */
export const keepFiles: StepKind<KeepFiles, null> = {
  name: 'keep-files',
  params: paramsSchema,
  undo: z.null(),
  prepare: () => Promise.resolve(null),
  async apply(context, { host, directory, roots, shared }) {
    const remote = await context.remote(host);
    const lines = roots.map((root) => `${shared.includes(root) ? 'shared' : 'whole'} ${root}\n`);
    const input = Buffer.from(lines.join(''));
    try {
      await remote.run({ ...script(keepScript, directory), deadline: 600 }, { signal: context.signal, input });
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
    describe: ({ directory, roots }) => `${nameList(roots.map((root) => `/${root}`))} in ${directory}/old`,
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
    title: `copy the present ${nameList(params.roots.map((root) => `/${root}`))} on ${params.host} to put them back by`,
    preview: [`cp -a --parents ${nameList(params.roots)} ${params.directory}/old`],
    reads: [],
  };
}
