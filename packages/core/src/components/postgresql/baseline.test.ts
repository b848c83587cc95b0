import { describe, expect, it } from '@jest/globals';
import { baselinesOf, compare, type DatabaseBaseline } from './baseline.js';

const archived: DatabaseBaseline = {
  owner: 'me',
  encoding: 'UTF8',
  collate: 'C',
  size: 8,
  largeObjects: 2,
  extensions: { plpgsql: '1.0', hstore: '1.8' },
  sequences: { 'public.s': null, 'public.t': '5' },
  sequenceCount: 2,
  tableCount: 3,
  tables: { 'public.a': 60, 'public.b': 0, 'public.big': null },
  notCounted: 1,
};
const same = { differences: [], sequences: [], versions: [], notCompared: 1 };

describe('compare', () => {
  it('finds nothing where all is as it was, and says what was not compared', () => {
    expect(compare(archived, { ...archived, size: 9 })).toEqual(same);
    expect(compare(archived, { ...archived, tables: { ...archived.tables, 'public.big': 7 }, notCounted: 0 })).toEqual(
      same,
    );
    expect(compare({}, archived)).toEqual(same);
  });

  it.each<[string, Partial<DatabaseBaseline>]>([
    ['table public.a has 59 rows, had 60', { tables: { ...archived.tables, 'public.a': 59 } }],
    ['table public.b has 1 rows, had 0', { tables: { ...archived.tables, 'public.b': 1 } }],
    ['largeObjects is 1, was 2', { largeObjects: 1 }],
    ['encoding is LATIN1, was UTF8', { encoding: 'LATIN1' }],
    ['extension hstore is missing', { extensions: { plpgsql: '1.0' } }],
    ['sequenceCount is 1, was 2', { sequenceCount: 1 }],
    ['tableCount is 4, was 3', { tableCount: 4 }],
  ])('names %s', (difference, change) => {
    expect(compare(archived, { ...archived, ...change }).differences).toContain(difference);
  });

  it('names a table or sequence that has another name now', () => {
    const tables = { 'public.c': 60, 'public.b': 0, 'public.big': null };
    expect(compare(archived, { ...archived, tables }).differences).toEqual(['table public.a is missing']);
    const sequences = { 'public.s': null, 'public.u': '5' };
    expect(compare(archived, { ...archived, sequences }).differences).toEqual(['sequence public.t is missing']);
  });

  it('compares all rows together where only the biggest tables are named', () => {
    const many = { ...archived, notCounted: 0, tables: { 'public.a': 60 }, rowsOfOtherTables: 5 };
    expect(compare(many, { ...many, tables: { 'public.b': 5 }, rowsOfOtherTables: 60 }).differences).toEqual([]);
    expect(compare(many, { ...many, rowsOfOtherTables: 4 }).differences).toEqual([
      'all tables together have 64 rows, had 65',
    ]);
  });

  it('takes another value of a sequence and another version of an extension for no difference, but tells them', () => {
    const loaded = {
      ...archived,
      sequences: { 'public.s': '1', 'public.t': '6' },
      extensions: { plpgsql: '1.0', hstore: '1.9' },
    };
    expect(compare(archived, loaded)).toEqual({
      ...same,
      sequences: ['public.s 1 (unused in the backup)', 'public.t 6 (5 in the backup)'],
      versions: ['hstore 1.9 (1.8 in the backup)'],
    });
  });
});

describe('baselinesOf', () => {
  it('is empty where the backup counted nothing', () => {
    expect(baselinesOf(undefined)).toEqual({});
    expect(baselinesOf({ databases: { app: { entries: 3, dataEntries: 1 } } })).toEqual({ app: {} });
  });
});
