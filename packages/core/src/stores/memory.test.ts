import { describe, expect, it } from '@jest/globals';
import { describeStore } from '../testing/store-contract.js';
import { createMemoryStore } from './memory.js';

describeStore({ describe, it }, 'memory store', () => {
  const store = createMemoryStore();
  return Promise.resolve({
    open: () => Promise.resolve(store),
    leftovers: () => Promise.resolve([]),
    dispose: () => Promise.resolve(),
  });
});

describe('memory store with a capacity', () => {
  it('has no space for more', async () => {
    const store = createMemoryStore({ capacity: 10 });
    const upload = await store.begin('a', { signal: new AbortController().signal, runId: 'r' });
    const failed = new Promise((resolve) => upload.body.once('error', resolve));
    upload.body.end(Buffer.alloc(11));
    expect(await failed).toMatchObject({ code: 'TARGET_NO_SPACE' });
  });
});
