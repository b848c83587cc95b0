import { z } from 'zod';
import type { Step, StepContext, StepKind, StepState } from '../components/restore.js';
import { requireSpace } from '../host-files/host-space.js';
import { tarSupport } from '../host-files/tar.js';
import { asBackupError, BackupError } from '../model/errors.js';
import type { Command, RemoteHost } from '../remote/remote-host.js';
import { removeEmptyDirectories } from './places.js';

const paramsSchema = z.object({
  host: z.string(),
  artifact: z.string(),
  /** Of the run on the host; what is unpacked lies in its `new`. */
  directory: z.string().startsWith('/'),
  entries: z.int(),
  bytes: z.int(),
});
export type StageFiles = z.infer<typeof paramsSchema>;

/** What one file costs on a disk beside its content, at most: a block and an inode. */
const bytesPerEntry = 4608;

/** Old modes, owners, times; names as bytes. Nothing that the tar names may stand in the way, for the directory is new. */
const unpackScript = `umask 077
mkdir -p -- "$1" && chmod 0700 -- "$1" && rm -rf -- "$1/new" "$1/complete" && mkdir -- "$1/new" || exit
new=$1/new
shift
exec tar --extract --file=- --directory="$new" --preserve-permissions --same-owner --numeric-owner "$@"`;

/** ACLs and extended attributes, where the host's tar can. */
async function attributeOptions(remote: RemoteHost, signal: AbortSignal): Promise<readonly string[]> {
  if (remote.facts.tar !== 'gnu') return [];
  return (await tarSupport(remote, signal)).filter((option) => option === '--acls' || option === '--xattrs');
}

const completeScript = 'sync -f -- "$1" 2>/dev/null || sync; : > "$1/complete"';

const probeScript = `if [ -e "$1/complete" ]; then echo done
elif [ -e "$1/new" ]; then echo half
else echo 'not done'; fi`;

const removeScript = `rm -rf --one-file-system -- "$1/complete" "$1/new" || exit
${removeEmptyDirectories}`;

/** Unpacks a tar artifact beside what is there now, which stays as it is. */
export const stageFiles: StepKind<StageFiles, null> = {
  name: 'stage-files',
  params: paramsSchema,
  undo: z.null(),
  async prepare(context, { host, directory, bytes, entries }) {
    const remote = await context.remote(host);
    const needed = bytes + entries * bytesPerEntry;
    // Once more for the copy of what is replaced, of which nobody knows the size.
    await requireSpace(remote, { host, path: directory, bytes: 2 * needed, why: 'files to restore' }, context.signal);
    return null;
  },
  async apply(context, { host, artifact, directory }) {
    const remote = await context.remote(host);
    const command = script(unpackScript, directory, ...(await attributeOptions(remote, context.signal)));
    try {
      await remote.write(command, await context.read(artifact), { signal: context.signal });
    } catch (error) {
      throw spaceError(remote, error);
    }
    // Only now: a tar whose input was cut may take that for its end.
    await remote.run({ ...script(completeScript, directory), deadline: 600 }, { signal: context.signal });
  },
  probe: (context, { host, directory }) => askState(context, host, script(probeScript, directory)),
  async revert(context, { host, directory }) {
    const remote = await context.remote(host);
    await remote.run({ ...script(removeScript, directory), deadline: 600 }, { signal: context.signal });
  },
};

/** The step that stages `params`; its preview is what a person would type. */
export function stageStep(params: StageFiles, place: Pick<Step, 'id' | 'set' | 'after'>): Step {
  return {
    ...place,
    kind: stageFiles.name,
    params,
    host: params.host,
    title: `unpack ${params.artifact} on ${params.host}, beside what is there`,
    preview: [`tar -xp --same-owner --numeric-owner -C ${params.directory}/new`],
    reads: [params.artifact],
  };
}

/** A fixed script as root, with the values as its arguments. */
export function script(text: string, ...values: readonly string[]): Command {
  return { argv: ['sh', '-c', text, 'sh', ...values], become: 'root' };
}

/** The state that a probe's script prints. Errors: SERVICE_ANSWER. */
export async function askState(context: StepContext, host: string, command: Command): Promise<StepState> {
  const remote = await context.remote(host);
  const { stdout } = await remote.run({ ...command, deadline: 600 }, { signal: context.signal });
  const answer = stdout.toString('utf8').trim();
  if (answer === 'done' || answer === 'not done' || answer === 'half') return answer;
  throw new BackupError('SERVICE_ANSWER', `${host}: unexpected answer ${JSON.stringify(answer)}`, { host });
}

/** A full disk by its own name. */
export function spaceError(remote: RemoteHost, cause: unknown): BackupError {
  const error = asBackupError(cause);
  if (!/No space left on device|Disk quota exceeded/.test(error.message)) return error;
  const host = remote.host.name;
  return new BackupError('HOST_SPACE', `${host}: the disk filled up while files were unpacked: ${error.message}`, {
    host,
    hint: 'Free some space and restore again.',
    cause,
  });
}
