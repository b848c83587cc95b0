import { randomBytes } from 'node:crypto';
import { Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { bytesFormat } from '../formats/bytes.js';
import { BackupError } from '../model/errors.js';
import type { BackupEvent } from '../model/event.js';
import { createMemoryStore } from '../stores/memory.js';
import type { Store, Upload } from '../stores/store.js';
import { FakeHost } from '../testing/fake-host.js';
import { smallCluster, smallComponent } from '../testing/small-component.js';
import type { BackupOptions, BackupResult } from './api.js';
import { backup } from './backup.js';

function run(
  target: Store,
  more: Pick<BackupOptions, 'signal' | 'onEvent' | 'components'> = {},
): Promise<BackupResult> {
  return backup({
    cluster: smallCluster(['a']),
    user: { name: 'admin', homeDirectory: '/home/admin' },
    target,
    components: [smallComponent('small')],
    connect: ({ name }) => Promise.resolve(new FakeHost({ name, become: false })),
    ...more,
  });
}

/** The store, with another way to commit. The upload does not listen to the run's signal, so that only `stillOwner` can stop it. */
function withCommit(
  store: Store,
  commit: (upload: Upload, options: Parameters<Upload['commit']>[0]) => Promise<void>,
): Store {
  return {
    ...store,
    begin: async (name, { runId }) => {
      const upload = await store.begin(name, { runId, signal: new AbortController().signal });
      return { ...upload, commit: (options) => commit(upload, options) };
    },
  };
}

async function content(store: Store, name: string): Promise<Buffer> {
  return buffer(await store.get(name));
}

async function namesIn(store: Store): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of store.list('')) names.push(entry.name);
  return names;
}

it('a leftover that cannot be removed is told and stops nothing', async () => {
  const store: Store = {
    ...createMemoryStore(),
    sweep: () => Promise.resolve([{ name: 'a.partial', bytes: 1, error: new BackupError('TARGET_IO', 'not yours') }]),
  };
  const events: BackupEvent[] = [];
  const result = await run(store, { onEvent: (event) => events.push(event) });
  expect(result.status).toBe('complete');
  expect(events).toContainEqual(
    expect.objectContaining({ code: 'TARGET_LEFTOVER', message: expect.stringContaining('a.partial') }),
  );
});

it('a store whose body keeps what it was given, without a copy, publishes nothing that seems whole', async () => {
  const store = createMemoryStore();
  const keeping: Store = {
    ...store,
    begin: async (name, options) => {
      const upload = await store.begin(name, options);
      const kept: Buffer[] = [];
      const body = new Writable({
        write(chunk: Buffer, _encoding, callback) {
          kept.push(chunk);
          callback();
        },
        final(callback) {
          for (const chunk of kept) upload.body.write(chunk);
          upload.body.end(callback);
        },
      });
      return { ...upload, body };
    },
  };
  const large = smallComponent('large', {
    async backup(context, unit) {
      const { path, host } = unit.artifacts[0]!;
      await context.saveBytes({ path, host, format: bytesFormat }, randomBytes(300_000));
    },
  });
  await expect(run(keeping, { components: [large] })).rejects.toMatchObject({ code: 'ARCHIVE_CORRUPT' });
});

describe('publishing', () => {
  it.each<[string, (own: Buffer, other: Buffer) => Buffer]>([
    ['cut off', (own) => own.subarray(0, -1)],
    ['empty', () => Buffer.alloc(0)],
    ["another run's archive", (_own, other) => other],
  ])('is not told when the object turns out to be %s', async (_title, damaged) => {
    const elsewhere = createMemoryStore();
    const other = await content(elsewhere, (await run(elsewhere)).archive);
    const store = createMemoryStore();
    const target = withCommit(store, async (upload, options) => {
      await upload.commit(options);
      const own = await content(store, upload.name);
      await store.remove(upload.name);
      await store.create(upload.name, damaged(own, other));
    });
    const events: BackupEvent[] = [];
    await expect(run(target, { onEvent: (event) => events.push(event) })).rejects.toMatchObject({
      code: 'ARCHIVE_CORRUPT',
      exitStatus: 4,
    });
    expect(events.map(({ type }) => type)).not.toContain('published');
  });

  it('does not happen when the run is cancelled after its last byte', async () => {
    const controller = new AbortController();
    const store = createMemoryStore();
    const target = withCommit(store, async (upload, options) => {
      controller.abort(new Error('interrupted'));
      await upload.commit(options);
    });
    await expect(run(target, { signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await namesIn(store)).toEqual([]);
  });
});
