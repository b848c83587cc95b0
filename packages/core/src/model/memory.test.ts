import { PassThrough } from 'node:stream';
import { describe, expect, it } from '@jest/globals';

import { countReaders, freeGiven, freeMemory, giveAway } from './memory.js';

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
  const large = () => Buffer.alloc(64 * 1024);
  const giving = () => {
    const stream = new PassThrough();
    countReaders(stream);
    return stream;
  };

  it('empties what the stream gave away, and nothing else', () => {
    const [stream, given, other] = [giving(), large(), large()];
    stream.on('data', () => undefined);
    giveAway(given, stream);
    freeGiven(given, stream);
    freeGiven(other, stream);
    expect([given.length, other.length]).toEqual([0, 64 * 1024]);
  });

  it.each<[string, (stream: PassThrough) => PassThrough]>([
    ['came through another stream', () => giving().on('data', () => undefined)],
    ['somebody else got too', (stream) => stream.on('data', () => undefined)],
    ['somebody else may read too', (stream) => stream.on('readable', () => undefined)],
    ['somebody got who listens no longer', (stream) => stream.once('data', () => undefined).removeAllListeners('data')],
  ])('leaves alone what %s', (_what, change) => {
    const [stream, given] = [giving(), large()];
    stream.on('data', () => undefined);
    giveAway(given, stream);
    freeGiven(given, change(stream));
    expect(given.length).toBe(64 * 1024);
  });
});
