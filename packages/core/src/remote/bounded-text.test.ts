import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BoundedText } from './bounded-text.js';

const limit = 32 * 1024;

function keep(chunks: readonly Buffer[]): string {
  const text = new BoundedText();
  for (const chunk of chunks) text.add(chunk);
  return text.toString();
}

describe('BoundedText', () => {
  it('keeps everything up to 64 KiB, and both ends of more, however it was cut', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 12 }), (sizes) => {
        let next = 0;
        const chunks = sizes.map((size) => Buffer.from(Array.from({ length: size }, () => 97 + (next++ % 26))));
        const whole = Buffer.concat(chunks).toString();
        const left = whole.length - 2 * limit;
        const expected =
          left <= 0 ? whole : `${whole.slice(0, limit)}\n[${left} bytes left out]\n${whole.slice(-limit)}`;
        expect(keep(chunks) === expected).toBe(true);
      }),
      { numRuns: 50 },
    );
  });
});
