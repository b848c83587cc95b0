import { describe, expect, it, jest } from '@jest/globals';

import { BufferSlots, type Slot } from './buffer-slots.js';

const small = 10;

function overlap(a: Slot, b: Slot): boolean {
  a.memory.fill(1);
  b.memory.fill(2);
  return a.memory.includes(2);
}

describe('BufferSlots', () => {
  it('makes one large slot, or four small ones, of the same memory', () => {
    const slots = new BufferSlots(1, small);
    const large = slots.takeLarge();
    expect(large.memory).toHaveLength(40);
    expect(slots.roomForLarge).toBe(false);
    large.giveBack();
    const four = [slots.takeSmall(), slots.takeSmall(), slots.takeSmall(), slots.takeSmall()];
    expect(new Set(four.map((slot) => slot.memory.buffer))).toEqual(new Set([large.memory.buffer]));
    expect(four.map((slot) => slot.memory.length)).toEqual([10, 10, 10, 10]);
    expect(four.some((slot, index) => four.slice(index + 1).some((other) => overlap(slot, other)))).toBe(false);
    for (const slot of four) slot.giveBack();
    expect(slots.roomForLarge).toBe(true);
  });

  it('fills a group that is begun before it begins another', () => {
    const slots = new BufferSlots(2, small);
    const first = slots.takeSmall();
    const large = slots.takeLarge();
    const second = slots.takeSmall();
    expect(second.memory.buffer).toBe(first.memory.buffer);
    expect(slots.roomForLarge).toBe(false);
    large.giveBack();
    expect(slots.takeSmall().memory.buffer).toBe(first.memory.buffer);
    expect(slots.roomForLarge).toBe(true);
  });

  it('takes one group for a small run, and all that remain with the second', () => {
    const taken = jest.spyOn(Buffer, 'allocUnsafeSlow');
    try {
      const slots = new BufferSlots(4, small);
      slots.takeLarge();
      expect(taken).toHaveBeenCalledTimes(1);
      slots.takeSmall();
      expect(taken).toHaveBeenCalledTimes(4);
      slots.takeLarge();
      slots.takeLarge();
      expect(slots.roomForLarge).toBe(false);
      expect(taken).toHaveBeenCalledTimes(4);
    } finally {
      taken.mockRestore();
    }
  });
});
