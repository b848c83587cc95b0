import { z } from 'zod';
import { requireSpace } from '../../host-files/host-space.js';
import { askState, script, spaceError } from '../../host-steps/stage-files.js';
import { asBackupError, BackupError } from '../../model/errors.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import type { StepContext, StepKind } from '../restore.js';
import { componentName } from './artifacts.js';
import { placeSchema } from './physical-service.js';
import { longSeconds } from './sql-session.js';

const paramsSchema = z.object({
  place: placeSchema,
  /** Beside the data directory. What is unpacked lies in its `new`, what was there before in its `old`. */
  directory: z.string().startsWith('/'),
  artifact: z.string(),
  entries: z.int(),
  bytes: z.int(),
  /** Relative to the data directory: files that the host keeps as they are. */
  configuration: z.array(z.string()).readonly(),
});
export type StageServer = z.infer<typeof paramsSchema>;

/** What one file costs on a disk beside its content, at most: a block and an inode. */
const bytesPerEntry = 4608;

const makeScript = 'umask 077; mkdir -p -- "$1" && chown -h -- "$2:" "$1" && chmod 0700 -- "$1"';

/** As the server's user, so that all of it is its own, whatever number it had on the archived host. */
const unpackScript = `umask 077
cd -- "$1" && rm -rf -- new complete && mkdir -- new || exit
exec tar --extract --file=- --directory=new --preserve-permissions --no-same-owner`;

const verifyScript = `[ -x "$2/pg_verifybackup" ] || { echo missing; exit; }
exec "$2/pg_verifybackup" --quiet "$1/new"`;

/** What makes a standby of it goes. Configuration belongs to the host: where it has some, in its data directory, that stays. */
const finishScript = `directory=$1
data=$2
shift 2
rm -f -- "$directory/new/standby.signal" "$directory/new/recovery.signal" || exit
for name do
  if [ -f "$data/$name" ]; then (cd -- "$data" && cp -a --parents --remove-destination -- "$name" "$directory/new") || exit; fi
done
sync -f -- "$directory" 2>/dev/null || sync
: > "$directory/complete"`;

const probeScript = `if [ -e "$1/complete" ]; then echo done
elif [ -e "$1" ]; then echo half
else echo 'not done'; fi`;

/** Never what was moved aside. */
const removeScript = `[ -e "$1" ] || exit 0
rm -rf --one-file-system -- "$1/new" "$1/complete" && rmdir -- "$1"`;

/** Unpacks a base backup beside the data directory, lets PostgreSQL check every file of it, and makes it fit its host. */
export const stageServer: StepKind<StageServer, null> = {
  name: 'postgresql.stage-server',
  params: paramsSchema,
  undo: z.null(),
  async prepare(context, params) {
    await requireStageSpace(await context.remote(params.place.host), params, context.signal);
    return null;
  },
  async apply(context, { place, directory, artifact, configuration }) {
    const { signal } = context;
    const remote = await context.remote(place.host);
    await remote.run(script(makeScript, directory, place.user), { signal });
    try {
      const unpack = { ...script(unpackScript, directory), become: place.user };
      await remote.write(unpack, await context.read(artifact), { signal });
    } catch (error) {
      throw spaceError(remote, error);
    }
    await verify(context, remote, { place, directory });
    const command = script(finishScript, directory, place.dataDirectory, ...configuration);
    await remote.run({ ...command, deadline: 3600 }, { signal });
  },
  probe: (context, { place, directory }) => askState(context, place.host, script(probeScript, directory)),
  async revert(context, { place, directory }) {
    const remote = await context.remote(place.host);
    await remote.run({ ...script(removeScript, directory), deadline: 3000 }, { signal: context.signal });
  },
};

/** Errors: HOST_SPACE. */
export function requireStageSpace(
  remote: RemoteHost,
  { place, bytes, entries }: Pick<StageServer, 'place' | 'bytes' | 'entries'>,
  signal: AbortSignal,
): Promise<void> {
  return requireSpace(
    remote,
    {
      host: place.host,
      path: place.dataDirectory.replace(/\/[^/]*$/, '') || '/',
      bytes: bytes + entries * bytesPerEntry,
      why: 'a server beside the one that is there',
    },
    signal,
  );
}

/** Errors: RESTORE_CHECK with what is not as the manifest says. */
async function verify(
  context: StepContext,
  remote: RemoteHost,
  { place, directory }: Pick<StageServer, 'place' | 'directory'>,
): Promise<void> {
  const command = { ...script(verifyScript, directory, place.binaries), become: place.user, deadline: longSeconds };
  try {
    const { stdout } = await remote.run(command, { signal: context.signal });
    if (stdout.length > 0)
      context.warn({
        code: 'RESTORE_NOT_COMPARED',
        message: `${place.host}: there is no pg_verifybackup in ${place.binaries}, so the files of the server were not compared with their manifest`,
      });
  } catch (cause) {
    const error = asBackupError(cause);
    if (error.code !== 'COMMAND_FAILED') throw error;
    throw new BackupError('RESTORE_CHECK', `${place.host}: pg_verifybackup finds fault: ${error.message}`, {
      host: place.host,
      component: componentName,
      cause,
    });
  }
}
