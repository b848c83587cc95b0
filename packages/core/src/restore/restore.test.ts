import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { openArchive } from '../archive/reader.js';
import type { Host } from '../cluster/cluster.js';
import type { AnyComponent } from '../components/component.js';
import type { Step, StepKind } from '../components/restore.js';
import { artifactPath } from '../model/names.js';
import { backup } from '../run/backup.js';
import { createMemoryStore } from '../stores/memory.js';
import { FakeHost } from '../testing/fake-host.js';
import { smallCluster, smallComponent } from '../testing/small-component.js';
import type { RestoreEvent, RestoreOptions } from './api.js';
import { rollbackRestore } from './continue.js';
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
      await context.remote('a');
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
      host: 'a',
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
    readonly confirm?: readonly string[];
    readonly options?: Partial<RestoreOptions>;
  } = {},
) {
  const world: World = { done: new Set(), log: [], fails: new Set(more.fails) };
  const events: RestoreEvent[] = [];
  const component: AnyComponent = {
    ...smallComponent('small'),
    stepKinds: kinds(world),
    selectors: { part: 'a part' },
    restore: () => Promise.resolve(steps(...texts)),
  };
  const target = createMemoryStore();
  const cluster = smallCluster(['a']);
  const connect = ({ name }: Host): Promise<FakeHost> =>
    Promise.resolve(
      new FakeHost({
        name,
        become: false,
        facts: { machineId: 'm1' },
        rules: [
          { argv: /flock/, answer: { stdout: 'locked\n' } },
          { argv: /LSBACKUP_RESTORE/, answer: {} },
        ],
      }),
    );
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
  return { result, outcomes, world, events, services, plan: prepared.plan };
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
