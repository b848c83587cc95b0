import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { openArchive } from '../archive/reader.js';
import type { Cluster, Host } from '../cluster/cluster.js';
import type { AnyComponent } from '../components/component.js';
import type { RestoreContext, StepKind, UnitBackup } from '../components/restore.js';
import { backup } from '../run/backup.js';
import { createMemoryStore } from '../stores/memory.js';
import { FakeHost, fakeInventoryHost } from '../testing/fake-host.js';
import { smallComponent } from '../testing/small-component.js';
import type { RestoreEvent, RestoreOptions, RestorePlan } from './api.js';
import { planRestore } from './plan.js';

type Groups = Readonly<Record<string, readonly string[]>>;

function clusterOf(groups: Groups, inventoryFile: string): Cluster {
  const names = [...new Set(Object.values(groups).flat())];
  return {
    name: 'test',
    inventoryFile,
    inventorySha256: '0'.repeat(64),
    hosts: names.map((name) => fakeInventoryHost(name, { become: false })),
    namingGroups: new Map(),
    warnings: [],
    groups: new Map(Object.entries({ all: names, ...groups })),
  };
}

const kind: StepKind<null, null> = {
  name: 'test.nothing',
  params: z.null(),
  undo: z.null(),
  prepare: () => Promise.resolve(null),
  apply: () => Promise.resolve(),
  probe: () => Promise.resolve('done'),
};

function oneStep(context: RestoreContext<unknown>, { component, unit }: UnitBackup): ReturnType<typeof kindSteps> {
  return kindSteps(component, context.target(unit.hosts[0] ?? '').name);
}

function kindSteps(component: string, host: string) {
  const set = `${component}@${host}`;
  const step = {
    id: `${set}/1`,
    kind: kind.name,
    params: null,
    set,
    after: [],
    host,
    title: set,
    preview: [],
    reads: [],
  };
  return Promise.resolve([step]);
}

/** Restorable `balancer` and `store`, and `watch`, which can be extracted only. */
const balancer: AnyComponent = {
  ...smallComponent('balancer'),
  groups: ['balancer'],
  stepKinds: [kind],
  restore: oneStep,
};
const parts: Groups = { db1: ['a', 'shared'], db2: ['b', 'shared'] };
const store: AnyComponent = {
  ...smallComponent('store'),
  groups: ['store'],
  selectors: { part: 'a part', mode: 'how' },
  restore: (context, unit) => {
    const lost = unit.unit.name === 'db1' ? new Map([['broken', 'it was locked']]) : undefined;
    const chosen = context.selected('part', parts[unit.unit.name] ?? [], lost);
    const [mode = 'plain'] = context.selected('mode') ?? [];
    context.warn({ code: 'TEST', message: `${unit.unit.name} ${mode}: ${chosen?.join(' ') ?? 'everything'}` });
    return mode === 'nothing' ? Promise.resolve([]) : oneStep(context, unit);
  },
};
const watch: AnyComponent = { ...smallComponent('watch'), groups: ['watch'] };
const components = [balancer, store, watch];

const old: Groups = { balancer: ['lb1', 'lb2'], store: ['db1', 'db2'], watch: ['mon1'] };
const archived = (async () => {
  const target = createMemoryStore();
  const user = { name: 'admin', homeDirectory: '/home/admin' };
  const saved = await backup({ cluster: clusterOf(old, 'old'), user, target, connect, components });
  return openArchive(target, saved.archive);
})();

function connect({ name }: Host): Promise<FakeHost> {
  return Promise.resolve(new FakeHost({ name, become: false, facts: { machineId: name }, rules: [] }));
}

interface Planned {
  readonly plan: RestorePlan;
  /** Of those that are restored, `component@target`. */
  readonly sets: readonly string[];
  /** `component unit: reason`, with `!` in front where it was meant to be restored. */
  readonly left: readonly string[];
  readonly warnings: readonly string[];
}

async function planned(groups: Groups, options: Partial<RestoreOptions> = {}): Promise<Planned> {
  const warnings: string[] = [];
  const emit = (event: RestoreEvent): void => {
    if (event.type === 'warning') warnings.push(event.message);
  };
  const archive = await archived;
  const user = { name: 'admin', homeDirectory: '/home/admin' };
  const plan = await planRestore(
    { cluster: clusterOf(groups, 'new'), user, components, stateDirectory: '/nowhere', archive, ...options },
    {
      runId: 'run',
      remote: async (name) => connect(fakeInventoryHost(name, { become: false })),
      signal: new AbortController().signal,
      emit,
    },
  );
  return {
    plan,
    sets: plan.units.flatMap(({ sets }) => sets),
    left: plan.units
      .filter(({ sets }) => sets.length === 0)
      .map(
        ({ component, unit, reason, isMissed }) =>
          `${isMissed === true ? '!' : ''}${component} ${unit}: ${reason ?? ''}`,
      ),
    warnings,
  };
}

const map = (...pairs: readonly string[]): ReadonlyMap<string, string> =>
  new Map(pairs.map((pair) => [pair.split('=')[0] ?? '', pair.split('=')[1] ?? '']));
const matching = (pattern: RegExp): string => expect.stringMatching(pattern) as unknown as string;

describe('what is restored', () => {
  it('is all that this version can; what it cannot was not meant, and is told', async () => {
    const { sets, left } = await planned(old);
    expect(sets).toEqual(['balancer@lb1', 'balancer@lb2', 'store@db1', 'store@db2']);
    expect(left).toEqual(['watch mon1: this version can only extract it']);
  });

  it('is what was asked for by name; what cannot be restored of that is missed', async () => {
    const { sets, left } = await planned(old, { only: ['balancer', 'watch'] });
    expect(sets).toEqual(['balancer@lb1', 'balancer@lb2']);
    expect(left).toEqual(['!watch mon1: this version can only extract it']);
  });

  it('is missed where no host takes the place of an archived one, whichever way all were asked for', async () => {
    const groups = { ...old, balancer: ['lb8'] };
    for (const only of [undefined, ['balancer', 'store']]) {
      const { sets, left } = await planned(groups, { map: map('lb1=lb8'), ...(only && { only }) });
      expect(sets).toEqual(['balancer@lb8', 'store@db1', 'store@db2']);
      expect(left[0]).toEqual(matching(/^!balancer lb2: lb2, .* is not in new.* --map lb2=HOST/));
    }
  });

  it('is not missed where the selection does not mean it', async () => {
    const groups = { balancer: ['lb8'] };
    for (const selection of [
      { only: ['balancer@lb8'] },
      { only: ['balancer'], skip: ['balancer@lb2'] },
      { skip: ['balancer@lb2', 'store', 'watch'] },
      { limit: ['lb8'] },
    ]) {
      const { sets, left } = await planned(groups, { ...selection, map: map('lb1=lb8') });
      expect([selection, sets, left]).toEqual([selection, ['balancer@lb8'], []]);
    }
  });

  it('is asked for by the name of the archive where nobody has its place', async () => {
    await expect(planned({ balancer: ['lb8'] }, { only: ['balancer@lb2'] })).rejects.toMatchObject({
      code: 'RESTORE_HOST',
      message: matching(/lb2, .* is not in new/),
    });
    await expect(planned({ balancer: ['lb8'] }, { only: ['store'] })).rejects.toMatchObject({ code: 'RESTORE_HOST' });
  });
});

it('is refused where no unit has anything to do', async () => {
  const select = { store: { mode: ['nothing'] } };
  await expect(planned(old, { only: ['store'], select })).rejects.toMatchObject({ code: 'ARTIFACT_MISSING' });
  expect((await planned(old, { select })).left).toContain('store db1: nothing of it is left to restore');
});

describe('a host outside the groups of its component', () => {
  it('is refused, also where the component is one of those asked for', async () => {
    for (const only of [undefined, ['balancer'], ['balancer@db1']])
      await expect(planned(old, { map: map('lb1=db1'), ...(only && { only }) })).rejects.toMatchObject({
        code: 'RESTORE_HOST',
        message: matching(/db1 is in no group of balancer/),
        hint: matching(/--skip balancer@db1/),
      });
    expect((await planned(old, { map: map('lb1=db1'), skip: ['balancer@db1'] })).sets).not.toContain('balancer@db1');
  });

  it("is nobody's business where the component is not asked for", async () => {
    expect((await planned(old, { map: map('lb1=db1'), only: ['store'] })).sets).toEqual(['store@db1', 'store@db2']);
  });
});

describe('with the inventory of the old cluster', () => {
  const from = clusterOf(old, 'old');

  it('leaves out hosts for which there is no place, and groups that nobody asked for', async () => {
    const groups = { balancer: ['lb8'], store: ['db8', 'db9'] };
    const { sets, left } = await planned(groups, { from, map: map('lb2=lb8') });
    expect(sets).toEqual(['balancer@lb8', 'store@db8', 'store@db9']);
    expect(left).toEqual([
      matching(/^!balancer lb1: .*group balancer.*nobody.*--map lb1=HOST/),
      'watch mon1: this version can only extract it',
    ]);
    expect(await planned(groups, { from, only: ['balancer@lb8'] })).toMatchObject({ sets: ['balancer@lb8'], left: [] });
    expect((await planned(groups, { from, only: ['balancer'] })).left).toHaveLength(1);
  });
});

describe('what is selected inside a component', () => {
  const select = (part: readonly string[]): NonNullable<RestoreOptions['select']> => ({ store: { part } });

  it('is taken from each unit that has it', async () => {
    const { sets, warnings } = await planned(old, { only: ['store'], select: select(['b', 'a', 'a']) });
    expect(sets).toEqual(['store@db1', 'store@db2']);
    expect(warnings).toEqual(['db1 plain: a', 'db2 plain: b']);
    expect((await planned(old, { only: ['store'], select: select(['b', 'shared']) })).warnings).toEqual([
      'db1 plain: shared',
      'db2 plain: b shared',
    ]);
  });

  it('leaves out a unit that has none of it', async () => {
    const { sets, left } = await planned(old, { only: ['store'], select: select(['b']) });
    expect(sets).toEqual(['store@db2']);
    expect(left).toEqual([matching(/^store db1: .*unit db1 does not have it/)]);
  });

  it('is refused where no unit has it, with what there is, and why it could not be saved', async () => {
    await expect(planned(old, { select: select(['a', 'c']) })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      component: 'store',
      message: matching(/--select store\.part=c: no unit has it/),
      hint: matching(/db1 has a, shared; unit db2 has b, shared/),
    });
    await expect(planned(old, { select: select(['b', 'broken']) })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: matching(/--select store\.part=broken: unit db1: it could not be saved: it was locked/),
    });
    await expect(planned(old, { only: ['store@db1'], select: select(['b']) })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: matching(/--select store\.part=b: unit db1 does not have it/),
    });
  });

  it('is missed in a unit that could not save it', async () => {
    const lost = parts.db2 ?? [];
    (parts as Record<string, readonly string[]>).db2 = [...lost, 'broken'];
    try {
      const alone = await planned(old, { only: ['store'], select: select(['broken']) });
      expect(alone.left).toEqual([matching(/^!store db1: .*could not be saved: it was locked/)]);
      const { sets, warnings } = await planned(old, { only: ['store'], select: select(['a', 'broken']) });
      expect(sets).toEqual(['store@db1', 'store@db2']);
      expect(warnings).toContainEqual(matching(/part=broken: unit db1: it could not be saved: it was locked/));
    } finally {
      (parts as Record<string, readonly string[]>).db2 = lost;
    }
  });

  it('is refused for a component of which nothing is restored', async () => {
    await expect(planned(old, { only: ['balancer'], select: select(['a']) })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: matching(/--select store\.part=a: nothing of store is restored/),
    });
  });
});
