import { z } from 'zod';
import type { Json } from '../../model/json.js';

/** What a backup counted in one database (`Session.baseline`); nothing but the entries where counting failed. */
export const baselineSchema = z.object({
  owner: z.string().optional(),
  encoding: z.string().optional(),
  collate: z.string().nullish(),
  size: z.number().optional(),
  largeObjects: z.number().optional(),
  extensions: z.record(z.string(), z.string()).optional(),
  sequences: z.record(z.string(), z.string().nullable()).optional(),
  sequenceCount: z.number().optional(),
  tableCount: z.number().optional(),
  tables: z.record(z.string(), z.number().nullable()).optional(),
  notCounted: z.number().optional(),
  rowsOfOtherTables: z.number().optional(),
});
export type DatabaseBaseline = z.infer<typeof baselineSchema>;

const unitSchema = z.object({ databases: z.record(z.string(), baselineSchema) });

/** Those of a unit's databases; none where the backup has none. */
export function baselinesOf(baseline: Json | undefined): Readonly<Record<string, DatabaseBaseline>> {
  const parsed = unitSchema.safeParse(baseline);
  return parsed.success ? parsed.data.databases : {};
}

export interface Comparison {
  /** What is not as it was. */
  readonly differences: readonly string[];
  /** Values of sequences that are not those of the backup, which need not be wrong. */
  readonly sequences: readonly string[];
  /** Extensions in another version than in the backup. */
  readonly versions: readonly string[];
  /** Tables whose rows were not counted then or now. */
  readonly notCompared: number;
}

/** A loaded database against what the backup counted. What either did not count is not compared. */
export function compare(archived: DatabaseBaseline, loaded: DatabaseBaseline): Comparison {
  const plain = (['encoding', 'collate', 'largeObjects', 'tableCount', 'sequenceCount'] as const).flatMap((key) =>
    archived[key] === undefined || archived[key] === null || archived[key] === loaded[key]
      ? []
      : [`${key} is ${String(loaded[key])}, was ${String(archived[key])}`],
  );
  return {
    differences: [
      ...plain,
      ...missing('extension', archived.extensions, loaded.extensions),
      ...missing('sequence', archived.sequences, loaded.sequences, loaded.sequenceCount),
      ...missing('table', archived.tables, loaded.tables, loaded.tableCount),
      ...rowDifferences(archived, loaded),
    ],
    sequences: changed(archived.sequences, loaded.sequences),
    versions: changed(archived.extensions, loaded.extensions),
    notCompared: Math.max(archived.notCounted ?? 0, loaded.notCounted ?? 0),
  };
}

type Named<Value> = Readonly<Record<string, Value>> | undefined;

/** Only where all are named, not the first or biggest ones. */
function missing<Value>(what: string, archived: Named<Value>, loaded: Named<Value>, count?: number): readonly string[] {
  const names = Object.keys(loaded ?? {});
  if (archived === undefined || (count !== undefined && count > names.length)) return [];
  return Object.keys(archived)
    .filter((name) => !names.includes(name))
    .map((name) => `${what} ${name} is missing`);
}

function rowDifferences(archived: DatabaseBaseline, loaded: DatabaseBaseline): readonly string[] {
  const named = Object.entries(archived.tables ?? {}).flatMap(([name, rows]) => {
    const now = loaded.tables?.[name] ?? null;
    return rows === null || now === null || rows === now ? [] : [`table ${name} has ${now} rows, had ${rows}`];
  });
  const [before, after] = [totalRows(archived), totalRows(loaded)];
  if (named.length > 0 || before === undefined || after === undefined || before === after) return named;
  return [`all tables together have ${after} rows, had ${before}`];
}

/** Undefined where some were not counted. */
function totalRows({ tables, notCounted, rowsOfOtherTables = 0 }: DatabaseBaseline): number | undefined {
  if (tables === undefined || notCounted !== 0) return undefined;
  return Object.values(tables).reduce<number>((sum, rows) => sum + (rows ?? 0), rowsOfOtherTables);
}

function changed(archived: Named<string | null>, loaded: Named<string | null>): readonly string[] {
  return Object.entries(archived ?? {}).flatMap(([name, value]) => {
    const now = loaded?.[name];
    return now === undefined || now === value
      ? []
      : [`${name} ${now ?? 'unused'} (${value ?? 'unused'} in the backup)`];
  });
}
