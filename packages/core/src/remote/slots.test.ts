import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Slots } from './slots.js';
import type { Slot, SlotKind } from './slots.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const never = (): AbortSignal => new AbortController().signal;

/** Asks for so many at once; resolves with those that were granted without waiting. */
async function granted(slots: Slots, kind: SlotKind, count: number): Promise<readonly Slot[]> {
  const taken: Slot[] = [];
  for (let index = 0; index < count; index += 1) void slots.take(kind, never()).then((slot) => taken.push(slot));
  await turn();
  return taken;
}

/** One that works on the host: what it takes, one inside the other, and gives back. */
async function work(slots: Slots, kinds: readonly SlotKind[]): Promise<void> {
  const [kind, ...inner] = kinds;
  if (kind === undefined) return;
  const slot = await slots.take(kind, never());
  await turn();
  await work(slots, inner);
  slot.release();
  slot.release();
}

async function finishes(all: Promise<unknown>): Promise<boolean> {
  const timer = new AbortController();
  const late = delay(2000, false, { signal: timer.signal }).catch(() => false);
  const ended = await Promise.race([all.then(() => true), late]);
  timer.abort();
  return ended;
}

describe('Slots', () => {
  it.each([
    { limit: 8, sessions: 4, streams: 2, helpers: 2 },
    { limit: 6, sessions: 2, streams: 2, helpers: 2 },
    { limit: 5, sessions: 3, streams: 1, helpers: 1 },
    { limit: 3, sessions: 1, streams: 1, helpers: 1 },
    { limit: 2, sessions: 1, streams: 1, helpers: 0 },
    { limit: 1, sessions: 1, streams: 0, helpers: 0 },
  ])('keeps room beside sessions with a limit of $limit', async ({ limit, sessions, streams, helpers }) => {
    const slots = new Slots(limit);
    expect(await granted(slots, 'session', 20)).toHaveLength(sessions);
    expect(await granted(slots, 'stream', 20)).toHaveLength(streams);
    expect(await granted(slots, 'helper', 20)).toHaveLength(helpers);
    expect(slots.taken).toBe(limit);
  });

  it('keeps room for helpers beside streams', async () => {
    const slots = new Slots(8);
    expect(await granted(slots, 'stream', 20)).toHaveLength(6);
    expect(await granted(slots, 'session', 1)).toHaveLength(0);
    expect(await granted(slots, 'helper', 20)).toHaveLength(2);
  });

  it('lets everybody finish who holds a session and needs a stream, and a helper meanwhile', async () => {
    const plans = fc.constantFrom<readonly SlotKind[]>(
      ['session', 'stream', 'helper'],
      ['session', 'helper'],
      ['stream', 'helper'],
      ['stream'],
      ['helper'],
    );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 3, max: 10 }), fc.array(plans, { maxLength: 30 }), async (limit, all) => {
        const slots = new Slots(limit);
        expect(await finishes(Promise.all(all.map((kinds) => work(slots, kinds))))).toBe(true);
        expect(slots.taken).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('lets everybody finish beside a session that never ends, which gives way where there is no room for it', async () => {
    const plans: readonly (readonly SlotKind[])[] = [['session', 'stream'], ['session', 'helper'], ['stream']];
    const nested: readonly (readonly SlotKind[])[] = [
      ['session', 'stream', 'helper'],
      ['stream', 'helper'],
    ];
    const runs = fc.integer({ min: 2, max: 10 }).chain((limit) =>
      fc.record({
        limit: fc.constant(limit),
        all: fc.array(fc.constantFrom(...plans, ...(limit > 2 ? nested : [])), { maxLength: 30 }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(runs, async ({ limit, all }) => {
        const slots = new Slots(limit);
        let gaveWay = 0;
        const lasting: Promise<Slot> = slots.take('session', never(), () => {
          gaveWay += 1;
          void lasting.then((slot) => slot.release());
        });
        expect(await finishes(Promise.all(all.map((kinds) => work(slots, kinds))))).toBe(true);
        await turn();
        expect(gaveWay).toBe(limit < 4 ? 1 : 0);
        expect(slots.taken).toBe(limit < 4 ? 0 : 1);
      }),
      { numRuns: 60 },
    );
  });

  it('asks for a place back when the server turns out to allow few, of those only that still have one', async () => {
    const slots = new Slots(8);
    const told: string[] = [];
    const ended = await slots.take('session', never(), () => told.push('ended'));
    await slots.take('session', never(), () => told.push('lasting'));
    ended.release();
    const helpers = await granted(slots, 'helper', 4);
    helpers[3]?.refused();
    await turn();
    expect(told).toEqual([]);
    helpers[2]?.refused();
    helpers[1]?.refused();
    await turn();
    expect(told).toEqual(['lasting']);
  });

  it('lets everybody finish with two, when streams and helpers take turns', async () => {
    const plans = fc.constantFrom<readonly SlotKind[]>(['session', 'stream'], ['session', 'helper'], ['stream']);
    await fc.assert(
      fc.asyncProperty(fc.array(plans, { maxLength: 20 }), async (all) => {
        const slots = new Slots(2);
        expect(await finishes(Promise.all(all.map((kinds) => work(slots, kinds))))).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it('has never more than the limit at once', async () => {
    const kinds = fc.array(fc.constantFrom<SlotKind>('stream', 'helper', 'session'), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 9 }), kinds, async (limit, all) => {
        const slots = new Slots(limit);
        let most = 0;
        const user = async (kind: SlotKind): Promise<void> => {
          const slot = await slots.take(kind, never());
          most = Math.max(most, slots.taken);
          await turn();
          slot.release();
        };
        expect(await finishes(Promise.all(all.map(user)))).toBe(true);
        expect(most).toBeLessThanOrEqual(limit);
      }),
      { numRuns: 30 },
    );
  });

  it('has one more for what must not wait', async () => {
    const slots = new Slots(2);
    await Promise.all([slots.take('session', never()), slots.take('helper', never())]);
    expect(await granted(slots, 'urgent', 2)).toHaveLength(1);
    expect(slots.taken).toBe(3);
  });

  it('forgets who gave up waiting', async () => {
    const slots = new Slots(1);
    const held = await slots.take('stream', never());
    const controller = new AbortController();
    const waiting = slots.take('stream', controller.signal);
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await expect(slots.take('stream', controller.signal)).rejects.toThrow('enough');
    held.release();
    await slots.take('stream', never());
    expect(slots.taken).toBe(1);
  });

  it('shrinks to what the server allows', async () => {
    const slots = new Slots(8);
    const [first, second, third] = await granted(slots, 'helper', 3);
    const waiting = granted(slots, 'helper', 6);
    expect(await waiting).toHaveLength(5);
    third?.refused();
    await turn();
    // Seven stay, and the one that waited has not taken the place of the refused one.
    expect(slots.taken).toBe(7);
    second?.refused();
    first?.release();
    expect(slots.taken).toBe(6);
  });

  it('never shrinks below what the server had open together, nor to nothing', async () => {
    const slots = new Slots(8);
    const helpers = await granted(slots, 'helper', 8);
    for (const helper of helpers.slice(0, 4)) helper.opened();
    // Those that were opened end before the refusals of the others come.
    for (const helper of helpers.slice(0, 3)) helper.release();
    for (const helper of helpers.slice(4)) helper.refused();
    helpers[3]?.release();
    expect(await granted(slots, 'helper', 20)).toHaveLength(4);
    const alone = new Slots(8);
    (await alone.take('helper', never())).refused();
    expect(await granted(alone, 'helper', 20)).toHaveLength(8);
  });
});
