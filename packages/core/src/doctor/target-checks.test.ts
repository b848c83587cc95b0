import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { BackupError } from '../model/errors.js';
import { openLocalStore } from '../stores/local.js';
import { createMemoryStore } from '../stores/memory.js';
import type { Store } from '../stores/store.js';
import { examineTarget, targetSpace } from './target-checks.js';

const runId = '20261122T101500Z-4f1c9a2b';
const { signal } = new AbortController();

async function statuses(store: Store): Promise<Record<string, string>> {
  const findings = await examineTarget(store, { runId, signal });
  return Object.fromEntries(findings.map(({ check, status }) => [check, status]));
}

async function objects(store: Store): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { name } of store.list('')) found.push(name);
  return found;
}

const broken = (code: ConstructorParameters<typeof BackupError>[0]) => (): Promise<never> =>
  Promise.reject(new BackupError(code, 'it is broken', { hint: 'Mend it.' }));

describe('a target', () => {
  afterEach(() => {
    jest.useRealTimers();
  });

  it('that is a directory passes, and is as empty afterwards as before', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'lsbackup-doctor-'));
    try {
      const store = await openLocalStore(directory);
      expect(await statuses(store)).toEqual({ write: 'ok', publish: 'ok', read: 'ok', list: 'ok', remove: 'ok' });
      expect(await readdir(directory)).toEqual([]);
      expect(await targetSpace(store, 1, signal)).toMatchObject({ check: 'space', status: 'ok' });
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  /** One method of a good store that does something else. */
  it.each<[string, (store: Store) => Partial<Store>, Record<string, string>]>([
    [
      'cannot be written',
      () => ({ begin: broken('TARGET_READ_ONLY') }),
      { write: 'failed', publish: 'skipped', read: 'skipped', list: 'skipped', remove: 'skipped' },
    ],
    [
      'gives two uploads one name',
      (store) => ({ begin: async (name, options) => ({ ...(await store.begin(name, options)), name }) }),
      { write: 'ok', publish: 'failed', read: 'skipped', list: 'skipped', remove: 'ok' },
    ],
    [
      'replaces objects',
      (store) => ({
        create: async (name, content) => {
          await store.remove(name);
          return store.create(name, content);
        },
      }),
      { write: 'ok', publish: 'failed', read: 'skipped', list: 'skipped', remove: 'ok' },
    ],
    [
      'ignores ranges',
      (store) => ({ get: (name) => store.get(name) }),
      { write: 'ok', publish: 'ok', read: 'failed', list: 'skipped', remove: 'ok' },
    ],
    [
      'reads other bytes',
      () => ({ get: () => Promise.resolve(Readable.from([Buffer.alloc(100)])) }),
      { write: 'ok', publish: 'ok', read: 'failed', list: 'skipped', remove: 'ok' },
    ],
    [
      'lists nothing',
      (store) => ({ list: () => store.list('nothing begins so') }),
      { write: 'ok', publish: 'ok', read: 'ok', list: 'failed', remove: 'ok' },
    ],
    [
      'removes nothing',
      () => ({ remove: () => Promise.resolve() }),
      { write: 'ok', publish: 'ok', read: 'ok', list: 'ok', remove: 'warning' },
    ],
    [
      'may not remove',
      () => ({ remove: broken('TARGET_READ_ONLY') }),
      { write: 'ok', publish: 'ok', read: 'ok', list: 'ok', remove: 'warning' },
    ],
  ])('that %s is told', async (_title, change, expected) => {
    const store = createMemoryStore();
    expect(await statuses({ ...store, ...change(store) })).toEqual(expected);
    if (expected.remove === 'ok') expect(await objects(store)).toEqual([]);
  });

  it('that is full is told with the remedy of its error', async () => {
    const findings = await examineTarget(createMemoryStore({ capacity: 100 }), { runId, signal });
    expect(findings[0]).toMatchObject({ check: 'write', status: 'failed', code: 'TARGET_NO_SPACE' });
  });

  it('that never answers is given up after a minute, and what it answers then is taken back', async () => {
    jest.useFakeTimers();
    const store = createMemoryStore();
    let answer = (): void => undefined;
    const aborted: string[] = [];
    const deaf: Store = {
      ...store,
      begin: async (name, options) => {
        await new Promise<void>((resolve) => (answer = resolve));
        const upload = await store.begin(name, { ...options, signal });
        return { ...upload, abort: () => (aborted.push(upload.name), upload.abort()) };
      },
    };
    const examined = examineTarget(deaf, { runId, signal });
    await jest.advanceTimersByTimeAsync(60_000);
    expect((await examined)[0]).toMatchObject({ check: 'write', status: 'failed', code: 'TARGET_UNREACHABLE' });
    answer();
    await jest.advanceTimersByTimeAsync(0);
    expect(aborted).toEqual([`lsbackup-doctor-${runId}.probe`]);
  });

  it('whose space cannot be told is no problem', async () => {
    const store = createMemoryStore();
    expect(await targetSpace(store, 2 ** 40, signal)).toMatchObject({ status: 'ok' });
    delete store.freeBytes;
    expect(await targetSpace(store, 2 ** 40, signal)).toMatchObject({ status: 'ok' });
    expect(await targetSpace({ ...store, freeBytes: broken('TARGET_UNREADABLE') }, 1, signal)).toMatchObject({
      status: 'warning',
      code: 'TARGET_UNREADABLE',
    });
  });
});
