import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { accepts, checkWhole } from '../../testing/check-format.js';
import { pgCustomFormat, type DumpSummary } from './pg-custom.js';

/** Made by pg_dump 15.18: piped, so without offsets; to a file, so with offsets; compressed; of an empty database. */
const fixture = (name: string): Buffer => readFileSync(join(import.meta.dirname, 'fixtures', name));
const names = ['pg15-piped.dump', 'pg15-piped-gzip.dump', 'pg15-seekable.dump', 'pg15-empty.dump'];
const format = pgCustomFormat();

/** A dump in the layout of any version, by hand: one table with two rows, one large object, one entry without data. */
function dumpOf(minor: number): Buffer {
  const integer = (value: number): number[] => [
    value < 0 ? 1 : 0,
    ...[0, 8, 16, 24].map((shift) => (Math.abs(value) >>> shift) & 0xff),
  ];
  const string = (text: string | null): number[] =>
    text === null ? integer(-1) : [...integer(text.length), ...Buffer.from(text)];
  const entry = (id: number, data: boolean): number[] => [
    ...integer(id),
    ...integer(data ? 1 : 0),
    ...['1259', '16384', 'tag', 'TABLE DATA'].flatMap(string),
    ...integer(3),
    ...['', '', 'COPY t FROM stdin;\n', 'public', ''].flatMap(string),
    ...(minor >= 14 ? string('heap') : []),
    ...(minor >= 16 ? integer(114) : []),
    ...string('owner'),
    ...string('false'),
    ...['12', '13', null].flatMap(string),
    data ? 1 : 3,
    ...new Array<number>(8).fill(0),
  ];
  return Buffer.from([
    ...Buffer.from('PGDMP'),
    ...[1, minor, 0, 4, 8, 1],
    ...(minor >= 15 ? [0] : integer(-1)),
    ...[1, 2, 3, 4, 5, 126, 0].flatMap(integer),
    ...['database', '17.2', '17.2'].flatMap(string),
    ...integer(3),
    ...entry(300, true),
    ...entry(301, false),
    ...entry(70_000, true),
    ...[1, ...integer(300), ...string('1\tone\n'), ...string('2\ttwo\n'), ...integer(0)],
    ...[3, ...integer(70_000), ...integer(-2_000_000_000), ...string('large'), ...integer(0), ...integer(0)],
  ]);
}

describe('pgCustomFormat', () => {
  it.each(names)('accepts %s in any chunks', (name) => {
    const content = fixture(name);
    checkWhole(format, content);
    checkWhole(format, content, [1]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 50 }), (lengths) =>
        accepts(format, content, lengths),
      ),
      { numRuns: 20 },
    );
  });

  it.each(names)('refuses every strict prefix of %s', (name) => {
    const content = fixture(name);
    for (let length = 0; length < content.length; length += length < 2000 ? 1 : 7)
      expect(accepts(format, content.subarray(0, length))).toBe(false);
    expect(accepts(format, content.subarray(0, content.length - 1))).toBe(false);
  });

  it('refuses bytes after the last block', () => {
    for (const name of names) expect(accepts(format, Buffer.concat([fixture(name), Buffer.from([0])]))).toBe(false);
  });

  it('counts what pg_restore --list counts', () => {
    const summaries: DumpSummary[] = [];
    for (const name of ['pg15-piped.dump', 'pg15-empty.dump'])
      checkWhole(
        pgCustomFormat({ onStart: () => undefined, onEnd: (summary) => summaries.push(summary) }),
        fixture(name),
      );
    expect(summaries).toEqual([
      { entries: 17, dataEntries: 4 },
      { entries: 4, dataEntries: 0 },
    ]);
  });

  it.each([12, 13, 14, 15, 16])('knows version 1.%i', (minor) => {
    const content = dumpOf(minor);
    checkWhole(format, content, [3]);
    for (let length = 0; length < content.length; length++)
      expect(accepts(format, content.subarray(0, length))).toBe(false);
  });

  it('refuses versions it does not know, other formats and other files', () => {
    expect(() => checkWhole(format, dumpOf(17))).toThrow('1.17');
    expect(accepts(format, dumpOf(11))).toBe(false);
    expect(accepts(format, Buffer.from('--\n-- PostgreSQL database dump\n--\n'))).toBe(false);
    const tarFormat = dumpOf(14);
    tarFormat[10] = 3;
    expect(accepts(format, tarFormat)).toBe(false);
  });

  it('refuses a block that belongs to nothing, or comes twice', () => {
    const content = dumpOf(14);
    const block = content.lastIndexOf(Buffer.from([1, 0, 300 & 0xff, 1, 0, 0]));
    const stray = Buffer.from(content);
    stray[block + 2] = 0x2d;
    expect(accepts(format, stray)).toBe(false);
    const twice = Buffer.concat([
      content.subarray(0, block),
      content.subarray(block, block + 38),
      content.subarray(block),
    ]);
    expect(accepts(format, twice)).toBe(false);
  });
});
