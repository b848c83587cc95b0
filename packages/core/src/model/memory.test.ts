import { describe, expect, it } from '@jest/globals';

import { freeGiven, freeMemory, giveAway } from './memory.js';

describe('freeMemory', () => {
  it('empties a large buffer and every view of it', () => {
    const bytes = Buffer.allocUnsafe(64 * 1024);
    const view = bytes.subarray(10, 20);
    freeMemory(view);
    expect([bytes.length, view.length]).toEqual([0, 0]);
  });

  it('leaves a small one alone, whose memory may hold others', () => {
    const bytes = Buffer.from('text');
    freeMemory(bytes);
    expect(bytes.toString()).toBe('text');
  });

  it('keeps less memory than garbage collection would', () => {
    const before = process.memoryUsage().arrayBuffers;
    for (let round = 0; round < 64; round++) freeMemory(Buffer.alloc(16 * 1024 * 1024));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * 1024 * 1024);
  });
});

describe('freeGiven', () => {
  it('empties what was given away, and nothing else', () => {
    const [given, other] = [Buffer.alloc(64 * 1024), Buffer.alloc(64 * 1024)];
    giveAway(given);
    freeGiven(given);
    freeGiven(other);
    expect([given.length, other.length]).toEqual([0, 64 * 1024]);
  });
});
