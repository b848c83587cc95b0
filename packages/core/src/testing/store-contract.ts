import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { finished, pipeline } from 'node:stream/promises';
import { BackupError, type ErrorCode } from '../model/errors.js';
import type { Store, Upload } from '../stores/store.js';

/** The part of a test runner that a contract suite needs: jest, vitest, mocha and node:test all have it. */
export interface Runner {
  readonly describe: (name: string, body: () => void) => void;
  readonly it: (name: string, body: () => Promise<void>) => void;
}

/** One place for archives, empty at first. */
export interface StoreUnderTest {
  /** Another handle on the same place each time, as two processes would have. */
  open(): Promise<Store>;
  /** Names of everything in the place that is not a committed object, to see that nothing is left behind. */
  leftovers(): Promise<readonly string[]>;
  dispose(): Promise<void>;
}

const hour = 3_600_000;

/** What every store must do. `make` returns a new place for each test. */
export function describeStore({ describe, it }: Runner, name: string, make: () => Promise<StoreUnderTest>): void {
  const test = (title: string, body: (store: Store, place: StoreUnderTest) => Promise<void>): void => {
    it(title, async () => {
      const place = await make();
      try {
        const store = await place.open();
        await body(store, place);
        await store[Symbol.asyncDispose]();
      } finally {
        await place.dispose();
      }
    });
  };

  describe(`${name}: publishing`, () => {
    test('an object appears whole, at its commit and not before', async (store, place) => {
      const upload = await begin(store, 'a.tar.gz');
      await feed(upload, ['one ', 'two']);
      assert.deepEqual(await names(store), []);
      assert.equal(await store.stat('a.tar.gz'), undefined);
      await commit(upload);
      assert.deepEqual(await names(store), ['a.tar.gz']);
      assert.equal(await content(store, 'a.tar.gz'), 'one two');
      assert.deepEqual([...(await place.leftovers())], []);
    });

    test('an ended body publishes nothing', async (store, place) => {
      const upload = await begin(store, 'a.tar.gz');
      await feed(upload, ['all of it']);
      await upload.abort();
      assert.deepEqual(await names(store), []);
      assert.deepEqual([...(await place.leftovers())], []);
    });

    test('an object of 0 bytes', async (store) => {
      await publish(store, 'empty.tar.gz', '');
      assert.equal((await store.stat('empty.tar.gz'))?.bytes, 0);
      assert.equal(await content(store, 'empty.tar.gz'), '');
    });

    test('an object of many chunks', async (store) => {
      const chunk = Buffer.alloc(700_001, 'x');
      const upload = await begin(store, 'big.tar.gz');
      await pipeline(Readable.from([chunk, chunk, chunk, chunk, chunk]), upload.body);
      await commit(upload);
      assert.equal((await store.stat('big.tar.gz'))?.bytes, 5 * chunk.length);
    });

    test('a chunk whose memory is used for something else once its write has been called back', async (store) => {
      const upload = await begin(store, 'a.tar.gz');
      const memory = Buffer.alloc(300_000);
      for (const text of ['one', 'two', 'three']) {
        memory.fill(text);
        await new Promise<void>((resolve, reject) => {
          upload.body.write(memory, (error) => (error ? reject(error) : resolve()));
        });
        memory.fill('-');
      }
      upload.body.end();
      await finished(upload.body, { readable: false });
      await commit(upload);
      const expected = ['one', 'two', 'three'].map((text) => memory.fill(text).toString());
      assert.ok((await content(store, 'a.tar.gz')) === expected.join(''));
    });

    test('a second commit changes nothing', async (store) => {
      const upload = await publish(store, 'a.tar.gz', 'once');
      await commit(upload);
      assert.deepEqual(await names(store), ['a.tar.gz']);
      assert.equal(await content(store, 'a.tar.gz'), 'once');
    });

    test('a commit before the body has finished publishes nothing', async (store, place) => {
      const upload = await begin(store, 'a.tar.gz');
      upload.body.write('half');
      await rejects(commit(upload), 'INTERNAL');
      await upload.abort();
      assert.deepEqual(await names(store), []);
      assert.deepEqual([...(await place.leftovers())], []);
    });

    test('a commit by a run that is no longer the owner publishes nothing', async (store, place) => {
      const upload = await begin(store, 'a.tar.gz');
      await feed(upload, ['data']);
      await rejects(upload.commit({ stillOwner: () => Promise.resolve(false) }), 'ABORTED');
      await upload.abort();
      assert.deepEqual(await names(store), []);
      assert.deepEqual([...(await place.leftovers())], []);
    });

    test('the owner is asked after the body has finished and before anything is visible', async (store) => {
      const upload = await begin(store, 'a.tar.gz');
      await feed(upload, ['data']);
      let seen: readonly string[] | undefined;
      await upload.commit({
        stillOwner: async () => {
          seen = await names(store);
          return true;
        },
      });
      assert.deepEqual(seen, []);
    });
  });

  describe(`${name}: names`, () => {
    test('a taken name gets _1, _2 before its extension', async (store) => {
      const made: string[] = [];
      for (const text of ['first', 'second', 'third']) made.push((await publish(store, 'a.tar.gz', text)).name);
      assert.deepEqual(made, ['a.tar.gz', 'a_1.tar.gz', 'a_2.tar.gz']);
      assert.equal(await content(store, 'a.tar.gz'), 'first');
      assert.equal(await content(store, 'a_1.tar.gz'), 'second');
    });

    test('eight runs at once get eight names, and every object is its own', async (_store, place) => {
      const uploads = await Promise.all(Array.from({ length: 8 }, async () => begin(await place.open(), 'a.tar.gz')));
      assert.equal(new Set(uploads.map((upload) => upload.name)).size, 8);
      await Promise.all(uploads.map((upload) => feed(upload, [upload.name])));
      await Promise.all(uploads.map(commit));
      const store = await place.open();
      for (const name of await names(store)) assert.equal(await content(store, name), name);
      assert.equal((await names(store)).length, 8);
      assert.deepEqual([...(await place.leftovers())], []);
    });

    test('a taken name without room for a number is refused, for what is published must be found again', async (store, place) => {
      const longest = `${'x'.repeat(193)}.tar.gz`;
      await publish(store, longest, 'first');
      await rejects(begin(store, longest), 'USAGE');
      assert.deepEqual(await names(store), [longest]);
      assert.deepEqual([...(await place.leftovers())], []);
    });

    test('a name that was given up is free again', async (store) => {
      await (await begin(store, 'a.tar.gz')).abort();
      assert.equal((await publish(store, 'a.tar.gz', 'x')).name, 'a.tar.gz');
    });

    test('never overwrites what appeared under the name meanwhile', async (store) => {
      const upload = await begin(store, 'a.tar.gz');
      await feed(upload, ['ours']);
      assert.equal(await store.create('a.tar.gz', Buffer.from('theirs')), true);
      await assert.rejects(commit(upload));
      await upload.abort();
      assert.equal(await content(store, 'a.tar.gz'), 'theirs');
    });

    test('refuses names that leave the target or hide in it', async (store) => {
      for (const bad of ['', '.hidden', '../a', 'a/b', 'a\0b', 'x'.repeat(300)]) {
        await rejects(begin(store, bad), 'USAGE');
        await rejects((async () => store.create(bad, Buffer.from('x')))(), 'USAGE');
        assert.equal(await store.stat(bad), undefined);
        await rejects(store.get(bad), 'OBJECT_MISSING');
      }
      assert.deepEqual(await names(store), []);
    });
  });

  describe(`${name}: giving up`, () => {
    test('abort at once, twice, and after a commit', async (store, place) => {
      const early = await begin(store, 'early.tar.gz');
      await early.abort();
      await early.abort();
      const done = await publish(store, 'done.tar.gz', 'kept');
      await done.abort();
      assert.deepEqual(await names(store), ['done.tar.gz']);
      assert.equal(await content(store, 'done.tar.gz'), 'kept');
      assert.deepEqual([...(await place.leftovers())], []);
    });

    test('a commit after abort publishes nothing', async (store) => {
      const upload = await begin(store, 'a.tar.gz');
      await feed(upload, ['data']);
      await upload.abort();
      await rejects(commit(upload), 'ABORTED');
      assert.deepEqual(await names(store), []);
    });

    test('abort while bytes are being written', async (store, place) => {
      const upload = await begin(store, 'a.tar.gz');
      for (let index = 0; index < 20; index++) upload.body.write(Buffer.alloc(100_000));
      await upload.abort();
      assert.deepEqual(await names(store), []);
      assert.deepEqual([...(await place.leftovers())], []);
    });

    test('a source that fails: the body gets no end, nothing is published', async (store, place) => {
      const upload = await begin(store, 'a.tar.gz');
      const failing = Readable.from(
        (async function* () {
          yield await Promise.resolve(Buffer.from('some'));
          throw new Error('the host went away');
        })(),
      );
      await assert.rejects(pipeline(failing, upload.body), /the host went away/);
      await assert.rejects(commit(upload));
      await upload.abort();
      assert.deepEqual(await names(store), []);
      assert.deepEqual([...(await place.leftovers())], []);
    });

    test('cancelled before begin', async (store, place) => {
      const signal = AbortSignal.abort(new BackupError('ABORTED', 'stop'));
      await rejects(store.begin('a.tar.gz', { signal, runId: 'r' }), 'ABORTED');
      assert.deepEqual([...(await place.leftovers())], []);
    });

    test('cancelled while writing: the body fails with the reason', async (store, place) => {
      const controller = new AbortController();
      const upload = await begin(store, 'a.tar.gz', controller.signal);
      const endless = Readable.from(
        (async function* () {
          for (;;) {
            yield Buffer.alloc(10_000);
            await new Promise((resolve) => setTimeout(resolve, 1));
          }
        })(),
      );
      const writing = pipeline(endless, upload.body);
      setTimeout(() => controller.abort(new BackupError('ABORTED', 'stop')), 20);
      await rejects(writing, 'ABORTED');
      await rejects(commit(upload), 'ABORTED');
      await upload.abort();
      assert.deepEqual(await names(store), []);
      assert.deepEqual([...(await place.leftovers())], []);
    });

    test('cancelled between the end of the body and the commit, and during it', async (store, place) => {
      for (const during of [false, true]) {
        const controller = new AbortController();
        const upload = await begin(store, 'a.tar.gz', controller.signal);
        await feed(upload, ['data']);
        if (!during) controller.abort();
        const stillOwner = (): Promise<boolean> => {
          controller.abort();
          return Promise.resolve(true);
        };
        await rejects(upload.commit({ stillOwner }), 'ABORTED');
        await upload.abort();
        assert.deepEqual(await names(store), []);
        assert.deepEqual([...(await place.leftovers())], []);
      }
    });
  });

  describe(`${name}: reading`, () => {
    test('ranges are [start, end)', async (store) => {
      await publish(store, 'a.tar.gz', '0123456789');
      const read = async (start: number, end: number): Promise<string> =>
        (await buffer(await store.get('a.tar.gz', { range: { start, end } }))).toString();
      assert.equal(await read(0, 10), '0123456789');
      assert.equal(await read(3, 5), '34');
      assert.equal(await read(9, 10), '9');
      assert.equal(await read(4, 4), '');
      assert.equal(await read(8, 20), '89');
    });

    test('a missing object: get rejects, stat is undefined, remove has nothing to do', async (store) => {
      await rejects(store.get('none.tar.gz'), 'OBJECT_MISSING');
      assert.equal(await store.stat('none.tar.gz'), undefined);
      await store.remove('none.tar.gz');
    });

    test('a read that is cancelled fails with the reason', async (store) => {
      await publish(store, 'a.tar.gz', 'x'.repeat(3_000_000));
      const controller = new AbortController();
      const stream = await store.get('a.tar.gz', { signal: controller.signal });
      controller.abort();
      await rejects(buffer(stream), 'ABORTED');
      await rejects(store.get('a.tar.gz', { signal: controller.signal }), 'ABORTED');
    });

    test('list is in name order, by prefix, with sizes and times', async (store) => {
      const before = Date.now() - 2_000;
      for (const name of ['b.tar.gz', 'a.tar.gz', 'a_1.tar.gz', 'c.tar.gz']) await publish(store, name, name);
      assert.deepEqual(await names(store), ['a.tar.gz', 'a_1.tar.gz', 'b.tar.gz', 'c.tar.gz']);
      assert.deepEqual(await names(store, 'a'), ['a.tar.gz', 'a_1.tar.gz']);
      const entry = await store.stat('b.tar.gz');
      assert.equal(entry?.bytes, 8);
      assert.ok(entry.modified.getTime() >= before && entry.modified.getTime() <= Date.now() + 2_000);
    });

    test('free space, where a store can tell', async (store) => {
      const free = await store.freeBytes?.();
      assert.ok(free === undefined || free >= 0);
    });

    test('remove', async (store) => {
      await publish(store, 'a.tar.gz', 'a');
      await publish(store, 'b.tar.gz', 'b');
      await store.remove('a.tar.gz');
      assert.deepEqual(await names(store), ['b.tar.gz']);
    });
  });

  describe(`${name}: create and sweep`, () => {
    test('create is atomic: one of many wins, and its content stays', async (_store, place) => {
      const stores = await Promise.all(Array.from({ length: 8 }, () => place.open()));
      const won = await Promise.all(stores.map((store, index) => store.create('pin', Buffer.from(`run ${index}`))));
      assert.equal(won.filter(Boolean).length, 1);
      assert.equal(await content(await place.open(), 'pin'), `run ${won.indexOf(true)}`);
      assert.deepEqual([...(await place.leftovers())], []);
    });

    test('sweep leaves a living upload and committed objects alone', async (store) => {
      await publish(store, 'done.tar.gz', 'done');
      const upload = await begin(store, 'a.tar.gz');
      await feed(upload, ['data']);
      assert.deepEqual(await store.sweep(new Date(Date.now() + hour)), []);
      await commit(upload);
      assert.deepEqual(await names(store), ['a.tar.gz', 'done.tar.gz']);
    });
  });
}

function begin(store: Store, name: string, signal = new AbortController().signal): Promise<Upload> {
  // A store may refuse by throwing at once; the contract only promises a rejection to those who await.
  return (async () => store.begin(name, { signal, runId: 'contract' }))();
}

async function feed(upload: Upload, texts: readonly string[]): Promise<void> {
  await pipeline(Readable.from(texts.map((text) => Buffer.from(text))), upload.body);
}

function commit(upload: Upload): Promise<void> {
  return upload.commit({ stillOwner: () => Promise.resolve(true) });
}

async function publish(store: Store, name: string, text: string): Promise<Upload> {
  const upload = await begin(store, name);
  await feed(upload, text === '' ? [] : [text]);
  await commit(upload);
  return upload;
}

async function names(store: Store, prefix = ''): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const entry of store.list(prefix)) found.push(entry.name);
  return found;
}

async function content(store: Store, name: string): Promise<string> {
  return (await buffer(await store.get(name))).toString();
}

async function rejects(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof BackupError, `not a BackupError: ${String(error)}`);
    assert.equal(error.code, code);
    return true;
  });
}
