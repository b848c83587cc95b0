import { describe, expect, it } from '@jest/globals';

import { BufferReservation, RecycledBuffers, type ChunkBuffer } from './buffers.js';
import { never } from './sample.test-support.js';

function reserve(pool: RecycledBuffers, streams: number, options?: { hold?: boolean }): readonly BufferReservation[] {
  const reservations = pool.tryReserve(streams, options) ?? [];
  return reservations.map((reservation) => {
    if (!(reservation instanceof BufferReservation)) throw new Error('of another pool');
    return reservation;
  });
}

/** The buffers a reservation gets without waiting. */
async function takeAll(reservation: BufferReservation): Promise<ChunkBuffer[]> {
  const taken: ChunkBuffer[] = [];
  for (;;) {
    const controller = new AbortController();
    const next = reservation.acquire(controller.signal).catch(() => undefined);
    const buffer = await Promise.race([
      next,
      new Promise<undefined>((resolve) => setImmediate(() => resolve(undefined))),
    ]);
    controller.abort();
    if (buffer === undefined) return taken;
    taken.push(buffer);
  }
}

describe('RecycledBuffers', () => {
  it('admits as many streams as have two small buffers each, all or none', () => {
    const pool = new RecycledBuffers({ bytes: 4800, chunkBytes: 400 });
    expect(pool.maximumStreams).toBe(24);
    expect(pool.tryReserve(25)).toBeUndefined();
    const most = reserve(pool, 24);
    expect(pool.tryReserve(1)).toBeUndefined();
    most[0]?.close();
    expect(pool.tryReserve(1)).toHaveLength(1);
  });

  it('refuses a budget that is too small for one stream', () => {
    expect(() => new RecycledBuffers({ bytes: 199, chunkBytes: 400 })).toThrow(
      expect.objectContaining({ code: 'PLAN_MEMORY' }),
    );
  });

  it('gives every stream its two buffers, however many others have taken first', async () => {
    const pool = new RecycledBuffers({ bytes: 4800, chunkBytes: 400 });
    const streams = reserve(pool, 24);
    for (const stream of streams) expect((await takeAll(stream)).length).toBe(2);
    expect(pool.inUse).toBe(4800);
  });

  it('gives large buffers to few streams and small ones to many', async () => {
    const pool = new RecycledBuffers({ bytes: 4800, chunkBytes: 400 });
    const five = reserve(pool, 5);
    const large = await five[0]?.acquire(never);
    large?.fill(Buffer.alloc(1000));
    expect(large?.bytes).toBe(400);
    reserve(pool, 1);
    const small = await five[1]?.acquire(never);
    small?.fill(Buffer.alloc(1000));
    expect(small?.bytes).toBe(100);
  });

  it('gives large buffers again when many streams become few', async () => {
    const pool = new RecycledBuffers({ bytes: 4800, chunkBytes: 400 });
    const many = reserve(pool, 24);
    const taken: ChunkBuffer[] = [];
    for (const stream of many) taken.push(...(await takeAll(stream)));
    for (const buffer of taken) buffer.release();
    for (const stream of many.slice(1)) stream.close();
    const [first] = await takeAll(many[0]!);
    first?.fill(Buffer.alloc(1000));
    expect(first?.bytes).toBe(400);
  });

  it('a refused reservation fits once buffers beyond the sure ones have come back', async () => {
    const pool = new RecycledBuffers({ bytes: 1600, chunkBytes: 400 });
    const [greedy] = reserve(pool, 1);
    if (greedy === undefined) throw new Error('none');
    const taken = await takeAll(greedy);
    expect(pool.inUse).toBe(1600);
    expect(pool.tryReserve(2)).toBeUndefined();
    let admitted = false;
    pool.onRelease(() => (admitted ||= pool.tryReserve(2) !== undefined));
    const again = greedy.acquire(never);
    for (const buffer of taken.slice(0, 2)) buffer.release();
    expect(admitted).toBe(true);
    await again;
  });

  it('serves streams that hold a host first, then those with the fewest bytes', async () => {
    const pool = new RecycledBuffers({ bytes: 1600, chunkBytes: 400 });
    const [rich, poor] = reserve(pool, 2);
    const [holding] = reserve(pool, 1, { hold: true });
    if (rich === undefined || poor === undefined || holding === undefined) throw new Error('none');
    const taken = [...(await takeAll(rich)), ...(await takeAll(poor)), ...(await takeAll(holding))];
    const order: string[] = [];
    for (const [name, stream] of Object.entries({ rich, poor, holding }))
      void stream.acquire(never).then(() => order.push(name));
    for (const buffer of taken.slice(0, 1)) buffer.release();
    await new Promise((resolve) => setImmediate(resolve));
    expect(order[0]).toBe('holding');
  });

  it('counts a buffer that outlives its reservation until it is released, and never twice', async () => {
    const pool = new RecycledBuffers({ bytes: 4800, chunkBytes: 400 });
    const [stream] = reserve(pool, 1);
    const buffer = await stream?.acquire(never);
    stream?.close();
    expect(pool.inUse).toBe(400);
    buffer?.release();
    buffer?.release();
    expect(pool.inUse).toBe(0);
    expect(pool.tryReserve(24)).toHaveLength(24);
  });
});
