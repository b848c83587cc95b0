import { BackupError } from '../../model/errors.js';
import type { AnyStepKind, StepContext, StepKind } from '../restore.js';
import { baselineOf, type Definitions } from './definitions.js';
import { replaceData, verifyMessages } from './data-steps.js';
import { importDefinitions, presentDefinitions, removeObjects } from './import.js';
import { clearMark, dropKept, keepDefinitions, keptFile, keptState, setMark } from './kept.js';
import { conflicts, differences, everyObjectOf, extras, objectsOf, someOf } from './objects.js';
import * as schemas from './params.js';
import {
  changedLimits,
  look,
  lookAndKeep,
  lookBack,
  refuseConflicts,
  scopeOf,
  settled,
  unreverted,
  withoutContents,
  type SightBack,
} from './restore-state.js';

/** Keeps the definitions that are there now in a file on the host. */
const keep: StepKind<schemas.KeepParams, schemas.KeepUndo> = {
  name: 'rabbitmq.keep-definitions',
  params: schemas.keepParams,
  undo: schemas.keepUndo,
  prepare: ({ runId }) => Promise.resolve({ file: keptFile(runId) }),
  apply: async (context, { host, rabbitmqctl }) =>
    keepDefinitions(await context.remote(host), context.runId, rabbitmqctl, context.signal),
  probe: async (context, { host }) => {
    const { isKept, hasPart } = await keptState(await context.remote(host), context.runId, context.signal);
    if (isKept) return 'done';
    return hasPart ? 'half' : 'not done';
  },
  revert: async (context, { host }) => dropKept(await context.remote(host), context.runId, context.signal),
  old: {
    describe: (_, { file }) => `the definitions of RabbitMQ before the restore, in ${file}`,
    drop: async (context, { host }) => dropKept(await context.remote(host), context.runId, context.signal),
  },
};

/** Imports the archived definitions and waits until the node shows them. */
const importKind: StepKind<schemas.ImportParams, schemas.Undo> = {
  name: 'rabbitmq.import-definitions',
  params: schemas.importParams,
  undo: schemas.undo,
  prepare: async (context, params) => {
    const sight = await look(context, params);
    if (!params.replace)
      refuseConflicts(params.host, conflicts(objectsOf(sight.wanted), objectsOf(await sight.present())), '');
    return {};
  },
  apply: async (context, params) => {
    const sight = await lookAndKeep(context, params);
    const wanted = objectsOf(sight.wanted);
    // An import of an earlier attempt that still runs in the node is waited for in any case.
    const said = await removeObjects(sight.change, []);
    const present = objectsOf(await sight.present());
    const inTheWay = params.replace ? conflicts(wanted, present) : [];
    const removals = [
      ...changedLimits(wanted, present),
      ...inTheWay.map(({ kind, identity }) => ({
        kind: kind === 'queues' ? ('empty_queues' as const) : kind,
        identity,
      })),
    ];
    const saidThen = removals.length === 0 ? said : await removeObjects(sight.change, removals);
    const now = objectsOf(await sight.present());
    refuseConflicts(
      params.host,
      conflicts(wanted, now),
      `Queues that hold messages are not replaced. RabbitMQ said: ${saidThen}`,
    );
    if (differences(wanted, now).length > 0) await importDefinitions(sight.change, sight.wanted);
    await settled(sight, (shown) => differences(wanted, objectsOf(shown)));
    await setMark(sight.change.remote, context.runId, 'imported', context.signal);
  },
  probe: async (context, params) => {
    const sight = await lookBack(context, params);
    if (sight === undefined) return 'not done';
    const present = await sight.present();
    if (sight.isImported)
      return differences(objectsOf(sight.wanted), objectsOf(present)).length === 0 ? 'done' : 'half';
    return unreverted(sight.wanted, sight.before, present).length === 0 ? 'not done' : 'half';
  },
  revert: async (context, params) => {
    const sight = await lookBack(context, params);
    if (sight === undefined) return;
    await clearMark(sight.change.remote, context.runId, 'imported', context.signal);
    await removeObjects(sight.change, []);
    await putBack(sight);
  },
};

/** Removes what the restore made, and imports what was there before. */
async function putBack(sight: SightBack): Promise<void> {
  const scope = scopeOf(sight.before, sight.wanted);
  const present = everyObjectOf(await sight.present());
  const wanted = everyObjectOf(sight.wanted);
  const before = everyObjectOf(sight.before);
  const made = [...wanted.values()].filter(({ key }) => present.has(key) && !before.has(key));
  const madeAnew = conflicts(objectsOf(scope), present).filter(({ key }) => wanted.has(key));
  await removeObjects(sight.change, [
    ...changedLimits(objectsOf(scope), present),
    ...madeAnew,
    ...withoutContents(made),
  ]);
  await importDefinitions(sight.change, scope);
  await settled(sight, (shown) => unreverted(sight.wanted, sight.before, shown));
}

/** Compares what the node has with the archive. */
const verify: StepKind<schemas.ImportParams, schemas.Undo> = {
  name: 'rabbitmq.verify',
  params: schemas.importParams,
  undo: schemas.undo,
  prepare: () => Promise.resolve({}),
  apply: async (context, params) => {
    const sight = await look(context, params);
    const others = check(params, sight.wanted, await sight.present());
    if (others.length > 0 && !params.replace)
      context.warn({
        code: 'RMQ_EXTRA',
        message: `${params.host}: RabbitMQ has ${others.length} objects that the archive does not have, and keeps them: ${someOf(others)}`,
      });
    await setMark(sight.change.remote, context.runId, 'verified', context.signal);
  },
  probe: async (context, { host }) => {
    const { marks } = await keptState(await context.remote(host), context.runId, context.signal);
    return marks.includes('verified') ? 'done' : 'not done';
  },
  revert: async (context, { host }) => clearMark(await context.remote(host), context.runId, 'verified', context.signal),
};

/** Removes what the archive does not have, messages with it; so there is no way back. */
const removeExtra: StepKind<schemas.RemoveParams, schemas.RemoveUndo> = {
  name: 'rabbitmq.remove-extra',
  params: schemas.removeParams,
  undo: schemas.removeUndo,
  prepare: async (context, params) => ({ there: await extrasThere(context, params) }),
  apply: async (context, params) => {
    const sight = await look(context, params);
    const present = everyObjectOf(await sight.present());
    const gone = withoutContents(params.extras.flatMap((key) => present.get(key) ?? []));
    const said = await removeObjects(sight.change, gone);
    const now = await sight.present();
    const left = [...everyObjectOf(now).values()].filter(({ key }) => params.extras.includes(key));
    if (left.length > 0)
      throw new BackupError(
        'RESTORE_FAILED',
        `${params.host}: RabbitMQ did not remove ${someOf(left.map(({ label }) => label))}: ${said.slice(0, 400)}`,
        { host: params.host, component: 'rabbitmq' },
      );
    check(params, sight.wanted, now);
  },
  /** Half done where one of several is gone: its messages are lost, so what is left must not be called untouched. */
  probe: async (context, params, { there }) => {
    const now = await extrasThere(context, params);
    if (now.length === 0) return 'done';
    return there.every((key) => now.includes(key)) ? 'not done' : 'half';
  },
};

/** Keys of what is to be removed and has not gone. */
async function extrasThere(context: StepContext, params: schemas.RemoveParams): Promise<string[]> {
  const remote = await context.remote(params.host);
  const present = everyObjectOf(await presentDefinitions(remote, params.rabbitmqctl, context.signal));
  return params.extras.filter((key) => present.has(key));
}

/** Labels of what is there beyond the archive. Error RESTORE_CHECK where something archived is missing or different. */
function check(
  { host, vhosts, sha256 }: schemas.ImportParams,
  wanted: Definitions,
  present: Definitions,
): readonly string[] {
  const objects = objectsOf(wanted);
  const now = objectsOf(present);
  const wrong = differences(objects, now);
  const others = extras(objects, now, vhosts).map(({ label }) => label);
  if (wrong.length === 0 && (sha256 === null || others.length > 0 || baselineOf(present).sha256 === sha256))
    return others;
  const what = wrong.length > 0 ? someOf(wrong) : 'their checksum is another';
  throw new BackupError('RESTORE_CHECK', `${host}: the definitions of RabbitMQ are not those of the archive: ${what}`, {
    host,
    component: 'rabbitmq',
  });
}

export const stepKinds: readonly AnyStepKind[] = [keep, importKind, verify, removeExtra, replaceData, verifyMessages];
