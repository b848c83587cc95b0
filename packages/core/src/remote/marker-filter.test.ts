import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MarkerFilter } from './marker-filter.js';

function filter(chunks: readonly Buffer[], maximum = 1024) {
  const marker = new MarkerFilter('lsbackup-ab-begin', maximum);
  const own = chunks.map((chunk) => marker.push(chunk)).filter((chunk) => chunk !== undefined);
  return { marker, own: Buffer.concat(own).toString() };
}

describe('MarkerFilter', () => {
  it('gives the bytes after the marker line, wherever the stream was cut', () => {
    const noise = fc.string({ maxLength: 40 }).filter((text) => !text.includes('lsbackup'));
    const cuts = fc.array(fc.nat(120), { maxLength: 6 });
    fc.assert(
      fc.property(noise, fc.string({ maxLength: 40 }), cuts, (before, after, positions) => {
        const whole = Buffer.from(`${before}lsbackup-ab-begin 42\n${after}`);
        const edges = [0, ...[...positions].sort((a, b) => a - b), whole.length];
        const chunks = edges.slice(1).map((edge, index) => whole.subarray(edges[index], edge));
        const { marker, own } = filter(chunks);
        expect({ own, found: marker.found, noise: marker.noise }).toEqual({ own: after, found: '42', noise: before });
      }),
    );
  });

  it('reports noise without end, and keeps the end of it', () => {
    const { marker, own } = filter([Buffer.alloc(3000, 'x'), Buffer.from('last')]);
    expect({ own, overflown: marker.overflown, found: marker.found }).toEqual({
      own: '',
      overflown: true,
      found: undefined,
    });
    expect(marker.noise).toHaveLength(1024);
    expect(marker.noise).toMatch(/xlast$/);
  });
});
