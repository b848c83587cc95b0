import fc from 'fast-check';
import { expect, it } from '@jest/globals';
import { freeMemory } from '../model/memory.js';
import { HeldOutput } from './held-output.js';

const cycle = Buffer.from(Array.from({ length: 251 }, (_, index) => index));
const counting = (start: number, length: number) => Buffer.alloc((start % 251) + length, cycle).subarray(start % 251);

it('gives back what was added, in order, whatever is freed meanwhile', () => {
  // Positive: so many bytes are added; 0: one chunk is taken.
  const steps = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 700_000 })), { maxLength: 12 });
  fc.assert(
    fc.property(steps, (sizes) => {
      const held = new HeldOutput();
      let [added, taken] = [0, 0];
      const take = (): void => {
        const chunk = held.take();
        expect(chunk.equals(counting(taken, chunk.length))).toBe(true);
        taken += chunk.length;
        freeMemory(chunk);
        expect(held.bytes).toBe(added - taken);
      };
      for (const size of sizes) {
        held.add(counting(added, size));
        added += size;
        if (size === 0 && held.bytes > 0) take();
      }
      while (held.bytes > 0) take();
      expect(taken).toBe(added);
    }),
    { numRuns: 30 },
  );
});

it('copies what is added', () => {
  const held = new HeldOutput();
  const packet = Buffer.from('one');
  held.add(packet);
  packet.write('two');
  expect(held.take().toString()).toBe('one');
});

it('forgets what was cleared', () => {
  const held = new HeldOutput();
  held.add(Buffer.from('old'));
  held.clear();
  held.add(Buffer.from('new'));
  expect([held.bytes, held.take().toString(), held.bytes]).toEqual([3, 'new', 0]);
});
