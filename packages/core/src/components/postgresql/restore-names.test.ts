import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { maximumNameBytes, newName, oldName } from './restore-names.js';

const runId = '20261122T101500Z-4f1c9a2b';

describe('names of databases during a restore', () => {
  it('say which run they belong to', () => {
    expect(newName(runId, 3)).toBe('lsbackup_new_4f1c9a2b_3');
    expect(oldName(runId, 'app', 3)).toBe('app.lsbackup-old-4f1c9a2b-3');
    expect(newName('another kind of id', 3)).toMatch(/^lsbackup_new_[0-9a-f]{8}_3$/);
  });

  it('are at most 63 bytes long, cut between characters, and differ where names differ at their ends only', () => {
    const names = fc.string({ unit: fc.constantFrom('a', 'ü', '漢', '😀', '"'), minLength: 1, maxLength: 63 });
    fc.assert(
      fc.property(names, fc.integer({ min: 1, max: 9999 }), (name, number) => {
        const old = oldName(runId, name, number);
        expect(Buffer.byteLength(old)).toBeLessThanOrEqual(maximumNameBytes);
        expect(Buffer.from(old).toString()).toBe(old);
        expect(name.startsWith(old.replace(/\.lsbackup-old-.*/, ''))).toBe(true);
      }),
    );
    const long = '漢'.repeat(21);
    expect(oldName(runId, long, 1)).not.toBe(oldName(runId, `${long.slice(0, 20)}字`, 2));
    expect(oldName(runId, long, 1)).toBe(`${'漢'.repeat(13)}.lsbackup-old-4f1c9a2b-1`);
  });
});
