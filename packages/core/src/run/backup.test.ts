import { describe, expect, it } from '@jest/globals';
import { openArchive } from '../archive/reader.js';
import type { Cluster } from '../cluster/cluster.js';
import type { BackupError } from '../model/errors.js';
import type { BackupEvent } from '../model/event.js';
import { createMemoryStore } from '../stores/memory.js';
import { FakeHost, fakeInventoryHost } from '../testing/fake-host.js';
import { type Journal, type Misbehaviour, worstComponent } from '../testing/worst-component.js';
import type { BackupResult } from './api.js';
import { backup } from './backup.js';

const names = ['a', 'b', 'c'];
const cluster: Cluster = {
  name: 'test',
  inventoryFile: 'inventory',
  inventorySha256: '0'.repeat(64),
  hosts: names.map((name) => fakeInventoryHost(name, { become: false })),
  namingGroups: new Map([
    ['worst', []],
    ['registry', []],
  ]),
  warnings: [],
  groups: new Map([
    ['all', names],
    ['worst', names],
    ['registry', ['c']],
  ]),
};
const user = { name: 'admin', homeDirectory: '/home/admin' };

interface RunOptions {
  readonly tiny?: number;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: BackupEvent) => void;
}

async function run(units: readonly Misbehaviour[], options: RunOptions = {}) {
  const journal: Journal = [];
  const events: BackupEvent[] = [];
  const target = createMemoryStore();
  const startedAt = Date.now();
  const work = backup({
    cluster,
    user,
    target,
    limits: { cleanUp: 1 },
    components: [
      worstComponent({ units, hosts: names, journal, ...(options.tiny === undefined ? {} : { tiny: options.tiny }) }),
    ],
    connect: (host) => Promise.resolve(new FakeHost({ name: host.name, become: false })),
    onEvent: (event) => {
      events.push(event);
      options.onEvent?.(event);
    },
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  let result: BackupResult | undefined;
  let error: unknown;
  try {
    result = await work;
  } catch (thrown) {
    error = thrown;
  }
  const milliseconds = Date.now() - startedAt;
  const objects: string[] = [];
  for await (const entry of target.list('')) objects.push(entry.name);
  return { result, error, journal, events, target, objects, milliseconds };
}

function unit(result: BackupResult | undefined, name: Misbehaviour) {
  return result?.metadata.components[0]?.units.find((record) => record.name === name);
}

describe('backup of the worst component', () => {
  it('saves a thousand tiny streams, a held lock and what stands beside it', async () => {
    const { result, journal, target } = await run(['well']);
    expect(result).toMatchObject({ status: 'complete', metadata: { uncoveredGroups: ['registry'], failed: [] } });
    expect(result?.metadata.artifacts).toHaveLength(1002);
    expect(journal).toEqual(['lock taken', 'lock released', 'well: second clean-up', 'well: first clean-up']);
    const archive = await openArchive(target, result!.archive);
    const chunks = await (await archive.read('worst/b/tiny-1')).toArray();
    expect(Buffer.concat(chunks as Buffer[]).toString()).toBe('worst/b/tiny-1');
  });

  it('cancels and drains the siblings of a failed stream before it cleans up', async () => {
    const { result, journal } = await run(['well', 'endless-sibling'], { tiny: 10 });
    expect(result?.status).toBe('partial');
    expect(unit(result, 'well')?.status).toBe('complete');
    expect(unit(result, 'endless-sibling')).toMatchObject({ status: 'failed', code: 'COMMAND_FAILED' });
    expect(result?.metadata.failed.map(({ path }) => path).sort()).toEqual([
      'worst/a/endless-sibling-endless',
      'worst/a/endless-sibling-failing',
    ]);
    expect(journal.filter((entry) => entry.includes('endless'))).toEqual([
      'endless stream ended',
      'endless-sibling: second clean-up',
      'endless-sibling: first clean-up',
    ]);
  });

  it('waits for a stream that nobody awaits before it cleans up', async () => {
    const { result, journal } = await run(['well', 'abandons-endless'], { tiny: 3 });
    expect(unit(result, 'abandons-endless')).toMatchObject({ status: 'failed', code: 'SERVICE_ANSWER' });
    expect(journal.filter((entry) => entry.includes('endless'))).toEqual([
      'endless stream ended',
      'abandons-endless: second clean-up',
      'abandons-endless: first clean-up',
    ]);
  });

  it('gives a clean-up up at the deadline, and still runs those behind it', async () => {
    const { result, journal, milliseconds } = await run(['stuck-clean-up']);
    expect(unit(result, 'stuck-clean-up')).toMatchObject({
      status: 'partial',
      code: 'COMMAND_TIMEOUT',
      warnings: expect.arrayContaining([expect.objectContaining({ code: 'CLEAN_UP_FAILED' })]),
    });
    expect(journal).toEqual(['stuck-clean-up: second clean-up', 'stuck-clean-up: first clean-up']);
    expect(milliseconds).toBeGreaterThan(900);
    expect(milliseconds).toBeLessThan(3000);
  });

  it.each<[Misbehaviour, string, string]>([
    ['not-awaited', 'failed', 'COMMAND_FAILED'],
    ['caught', 'partial', 'COMMAND_FAILED'],
    ['forgets-one', 'partial', 'ARTIFACT_NOT_SAVED'],
    ['throws-late', 'partial', 'SERVICE_ANSWER'],
    ['deaf', 'failed', 'COMMAND_FAILED'],
  ])('counts a unit that %s as %s', async (kind, status, code) => {
    const { result } = await run(['well', kind], { tiny: 3 });
    expect(result?.status).toBe('partial');
    expect(unit(result, kind)).toMatchObject({ status, code });
  });

  it('publishes nothing when nothing was saved', async () => {
    const { error, objects, journal } = await run(['endless-sibling']);
    expect(error).toMatchObject({ code: 'NOTHING_SAVED', exitStatus: 1 });
    expect(objects).toEqual([]);
    expect(journal).toContain('endless-sibling: first clean-up');
  });

  it('publishes nothing when it is cancelled, and cleans up', async () => {
    const controller = new AbortController();
    const { error, objects, journal } = await run(['endless', 'well'], {
      tiny: 3,
      signal: controller.signal,
      onEvent: (event) => {
        const hasStarted = event.type === 'component' && event.unit === 'endless' && event.status === 'started';
        if (hasStarted) setTimeout(() => controller.abort(new Error('interrupted')), 150);
      },
    });
    expect(error).toMatchObject({ code: 'ABORTED' });
    expect((error as BackupError).cause).toEqual(new Error('interrupted'));
    expect(objects).toEqual([]);
    expect(journal).toContain('endless: first clean-up');
  });
});
