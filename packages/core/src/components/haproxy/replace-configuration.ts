import { z } from 'zod';
import { filesState, markUnchanged, putAndCheck, versionGone } from '../../host-steps/put-files.js';
import { script } from '../../host-steps/stage-files.js';
import type { StepContext, StepKind } from '../restore.js';
import { BackupError } from '../../model/errors.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import { expectListening } from './listening.js';
import { activate, checkConfiguration, control, serviceOf, stop } from './service-control.js';

const paramsSchema = z.object({
  host: z.string(),
  directory: z.string().startsWith('/'),
  roots: z.array(z.string()).readonly(),
  configurationFiles: z.array(z.string()).readonly(),
  /** As the service was when it was backed up. */
  shouldRun: z.boolean(),
  ports: z.array(z.int()).readonly(),
});
export type ReplaceConfiguration = z.infer<typeof paramsSchema>;
const undoSchema = z.object({ ran: z.boolean() });
type Undo = z.infer<typeof undoSchema>;

/** The process may have been told of the new files from here on. */
const mark = (name: string): string => `: > "$1/${name}"`;
const unmark = (name: string): string => `rm -f -- "$1/${name}"`;

/** Contents in place, checked by haproxy itself, taken over by the running process, looked at. Back in the same way. */
export const replaceConfiguration: StepKind<ReplaceConfiguration, Undo> = {
  name: 'haproxy.replace-configuration',
  params: paramsSchema,
  undo: undoSchema,
  async prepare(context, { host }) {
    const service = await serviceOf(await context.remote(host), context.signal);
    return { ran: service?.running ?? false };
  },

  async apply(context, params, { ran }) {
    const { signal } = context;
    const remote = await context.remote(params.host);
    await putAndCheck(remote, params, { version: 'new', signal });
    await control(remote, ['daemon-reload'], signal);
    await checkConfiguration(remote, { files: params.configurationFiles, signal });
    if (ran || params.shouldRun) {
      await remote.run(script(mark('told'), params.directory), { signal });
      await takeOver(remote, params, signal);
      await expectListening(remote, params.ports, signal);
    }
    await remote.run(script(mark('taken'), params.directory), { signal });
  },

  async probe(context, params) {
    const remote = await context.remote(params.host);
    const { isNew, isChanging, isKept } = await filesState(remote, params, context.signal);
    // The step before this one has kept them: without them nobody can tell, and nothing can be undone.
    if (!isChanging && isKept) return 'not done';
    const { status } = await remote.run(
      { ...script('[ -e "$1/taken" ]', params.directory), accept: [0, 1] },
      { signal: context.signal },
    );
    return isNew && status === 0 ? 'done' : 'half';
  },

  async revert(context, params, undo) {
    const { signal } = context;
    const remote = await context.remote(params.host);
    const { isChanging, isKept } = await filesState(remote, params, signal);
    if (!isKept) throw versionGone(remote, params, 'old');
    await remote.run(script(unmark('taken'), params.directory), { signal });
    if (!isChanging) return;
    await putAndCheck(remote, params, { version: 'old', signal });
    await control(remote, ['daemon-reload'], signal);
    await giveBack(context, remote, { params, undo });
    await markUnchanged(remote, params, signal);
  },
};

/** A unit that changed, and haproxy in a container, whose files are mounted, need more than a reload. */
async function takeOver(
  remote: RemoteHost,
  { directory, roots }: ReplaceConfiguration,
  signal: AbortSignal,
): Promise<void> {
  const service = await serviceOf(remote, signal);
  const isMaster = service?.arguments.some((word) => word === '-W' || word === '-Ws') ?? false;
  const mayReload = isMaster && service?.running === true && !(await unitChanged(remote, { directory, roots, signal }));
  await activate(remote, { how: mayReload ? 'reload' : 'restart', signal });
}

const unitFiles = /^(?:etc\/(?:systemd|default|sysconfig)|opt\/runc)\//;
const differScript = `directory=$1
shift
for root do
  diff -rq --no-dereference -- "$directory/old/$root" "$directory/new/$root" >/dev/null 2>&1 || exit 1
done`;

async function unitChanged(
  remote: RemoteHost,
  {
    directory,
    roots,
    signal,
  }: { readonly directory: string; readonly roots: readonly string[]; readonly signal: AbortSignal },
): Promise<boolean> {
  const own = roots.filter((root) => unitFiles.test(root));
  const { status } = await remote.run({ ...script(differScript, directory, ...own), accept: [0, 1] }, { signal });
  return status === 1;
}

/** The process that was never told of the new files still runs with what it had, which may be better than the files that were found. */
async function giveBack(
  context: StepContext,
  remote: RemoteHost,
  { params, undo }: { readonly params: ReplaceConfiguration; readonly undo: Undo },
): Promise<void> {
  const { signal } = context;
  const { status } = await remote.run({ ...script('[ -e "$1/told" ]', params.directory), accept: [0, 1] }, { signal });
  if (status !== 0) return;
  if (undo.ran) {
    if (await isRejected(remote, params, signal)) {
      const message = `${params.host}: haproxy rejects the files that were there before, so it keeps running with the archived ones until it is restarted`;
      context.warn({ code: 'HAP_CHECK', message });
    } else await takeOver(remote, params, signal);
  } else await stop(remote, signal);
  await remote.run(script(unmark('told'), params.directory), { signal });
}

async function isRejected(
  remote: RemoteHost,
  { configurationFiles }: ReplaceConfiguration,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await checkConfiguration(remote, { files: configurationFiles, signal });
    return false;
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    if (error.code === 'HAP_CHECK') return true;
    // It ran with these files before: what asks it may be the container that did not come up with the others.
    if (error.code === 'SERVICE_MISSING') return false;
    throw error;
  }
}
