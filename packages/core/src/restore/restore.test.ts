import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { openArchive } from '../archive/reader.js';
import type { Host } from '../cluster/cluster.js';
import type { AnyComponent } from '../components/component.js';
import type { Step, StepKind } from '../components/restore.js';
import { BackupError } from '../model/errors.js';
import { artifactPath } from '../model/names.js';
import { backup } from '../run/backup.js';
import { createMemoryStore } from '../stores/memory.js';
import { FakeHost } from '../testing/fake-host.js';
import { smallCluster, smallComponent } from '../testing/small-component.js';
import type { RestoreEvent, RestoreOptions } from './api.js';
import { resumeRestore, rollbackRestore } from './continue.js';
import { prepareRestore } from './restore.js';

const user = { name: 'admin', homeDirectory: '/home/admin' };
let state: string;

beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), 'lsbackup-restore-'));
});

afterEach(async () => {
  await rm(state, { recursive: true });
});

const paramsSchema = z.object({ name: z.string() });
type Params = z.infer<typeof paramsSchema>;

/** What the steps of a test have done, by the name in their params; and where they go wrong. */
interface World {
  readonly done: Set<string>;
  readonly log: string[];
  readonly fails: ReadonlySet<string>;
  /** Hosts that cannot be reached, and why. */
  readonly dead: Map<string, BackupError>;
}

function kinds({ done, log, fails }: World): readonly StepKind<Params, null>[] {
  const failing = (what: string): void => {
    log.push(what);
    if (fails.has(what)) throw new Error(`${what} fails`);
  };
  const irreversible: StepKind<Params, null> = {
    name: 'test.irreversible',
    params: paramsSchema,
    undo: z.null(),
    prepare: (_context, { name }) => Promise.resolve().then(() => (failing(`prepare ${name}`), null)),
    apply: async (context, { name }) => {
      await context.remote('a');
      done.add(name);
      failing(`apply ${name}`);
    },
    probe: (_context, { name }) => {
      if (fails.has(`probe ${name}`)) return Promise.resolve('half');
      return Promise.resolve(done.has(name) ? 'done' : 'not done');
    },
  };
  const plain: StepKind<Params, null> = {
    ...irreversible,
    name: 'test.plain',
    revert: async (context, { name }) => {
      await context.remote(name.split('/')[0]?.endsWith('@b') === true ? 'b' : 'a');
      failing(`revert ${name}`);
      done.delete(name);
    },
    old: { describe: ({ name }) => `old ${name}`, drop: () => Promise.resolve() },
  };
  return [plain, irreversible];
}

/** Steps written `set/name`, each after those named behind a `<`; `!` in front: it cannot be undone. */
function steps(...texts: readonly string[]): readonly Step[] {
  return texts.map((text) => {
    const [own = '', ...after] = text.split('<');
    const id = own.replace('!', '');
    return {
      id,
      kind: own.startsWith('!') ? 'test.irreversible' : 'test.plain',
      params: { name: id },
      set: id.split('/')[0] ?? '',
      after,
      // The sets of b are those whose name ends so.
      host: id.split('/')[0]?.endsWith('@b') === true ? 'b' : 'a',
      title: id,
      preview: [],
      reads: id.endsWith('read') ? [artifactPath('small', 'a', 'content')] : [],
    };
  });
}

async function restore(
  texts: readonly string[],
  more: {
    readonly fails?: readonly string[];
    /** What steps of an earlier run have done. */
    readonly there?: readonly string[];
    readonly confirm?: readonly string[];
    readonly options?: Partial<RestoreOptions>;
    readonly hosts?: readonly string[];
    readonly machines?: Readonly<Record<string, string>>;
    readonly component?: Partial<AnyComponent>;
  } = {},
) {
  const world: World = { done: new Set(more.there), log: [], fails: new Set(more.fails), dead: new Map() };
  const events: RestoreEvent[] = [];
  const component: AnyComponent = {
    ...smallComponent('small'),
    stepKinds: kinds(world),
    selectors: { part: 'a part' },
    restore: () => Promise.resolve(steps(...texts)),
    ...more.component,
  };
  const target = createMemoryStore();
  const cluster = smallCluster(more.hosts ?? ['a']);
  const machineOf = (name: string): string => more.machines?.[name] ?? 'm1';
  const connect = ({ name }: Host): Promise<FakeHost> => {
    const dead = world.dead.get(name);
    if (dead !== undefined) return Promise.reject(dead);
    return Promise.resolve(
      new FakeHost({
        name,
        become: false,
        facts: { machineId: machineOf(name) },
        rules: [
          { argv: /flock/, answer: { stdout: 'locked\n' } },
          { argv: /LSBACKUP_RESTORE/, answer: {} },
        ],
      }),
    );
  };
  const saved = await backup({ cluster, user, target, connect, components: [component] });
  const archive = await openArchive(target, saved.archive);
  const services = { cluster, user, connect, components: [component], stateDirectory: state };
  await using prepared = await prepareRestore({
    ...services,
    archive,
    onEvent: (event) => events.push(event),
    ...more.options,
  });
  const result = await prepared.apply({ irreversible: more.confirm ?? [] });
  const outcomes = Object.fromEntries(result.sets.map(({ set, status }) => [set, status]));
  return { result, outcomes, world, events, services, archive, plan: prepared.plan };
}

describe('a restore', () => {
  it('does the steps of a set in order, and says what is kept', async () => {
    const { result, world, events } = await restore(['x/1', 'x/2', 'x/3']);
    expect(result).toMatchObject({
      status: 'complete',
      kept: [{ what: 'old x/1' }, { what: 'old x/2' }, { what: 'old x/3' }],
    });
    expect(world.log.filter((line) => line.startsWith('apply'))).toEqual(['apply x/1', 'apply x/2', 'apply x/3']);
    expect(events.filter(({ type }) => type === 'plan')).toHaveLength(1);
  });

  it('undoes the set of a step that fails, last first, and leaves the others', async () => {
    const { result, outcomes, world } = await restore(['x/1', 'x/2', 'x/3', 'y/1'], { fails: ['apply x/2'] });
    expect([result.status, outcomes]).toEqual(['partial', { x: 'undone', y: 'done' }]);
    expect(world.log.filter((line) => line.startsWith('revert'))).toEqual(['revert x/2', 'revert x/1']);
    expect([...world.done]).toEqual(['y/1']);
    expect(result.sets[0]?.error?.message).toBe('apply x/2 fails');
  });

  it('believes a step only when what is there says that it is done', async () => {
    const { outcomes, result } = await restore(['x/1'], { fails: ['probe x/1'] });
    expect(outcomes).toEqual({ x: 'undo failed' });
    expect(result.status).toBe('failed');
  });

  it('undoes nothing for a step that could not be prepared', async () => {
    const { outcomes, world } = await restore(['x/1', 'x/2'], { fails: ['prepare x/2'] });
    expect(outcomes).toEqual({ x: 'undone' });
    expect(world.log).not.toContain('revert x/2');
  });

  it('does not begin what comes after a set that failed', async () => {
    const { outcomes, result } = await restore(['x/1', 'y/1<x/1', 'z/1<y/1'], { fails: ['apply x/1'] });
    expect([result.status, outcomes]).toEqual(['failed', { x: 'undone', y: 'not begun', z: 'not begun' }]);
  });

  it('waits for the sets that a step comes after', async () => {
    const { world } = await restore(['y/1<x/2', 'x/1', 'x/2']);
    expect(world.log.filter((line) => line.startsWith('apply'))).toEqual(['apply x/1', 'apply x/2', 'apply y/1']);
  });

  it('tells when something could not be undone, and can be rolled back later', async () => {
    const { outcomes, world, services, result } = await restore(['x/1', 'x/2'], { fails: ['apply x/2', 'revert x/1'] });
    expect(outcomes).toEqual({ x: 'undo failed' });
    expect(result.status).toBe('failed');
    expect([...world.done]).toEqual(['x/1']);
    (world.fails as Set<string>).clear();
    expect(await rollbackRestore({ ...services, runId: result.runId })).toMatchObject({ status: 'complete' });
    expect([...world.done]).toEqual([]);
  });

  it('does not call undone what is gone with all that it kept', async () => {
    const { world, services, result } = await restore(['x/1', 'x/2', 'y/1']);
    world.done.delete('x/2');
    const { status, sets } = await rollbackRestore({ ...services, runId: result.runId });
    expect(status).toBe('failed');
    expect(sets).toMatchObject([
      { set: 'y', status: 'undone' },
      { set: 'x', status: 'undo failed', error: { message: expect.stringContaining('nothing of it is left on a') } },
    ]);
    expect([...world.done]).toEqual(['x/1']);
  });

  it('is not undone, nor gone on with, below a later one of the same', async () => {
    const first = await restore(['x/1', 'y/1'], { fails: ['apply y/1', 'revert y/1'] });
    const second = await restore(['x/1'], { there: ['x/1'] });
    const { archive } = first;
    const early = { ...first.services, runId: first.result.runId };
    await expect(rollbackRestore(early)).rejects.toMatchObject({
      code: 'RESTORE_RUN',
      message: expect.stringContaining(`x was restored again since, by ${second.result.runId}`),
    });
    // What the later one did not touch may be finished.
    (first.world.fails as Set<string>).clear();
    expect(await resumeRestore({ ...early, archive })).toMatchObject({ status: 'complete' });
    await rollbackRestore({ ...second.services, runId: second.result.runId });
    expect(await rollbackRestore(early)).toMatchObject({ status: 'complete' });
    await expect(
      resumeRestore({ ...second.services, runId: second.result.runId, archive: second.archive }),
    ).resolves.toMatchObject({
      status: 'complete',
    });
    await expect(resumeRestore({ ...early, archive })).rejects.toMatchObject({ code: 'RESTORE_RUN' });
  });

  it('is undone on the hosts that are there, and says why not on the others', async () => {
    const machines = { a: 'm1', b: 'm2' };
    const { world, services, result } = await restore([], {
      hosts: ['a', 'b'],
      machines,
      component: {
        restore: (_context, { unit }) => Promise.resolve(steps(...(unit.name === 'a' ? ['x/1'] : ['y@b/1']))),
      },
    });
    const runId = result.runId;
    world.dead.set('b', new BackupError('HOST_UNREACHABLE', 'b does not answer', { host: 'b' }));
    const { status, sets } = await rollbackRestore({ ...services, runId });
    expect(status).toBe('failed');
    const failed = (text: string): unknown => ({
      set: 'y@b',
      status: 'undo failed',
      error: { message: expect.stringContaining(text) },
    });
    expect(sets).toMatchObject([failed('b does not answer'), { set: 'x', status: 'undone' }]);
    expect([...world.done]).toEqual(['y@b/1']);
    Object.assign(machines, { b: 'another' });
    world.dead.clear();
    expect(await rollbackRestore({ ...services, runId })).toMatchObject({
      sets: [failed('not the machine'), { status: 'undone' }],
    });
    Object.assign(machines, { b: 'm2' });
    expect(await rollbackRestore({ ...services, runId })).toMatchObject({ status: 'complete' });
    expect([...world.done]).toEqual([]);
  });

  it('does what cannot be undone only when it was confirmed, and never undoes what came before it', async () => {
    await expect(restore(['x/1', '!x/2'])).rejects.toMatchObject({ code: 'RESTORE_UNCONFIRMED' });
    const { outcomes, world, plan } = await restore(['x/1', '!x/2', 'x/3'], {
      confirm: ['small'],
      fails: ['apply x/3'],
    });
    expect(plan.irreversible).toEqual(['small']);
    expect(outcomes).toEqual({ x: 'undo failed' });
    expect([...world.done]).toEqual(['x/1', 'x/2']);
  });

  it('reads and verifies only what its steps read', async () => {
    const { plan } = await restore(['x/read']);
    expect(plan.verified).toEqual({ artifacts: 1, of: 1 });
    expect(plan.bytes).toBeGreaterThan(0);
    expect((await restore(['x/1'])).plan).toMatchObject({ verified: { artifacts: 0, of: 1 }, bytes: 0 });
  });

  it('begins nothing more when it is cancelled, and undoes what it was doing', async () => {
    const cancelled = new AbortController();
    const onEvent = (event: RestoreEvent): void => {
      if (event.type === 'step' && event.step === 'x/1' && event.status === 'done')
        cancelled.abort(new Error('enough'));
    };
    const { outcomes, world } = await restore(['x/1', 'x/2', 'y/1<x/2'], {
      options: { signal: cancelled.signal, onEvent },
    });
    expect(outcomes).toEqual({ x: 'undone', y: 'not begun' });
    expect([...world.done]).toEqual([]);
  });
});

describe('a restore is refused', () => {
  it('for names that mean nothing', async () => {
    for (const [options, code] of [
      [{ select: { small: { prat: ['x'] } } }, 'OPTION_INVALID'],
      [{ select: { large: { part: ['x'] } } }, 'COMPONENT_UNKNOWN'],
      [{ only: ['large'] }, 'COMPONENT_UNKNOWN'],
      [{ map: new Map([['q', 'a']]) }, 'RESTORE_HOST'],
      [{ skip: ['small'] }, 'ARTIFACT_MISSING'],
    ] as const)
      await expect(restore(['x/1'], { options })).rejects.toMatchObject({ code });
  });

  it('for steps that wait for each other, or for none', async () => {
    await expect(restore(['x/1<y/1', 'y/1<x/1'])).rejects.toMatchObject({ code: 'INTERNAL' });
    await expect(restore(['x/1<y/1'])).rejects.toMatchObject({ code: 'INTERNAL' });
    await expect(restore(['x/1', 'x/1'])).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  it('on another machine than the one that was backed up, unless somebody says so', async () => {
    const other = (): Promise<FakeHost> =>
      Promise.resolve(
        new FakeHost({
          name: 'a',
          become: false,
          facts: { machineId: 'm2' },
          rules: [{ argv: /flock/, answer: { stdout: 'locked\n' } }],
        }),
      );
    await expect(restore(['x/1'], { options: { connect: other } })).rejects.toMatchObject({ code: 'RESTORE_HOST' });
    const { plan } = await restore(['x/1'], { options: { connect: other, map: new Map([['a', 'a']]) } });
    expect(plan.hosts).toMatchObject([{ archived: 'a', target: 'a', isOther: true }]);
  });

  it('while somebody else works on the host', async () => {
    const busy = (): Promise<FakeHost> =>
      Promise.resolve(
        new FakeHost({
          name: 'a',
          become: false,
          facts: { machineId: 'm1' },
          rules: [{ argv: /flock/, answer: { stdout: 'busy\n' } }],
        }),
      );
    await expect(restore(['x/1'], { options: { connect: busy } })).rejects.toMatchObject({ code: 'HOST_LOCKED' });
  });
});
