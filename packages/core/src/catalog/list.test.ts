import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';

import { publishBytes, publishSample } from '../../../../test/support/sample-archive.js';
import { bytesFormat } from '../formats/bytes.js';
import { BackupError } from '../model/errors.js';
import type { Metadata } from '../model/metadata.js';
import { createMemoryStore } from '../stores/memory.js';
import type { Store } from '../stores/store.js';
import { listArchives, newestComplete, openNamedOrNewest } from './list.js';
import type { ArchiveSummary } from './list.js';
import { describeArchive } from './show.js';

const artifacts = [
  { path: 'kafka/k1/a', format: bytesFormat, content: Buffer.alloc(5000, 'a') },
  { path: 'kafka/k2/b', format: bytesFormat, content: Buffer.alloc(10, 'b') },
];
const publish = (store: Store, name: string, metadata: Partial<Metadata> = {}): Promise<string> =>
  publishSample(store, name, { artifacts, metadata });
const at = (day: number): { startedAt: string } => ({
  startedAt: `2024-01-${String(day).padStart(2, '0')}T00:00:00.000Z`,
});

async function list(store: Store): Promise<readonly ArchiveSummary[]> {
  const all: ArchiveSummary[] = [];
  for await (const summary of listArchives(store)) all.push(summary);
  return all;
}

async function damaged(store: Store, name: string): Promise<void> {
  const whole = createMemoryStore();
  await publish(whole, name);
  const bytes = await buffer(await whole.get(name));
  await publishBytes(store, name, bytes.subarray(0, -10));
}

describe('listArchives', () => {
  it('tells what each archive says about itself, in name order', async () => {
    const store = createMemoryStore();
    const component = { name: 'kafka', area: 'kafka', status: 'complete' as const, units: [] };
    await publish(store, 'lsbackup-b-20240101T000000Z.tar.gz', { ...at(2), components: [component] });
    await publish(store, 'lsbackup-a-20240101T000000Z.tar.gz', { ...at(1), status: 'partial', runId: 'other' });
    const [first, second, ...rest] = await list(store);
    expect(rest).toEqual([]);
    expect(first).toMatchObject({ name: 'lsbackup-a-20240101T000000Z.tar.gz', status: 'partial', runId: 'other' });
    expect(second).toEqual({
      name: 'lsbackup-b-20240101T000000Z.tar.gz',
      bytes: (await store.stat('lsbackup-b-20240101T000000Z.tar.gz'))?.bytes,
      modified: expect.any(Date),
      status: 'complete',
      runId: 'run',
      cluster: 'test',
      startedAt: '2024-01-02T00:00:00.000Z',
      finishedAt: '2024-01-02T00:00:00.000Z',
      hosts: 0,
      components: [{ name: 'kafka', status: 'complete' }],
      artifacts: 2,
      contentBytes: 5010,
      failed: 0,
    });
  });

  it('shows what has no valid tail as damaged, with the reason', async () => {
    const store = createMemoryStore();
    await damaged(store, 'lsbackup-cut.tar.gz');
    await publishBytes(store, 'lsbackup-empty.tar.gz', Buffer.alloc(0));
    await publishBytes(store, 'lsbackup-junk.tar.gz', Buffer.alloc(100_000, 'junk'));
    const all = await list(store);
    expect(all.map(({ name, status }) => [name, status])).toEqual([
      ['lsbackup-cut.tar.gz', 'damaged'],
      ['lsbackup-empty.tar.gz', 'damaged'],
      ['lsbackup-junk.tar.gz', 'damaged'],
    ]);
    expect(all[0]).toMatchObject({ code: 'ARCHIVE_CORRUPT', reason: expect.stringContaining('footer') });
  });

  it('tells an archive that needs a newer version from a damaged one', async () => {
    const store = createMemoryStore();
    await publish(store, 'lsbackup-new.tar.gz', { requires: ['encryption'] });
    expect(await list(store)).toEqual([
      expect.objectContaining({ status: 'too-new', reason: expect.stringContaining('encryption') }),
    ]);
  });

  it('leaves other files alone, and archives removed meanwhile', async () => {
    const store = createMemoryStore();
    await publish(store, 'lsbackup-a.tar.gz');
    await publish(store, 'lsbackup-gone.tar.gz');
    await publishBytes(store, 'lsbackup-a.txt', Buffer.from('x'));
    await publishBytes(store, 'other.tar.gz', Buffer.from('x'));
    const removing: Store = {
      ...store,
      stat: async (name) => {
        if (name === 'lsbackup-gone.tar.gz') await store.remove(name);
        return store.stat(name);
      },
    };
    expect((await list(removing)).map(({ name }) => name)).toEqual(['lsbackup-a.tar.gz']);
  });

  it('does not call an archive damaged because the store fails', async () => {
    const store = createMemoryStore();
    await publish(store, 'lsbackup-a.tar.gz');
    const failing: Store = { ...store, get: () => Promise.reject(new BackupError('TARGET_UNREACHABLE', 'no route')) };
    await expect(list(failing)).rejects.toMatchObject({ code: 'TARGET_UNREACHABLE' });
  });

  it('shows one that may not be read as unreadable, and takes another for the newest', async () => {
    const store = createMemoryStore();
    await publish(store, 'lsbackup-a.tar.gz');
    await publish(store, 'lsbackup-b.tar.gz');
    const refused = new BackupError('OBJECT_UNREADABLE', 'lsbackup-b.tar.gz may not be read');
    const guarded: Store = {
      ...store,
      get: (name, options) => (name === 'lsbackup-b.tar.gz' ? Promise.reject(refused) : store.get(name, options)),
    };
    expect((await list(guarded)).map(({ status }) => status)).toEqual(['complete', 'unreadable']);
    const { archive, passedOver } = await newestComplete(guarded);
    expect([archive.name, passedOver.map(({ name }) => name)]).toEqual(['lsbackup-a.tar.gz', ['lsbackup-b.tar.gz']]);
  });

  it('reads kilobytes of each archive, and few archives at once', async () => {
    const store = createMemoryStore();
    const large = [{ path: 'kafka/k1/a', format: bytesFormat, content: randomBytes(200_000) }];
    for (let index = 0; index < 20; index++)
      await publishSample(store, `lsbackup-${index}.tar.gz`, { artifacts: large });
    let read = 0;
    let most = 0;
    let reading = 0;
    const counting: Store = {
      ...store,
      get: async (name, options) => {
        most = Math.max(most, ++reading);
        const { start, end } = options?.range ?? { start: 0, end: Number.POSITIVE_INFINITY };
        read += end - start;
        await new Promise((resolve) => setImmediate(resolve));
        reading--;
        return store.get(name, options);
      },
    };
    expect(await list(counting)).toHaveLength(20);
    expect(read).toBeLessThanOrEqual(20 * 64 * 1024);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(8);
  });
});

describe('newestComplete', () => {
  it('goes by the start time in the metadata, not by the name', async () => {
    const store = createMemoryStore();
    await publish(store, 'lsbackup-x-20240109T000000Z.tar.gz', at(1));
    await publish(store, 'lsbackup-x-20240101T000000Z.tar.gz', at(9));
    expect(await newestComplete(store)).toMatchObject({
      archive: { name: 'lsbackup-x-20240101T000000Z.tar.gz' },
      passedOver: [],
    });
  });

  it('takes the later name of two that started together', async () => {
    const store = createMemoryStore();
    await publish(store, 'lsbackup-x.tar.gz');
    expect(await publish(store, 'lsbackup-x.tar.gz')).toBe('lsbackup-x_1.tar.gz');
    expect(await newestComplete(store)).toMatchObject({ archive: { name: 'lsbackup-x_1.tar.gz' } });
  });

  it('passes over newer partial and damaged ones, and tells', async () => {
    const store = createMemoryStore();
    await publish(store, 'lsbackup-older-partial.tar.gz', { ...at(1), status: 'partial' });
    await publish(store, 'lsbackup-good.tar.gz', at(2));
    await publish(store, 'lsbackup-partial.tar.gz', { ...at(3), status: 'partial' });
    await damaged(store, 'lsbackup-damaged.tar.gz');
    const { archive, passedOver } = await newestComplete(store);
    expect(archive.name).toBe('lsbackup-good.tar.gz');
    expect(passedOver.map(({ name }) => name)).toEqual(['lsbackup-damaged.tar.gz', 'lsbackup-partial.tar.gz']);
  });

  it('says whether there is nothing, or nothing complete', async () => {
    const store = createMemoryStore();
    await expect(newestComplete(store)).rejects.toMatchObject({
      code: 'ARCHIVE_MISSING',
      message: 'there is no archive at memory',
    });
    await damaged(store, 'lsbackup-damaged.tar.gz');
    await publish(store, 'lsbackup-partial.tar.gz', { status: 'partial' });
    await expect(newestComplete(store)).rejects.toMatchObject({
      code: 'ARCHIVE_MISSING',
      exitStatus: 10,
      message: 'there is no complete archive at memory, only 1 partial, 1 damaged',
    });
  });
});

describe('openNamedOrNewest', () => {
  it('opens the one that is named, also a partial one', async () => {
    const store = createMemoryStore();
    await publish(store, 'lsbackup-partial.tar.gz', { status: 'partial' });
    const { archive } = await openNamedOrNewest(store, 'lsbackup-partial.tar.gz');
    expect(describeArchive(archive)).toMatchObject({
      name: 'lsbackup-partial.tar.gz',
      contentBytes: 5010,
      metadata: { status: 'partial' },
    });
  });

  it('opens the newest complete one when none is named', async () => {
    const store = createMemoryStore();
    await publish(store, 'lsbackup-good.tar.gz');
    await damaged(store, 'lsbackup-damaged.tar.gz');
    const { archive, passedOver } = await openNamedOrNewest(store, undefined);
    expect(archive.name).toBe('lsbackup-good.tar.gz');
    expect(passedOver).toHaveLength(1);
  });

  it('is exit 4 for a named one whose footer is gone, 10 for one that is not there', async () => {
    const store = createMemoryStore();
    await damaged(store, 'lsbackup-damaged.tar.gz');
    await expect(openNamedOrNewest(store, 'lsbackup-damaged.tar.gz')).rejects.toMatchObject({
      code: 'ARCHIVE_CORRUPT',
      exitStatus: 4,
    });
    await expect(openNamedOrNewest(store, 'lsbackup-none.tar.gz')).rejects.toMatchObject({
      code: 'ARCHIVE_MISSING',
      exitStatus: 10,
    });
  });
});
