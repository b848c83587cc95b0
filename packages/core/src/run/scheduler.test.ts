import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { BufferPool } from '../archive/archive.js';
import { BackupError } from '../model/errors.js';
import { createScheduler, type Grant } from './scheduler.js';

/** A pool that counts: `close` gives one place back. */
function countingPool(places: number): BufferPool & { readonly used: () => number } {
  let used = 0;
  const listeners: (() => void)[] = [];
  return {
    maximumStreams: places,
    used: () => used,
    onRelease: (listener) => void listeners.push(listener),
    tryReserve: (streams) => {
      if (used + streams > places) return undefined;
      used += streams;
      return Array.from({ length: streams }, () => ({
        close: () => {
          used -= 1;
          for (const listener of listeners) listener();
        },
      }));
    },
  };
}

const never = new AbortController().signal;

describe('scheduler', () => {
  it('finishes every mix of streams and ends with nothing held', async () => {
    const request = fc.record({
      hosts: fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 }),
      turns: fc.nat(4),
      cancelAfter: fc.option(fc.nat(3), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(request, { maxLength: 30 }),
        fc.integer({ min: 4, max: 6 }),
        async (requests, places) => {
          const pool = countingPool(places);
          const scheduler = createScheduler({ buffers: pool, streams: 8, streamsPerHost: 2, channelsPerHost: 4 });
          const open = new Map<string, number>();
          const work = requests.map(async ({ hosts, turns, cancelAfter }) => {
            const controller = new AbortController();
            const admitted = scheduler.admit(hosts, { signal: controller.signal });
            if (cancelAfter !== undefined) void wait(cancelAfter).then(() => controller.abort());
            let grants: readonly Grant[];
            try {
              grants = await admitted;
            } catch (error) {
              expect((error as BackupError).code).toBe('ABORTED');
              return;
            }
            for (const host of hosts) open.set(host, (open.get(host) ?? 0) + 1);
            for (const count of open.values()) expect(count).toBeLessThanOrEqual(4);
            await wait(turns);
            for (const host of hosts) open.set(host, (open.get(host) ?? 0) - 1);
            for (const grant of grants) {
              grant.reservation.close();
              grant.release();
            }
          });
          await Promise.all(work);
          expect(pool.used()).toBe(0);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('lets a request pass an older one only where it takes nothing of it', async () => {
    const scheduler = createScheduler({
      buffers: countingPool(10),
      streams: 10,
      streamsPerHost: 1,
      channelsPerHost: 4,
    });
    const [first] = await scheduler.admit(['a'], { signal: never });
    const order: string[] = [];
    const together = scheduler.admit(['a', 'b'], { signal: never }).then((grants) => (order.push('together'), grants));
    const onB = scheduler.admit(['b'], { signal: never }).then(() => order.push('b'));
    const onC = scheduler.admit(['c'], { signal: never }).then(() => order.push('c'));
    await onC;
    expect(order).toEqual(['c']);
    first!.release();
    for (const grant of await together) grant.release();
    await onB;
    expect(order).toEqual(['c', 'together', 'b']);
  });

  it('opens more streams of one request on an idle host than it has slots', async () => {
    const scheduler = createScheduler({
      buffers: countingPool(10),
      streams: 10,
      streamsPerHost: 1,
      channelsPerHost: 4,
    });
    await expect(scheduler.admit(['a', 'a', 'a'], { signal: never })).resolves.toHaveLength(3);
  });

  it('refuses what can never fit', async () => {
    const scheduler = createScheduler({ buffers: countingPool(3), streams: 10, streamsPerHost: 2, channelsPerHost: 4 });
    await expect(scheduler.admit(['a', 'b', 'c', 'd'], { signal: never })).rejects.toMatchObject({
      code: 'PLAN_MEMORY',
    });
    await expect(scheduler.admit(['a', 'a', 'a', 'a', 'a'], { signal: never })).rejects.toMatchObject({
      code: 'PLAN_MEMORY',
    });
  });

  it('rejects at once when the signal has fired already', async () => {
    const scheduler = createScheduler({ buffers: countingPool(3), streams: 3, streamsPerHost: 2, channelsPerHost: 4 });
    const reason = new BackupError('HOLD_EXPIRED', 'held too long');
    await expect(scheduler.admit(['a'], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

async function wait(turns: number): Promise<void> {
  for (let index = 0; index < turns; index += 1) await turn();
}
