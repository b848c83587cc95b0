import { z } from 'zod';
import { askState, script } from '../../host-steps/stage-files.js';
import { BackupError } from '../../model/errors.js';
import type { StepContext, StepKind, StepState } from '../restore.js';
import { componentName } from './artifacts.js';
import { serverState, type ServerPlace, type ServerState } from './physical-place.js';
import { placeSchema, startServer, stopServer } from './physical-service.js';
import { longSeconds } from './sql-session.js';

const paramsSchema = z.object({
  place: placeSchema,
  /** Beside the data directory, with `new` and `old` in it. */
  directory: z.string().startsWith('/'),
});
export type ReplaceServer = z.infer<typeof paramsSchema>;

/** All that was written while the backup was made has to be replayed. */
const recoverySeconds = 4 * 3600;
/** Within the time that a step has to be undone. */
const startOldSeconds = 1800;

/** Stops the server that is there. Planned only for one that runs. Undone by starting it again, when its data directory is in its place. */
export const stopOldServer: StepKind<ReplaceServer, null> = {
  name: 'postgresql.stop-server',
  params: paramsSchema,
  undo: z.null(),
  async prepare(context, { place }) {
    const state = await stateOf(context, place);
    if (state !== 'ready') throw refusal(place, `the server is ${state} now`, 'Start the restore again.');
    return null;
  },
  apply: (context, { place }) => stopServer(context, place),
  probe: async (context, { place }) => stepState(await stateOf(context, place), { done: 'stopped', notDone: 'ready' }),
  revert: (context, { place }) => startServer(context, place, { seconds: startOldSeconds }),
};

const undoSchema = z.object({
  /** Device and number of the directories, which a rename does not change. */
  newId: z.string().min(1),
  /** Empty where there was none. */
  oldId: z.string(),
});
type SwapUndo = z.infer<typeof undoSchema>;

const idFunction = 'id() { stat -c %d:%i -- "$1" 2>/dev/null; }';
const idsScript = `${idFunction}
id "$1/new" || echo
id "$2" || echo`;

const swapScript = `${idFunction}
directory=$1
data=$2
if [ "$(id "$data")" != "$3" ]; then
  if [ -e "$data" ]; then
    [ "$(id "$data")" = "$4" ] && [ ! -e "$directory/old" ] || { echo "$data is not what it was" >&2; exit 1; }
    mv -T -- "$data" "$directory/old" || exit
  fi
  mv -T -- "$directory/new" "$data" || exit
fi
if command -v restorecon >/dev/null && selinuxenabled 2>/dev/null; then restorecon -RF -- "$data"; fi
sync -f -- "$data" 2>/dev/null || sync`;

const swapBackScript = `${idFunction}
directory=$1
data=$2
if [ "$(id "$data")" = "$3" ]; then mv -T -- "$data" "$directory/new" || exit; fi
if [ -n "$4" ] && [ "$(id "$directory/old")" = "$4" ]; then
  [ ! -e "$data" ] || { echo "$data is in the way" >&2; exit 1; }
  mv -T -- "$directory/old" "$data" || exit
fi
sync -f -- "$directory" 2>/dev/null || sync`;

const swapStateScript = `${idFunction}
if [ "$(id "$2")" = "$3" ]; then echo done
elif [ "$(id "$2")" = "$4" ] && [ "$(id "$1/new")" = "$3" ]; then echo 'not done'
else echo half; fi`;

/** Puts the new data directory in the place of the old one by two renames, while no server runs. */
export const swapDirectories: StepKind<ReplaceServer, SwapUndo> = {
  name: 'postgresql.swap-data-directory',
  params: paramsSchema,
  undo: undoSchema,
  async prepare(context, { place, directory }) {
    await expectStopped(context, place);
    const remote = await context.remote(place.host);
    const { stdout } = await remote.run(script(idsScript, directory, place.dataDirectory), { signal: context.signal });
    const [newId = '', oldId = ''] = stdout.toString('utf8').split('\n');
    if (newId === '') throw refusal(place, `what was unpacked in ${directory} is gone`, 'Start the restore again.');
    if (oldId !== '' && oldId.split(':')[0] !== newId.split(':')[0])
      throw refusal(place, `${directory} is on another file system than ${place.dataDirectory}`, '');
    return { newId, oldId };
  },
  async apply(context, params, undo) {
    await expectStopped(context, params.place);
    await runSwap(context, { params, undo, text: swapScript });
  },
  probe: (context, params, undo) =>
    askState(context, params.place.host, script(swapStateScript, ...swapArguments(params, undo))),
  async revert(context, params, undo) {
    await expectStopped(context, params.place);
    await runSwap(context, { params, undo, text: swapBackScript });
  },
  old: {
    describe: ({ place, directory }, { oldId }) =>
      oldId === '' ? undefined : `the server in ${place.dataDirectory} as it was, in ${directory}/old`,
    async drop(context, { place, directory }) {
      const remote = await context.remote(place.host);
      const remove = script('rm -rf --one-file-system -- "$1"', directory);
      await remote.run({ ...remove, deadline: longSeconds }, { signal: context.signal });
    },
  },
};

function swapArguments({ directory, place }: ReplaceServer, { newId, oldId }: SwapUndo): readonly string[] {
  return [directory, place.dataDirectory, newId, oldId];
}

async function runSwap(
  context: StepContext,
  { params, undo, text }: { readonly params: ReplaceServer; readonly undo: SwapUndo; readonly text: string },
): Promise<void> {
  const remote = await context.remote(params.place.host);
  const command = { ...script(text, ...swapArguments(params, undo)), deadline: 3000 };
  await remote.run(command, { signal: context.signal });
}

const startUndoSchema = z.object({ hasOld: z.boolean() });

/** Starts the restored server and waits until its recovery has ended. From here on clients write into it. */
export const startNewServer: StepKind<ReplaceServer, z.infer<typeof startUndoSchema>> = {
  name: 'postgresql.start-server',
  params: paramsSchema,
  undo: startUndoSchema,
  async prepare(context, params) {
    await expectStopped(context, params.place);
    return { hasOld: await hasOld(context, params) };
  },
  apply: (context, { place }) => startServer(context, place, { seconds: recoverySeconds }),
  probe: async (context, { place }) => stepState(await stateOf(context, place), { done: 'ready', notDone: 'stopped' }),
  async revert(context, params, undo) {
    // Nobody is held off for what cannot be put back.
    if (undo.hasOld && !(await hasOld(context, params)))
      throw refusal(params.place, `what was there before is no longer in ${params.directory}/old`, '');
    await stopServer(context, params.place);
  },
};

async function hasOld(context: StepContext, { place, directory }: ReplaceServer): Promise<boolean> {
  const remote = await context.remote(place.host);
  const command = { ...script('[ -d "$1/old" ]', directory), accept: [0, 1] };
  return (await remote.run(command, { signal: context.signal })).status === 0;
}

async function stateOf(context: StepContext, place: ServerPlace): Promise<ServerState> {
  return (await serverState(await context.remote(place.host), place, context.signal)).state;
}

function stepState(
  state: ServerState,
  { done, notDone }: { readonly done: ServerState; readonly notDone: ServerState },
): StepState {
  return state === done ? 'done' : state === notDone ? 'not done' : 'half';
}

/** Files are never moved under a running server. */
async function expectStopped(context: StepContext, place: ServerPlace): Promise<void> {
  const state = await stateOf(context, place);
  if (state !== 'stopped') throw refusal(place, `somebody has started the server (${state})`, `Stop ${place.unit}.`);
}

function refusal({ host, dataDirectory }: ServerPlace, what: string, hint: string): BackupError {
  return new BackupError('RESTORE_REFUSED', `${host}: PostgreSQL in ${dataDirectory}: ${what}`, {
    host,
    component: componentName,
    ...(hint === '' ? {} : { hint }),
  });
}
