import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Slots } from './slots.js';
import type { SlotKind } from './slots.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('Slots', () => {
  it('keeps some for helpers when streams take all they may', async () => {
    const slots = new Slots(4, 2);
    const streams = [slots.take('stream', undefined), slots.take('stream', undefined), slots.take('stream', undefined)];
    await turn();
    expect(slots.open).toBe(2);
    await slots.take('helper', undefined);
    expect(slots.open).toBe(3);
    (await streams[0])?.release();
    await turn();
    // A helper holds one, and a second stream would leave less than two for helpers.
    expect(slots.open).toBe(2);
  });

  it('lets everybody through in the end, never more than the limit at once', async () => {
    const kinds = fc.array(fc.constantFrom<SlotKind>('stream', 'helper'), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 0, max: 3 }),
        kinds,
        async (limit, reserved, helpers) => {
          const slots = new Slots(limit, reserved);
          let most = 0;
          const user = async (kind: SlotKind): Promise<void> => {
            const slot = await slots.take(kind, undefined);
            most = Math.max(most, slots.open);
            await turn();
            slot.release();
            slot.release();
          };
          await Promise.all(helpers.map(user));
          expect(slots.open).toBe(0);
          expect(most).toBeLessThanOrEqual(limit);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('has one more for what must not wait', async () => {
    const slots = new Slots(2, 1);
    await Promise.all([slots.take('stream', undefined), slots.take('helper', undefined)]);
    await slots.take('urgent', undefined);
    expect(slots.open).toBe(3);
  });

  it('forgets who gave up waiting', async () => {
    const slots = new Slots(1, 0);
    const held = await slots.take('stream', undefined);
    const controller = new AbortController();
    const waiting = slots.take('stream', controller.signal);
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await expect(slots.take('stream', controller.signal)).rejects.toThrow('enough');
    held.release();
    await slots.take('stream', undefined);
    expect(slots.open).toBe(1);
  });

  it('shrinks to what the server allows', async () => {
    const slots = new Slots(8, 0);
    const held = await Promise.all([1, 2, 3].map(() => slots.take('stream', undefined)));
    slots.shrink();
    const next = slots.take('stream', undefined);
    await turn();
    expect(slots.open).toBe(3);
    held[0]?.release();
    await next;
    expect(slots.open).toBe(3);
  });
});
