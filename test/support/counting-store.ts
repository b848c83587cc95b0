import type { Store } from '../../packages/core/src/stores/store.js';

export interface CountingStore {
  readonly store: Pick<Store, 'stat' | 'get'>;
  /** Bytes that were asked for so far. */
  readonly bytes: () => number;
}

/** The archives of a store, and how much is read of them. */
export function countingStore(store: Pick<Store, 'stat' | 'get'>): CountingStore {
  let bytes = 0;
  return {
    bytes: () => bytes,
    store: {
      stat: (name) => store.stat(name),
      get: async (name, options = {}) => {
        const { start, end } = options.range ?? { start: 0, end: (await store.stat(name))?.bytes ?? 0 };
        bytes += end - start;
        return store.get(name, options);
      },
    },
  };
}
