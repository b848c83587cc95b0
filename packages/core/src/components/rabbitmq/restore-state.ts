import { setTimeout as sleep } from 'node:timers/promises';
import { abortError, BackupError } from '../../model/errors.js';
import type { StepContext } from '../restore.js';
import { comesAndGoes, type Definition, type Definitions } from './definitions.js';
import { presentDefinitions, readDefinitions, readText, type Change, type Removal } from './import.js';
import { isEqual, objectsOf, everyObjectOf, someOf, type DefinedObject, type Objects } from './objects.js';
import { keepWanted, keptDefinitions, keptFile } from './kept.js';
import type { ImportParams } from './params.js';
import { wantedDefinitions } from './wanted.js';

/** Seconds in which a node shows what it has imported: newer versions go on after the command has ended. */
const settleSeconds = 120;

/** What a step looks at before it does anything. */
export interface Sight {
  readonly change: Change;
  readonly wanted: Definitions;
  /** What the node has now. */
  present(): Promise<Definitions>;
}

/** With what the archive has. */
export async function look(context: StepContext, params: ImportParams): Promise<Sight> {
  const archived = readDefinitions(
    await readText(await context.read(params.path), params.path),
    params.path,
    'RESTORE_REFUSED',
  );
  return sightOf(await changeOf(context, params), wantedDefinitions(archived, params).definitions);
}

/** With what the host keeps of the restore: the archive may be gone. `isImported`: to its end. */
export interface SightBack extends Sight {
  readonly before: Definitions;
  readonly isImported: boolean;
}

/** Undefined where nothing has been imported yet. Error RESTORE_REFUSED where the definitions from before are not kept. */
export async function lookBack(context: StepContext, params: ImportParams): Promise<SightBack | undefined> {
  const change = await changeOf(context, params);
  const kept = await keptDefinitions(change.remote, context.runId, context.signal);
  if (kept === undefined)
    throw new BackupError(
      'RESTORE_REFUSED',
      `${params.host}: the definitions from before the restore are not in ${keptFile(context.runId)}`,
      { host: params.host, component: 'rabbitmq' },
    );
  const { before, wanted, marks } = kept;
  if (wanted === undefined) return undefined;
  return { ...sightOf(change, wanted), before, isImported: marks.includes('imported') };
}

/** What the archive has, kept on the host before any of it is imported. A later attempt imports what the first one has kept. */
export async function lookAndKeep(context: StepContext, params: ImportParams): Promise<Sight> {
  const earlier = await lookBack(context, params);
  if (earlier !== undefined) return earlier;
  const sight = await look(context, params);
  await keepWanted(sight.change.remote, context, sight.wanted);
  return sight;
}

async function changeOf(context: StepContext, params: ImportParams): Promise<Change> {
  const { runId, signal } = context;
  return { remote: await context.remote(params.host), place: params, runId, signal };
}

function sightOf(change: Change, wanted: Definitions): Sight {
  const { remote, place, signal } = change;
  return { change, wanted, present: () => presentDefinitions(remote, place.rabbitmqctl, signal) };
}

/** The kept definitions as far as the restore of the wanted ones may have changed them: the same virtual hosts, users and global parameters. */
export function scopeOf(kept: Definitions, wanted: Definitions): Definitions {
  const names = (entries: readonly Definition[]): ReadonlySet<unknown> => new Set(entries.map(({ name }) => name));
  const vhosts = names(wanted.vhosts);
  const inside = (entries: readonly Definition[]): Definition[] => entries.filter(({ vhost }) => vhosts.has(vhost));
  const same = (kind: 'users' | 'vhosts' | 'global_parameters'): Definition[] => {
    const wantedNames = names(wanted[kind]);
    return kept[kind].filter(({ name }) => wantedNames.has(name));
  };
  return {
    ...kept,
    users: same('users'),
    vhosts: same('vhosts'),
    global_parameters: same('global_parameters'),
    permissions: inside(kept.permissions),
    topic_permissions: inside(kept.topic_permissions),
    parameters: inside(kept.parameters),
    policies: inside(kept.policies),
    queues: inside(kept.queues).filter((queue) => !comesAndGoes(queue)),
    exchanges: inside(kept.exchanges),
    bindings: inside(kept.bindings),
  };
}

/** Labels of what a restore of the wanted definitions made or changed, and what is not yet as it was; empty: all is as it was. */
export function unreverted(wanted: Definitions, kept: Definitions, present: Definitions): readonly string[] {
  const [before, now] = [objectsOf(kept), everyObjectOf(present)];
  return [...objectsOf(wanted).values()]
    .filter(({ key }) => {
      const old = before.get(key);
      return old === undefined ? now.has(key) : !isEqual(old, now.get(key));
    })
    .map(({ label }) => label);
}

/** Objects to remove, without those that go with their virtual host. */
export function withoutContents(objects: readonly DefinedObject[]): readonly DefinedObject[] {
  const vhosts = new Set(objects.filter(({ kind }) => kind === 'vhosts').map(({ vhost }) => vhost));
  return objects.filter(({ kind, vhost }) => kind === 'vhosts' || !vhosts.has(vhost));
}

/** An import adds a user's limits to those that are there (rabbit_auth_backend_internal.erl), so the latter go first. */
export function changedLimits(wanted: Objects, present: Objects): readonly Removal[] {
  return [...wanted.values()].flatMap(({ kind, key, identity, fields }) => {
    const now = present.get(key)?.fields.limits;
    return kind === 'users' && now !== undefined && now !== '{}' && now !== (fields.limits ?? '{}')
      ? [{ kind: 'user_limits', identity }]
      : [];
  });
}

/** Error RESTORE_REFUSED where there is such an object. */
export function refuseConflicts(host: string, found: readonly DefinedObject[], hint: string): void {
  if (found.length === 0) return;
  throw new BackupError(
    'RESTORE_REFUSED',
    `${host}: RabbitMQ has these with other properties than the archive, and an import leaves them as they are: ${someOf(found.map(({ label }) => label))}`,
    { host, component: 'rabbitmq', hint },
  );
}

/** Waits until the node shows what `missing` asks for. Error RESTORE_CHECK with the labels that it still gives. */
export async function settled(sight: Sight, missing: (present: Definitions) => readonly string[]): Promise<void> {
  const { remote, signal } = sight.change;
  const deadline = Date.now() + settleSeconds * 1000;
  for (;;) {
    const labels = missing(await sight.present());
    if (labels.length === 0) return;
    if (Date.now() > deadline)
      throw new BackupError(
        'RESTORE_CHECK',
        `${remote.host.name}: RabbitMQ does not have what it should: ${someOf(labels)}`,
        {
          host: remote.host.name,
          component: 'rabbitmq',
          hint: "RabbitMQ's log on this host may say why.",
        },
      );
    await sleep(1000, undefined, { signal }).catch(() => {
      throw abortError(signal);
    });
  }
}
