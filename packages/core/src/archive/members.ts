import type { Member } from '../model/metadata.js';
import { CorruptEntry } from './archive-file.js';
import { failedName, partName, tableName, type PartTable } from './part-table.js';
import { readFailedNote, readTableAndDigest } from './read-table.js';
import type { OpenArchive } from './reader.js';

/** One member that the archive's records describe. */
export type RecordedMember = Member &
  (
    | {
        /** Data: an artifact's only entry, or one of its parts. */
        readonly kind: 'data';
        readonly artifact: string;
        /** The artifact failed: these bytes are no backup. */
        readonly abandoned: boolean;
        /** Of the content. */
        readonly bytes: number;
        readonly contentSha256: string;
      }
    | {
        /** A table of parts, a note about a failed artifact, RESTORE.txt, SHA256SUMS. */
        readonly kind: 'text';
      }
  );

export interface Records {
  /** Every recorded member, those that tables and notes list included, in file order. */
  inFileOrder(): Generator<RecordedMember>;
  readonly tables: ReadonlyMap<string, ReadTable>;
  /** Tables and notes that could not be read; what they list is unknown. */
  readonly problems: readonly CorruptEntry[];
}

export interface ReadTable {
  readonly table: PartTable;
  /** Of the table's own content. */
  readonly contentSha256: string;
}

/**
 * Every recorded member of the archive up to the metadata, in file order. Memory: 82 bytes for each part.
 * Errors: ARCHIVE_CORRUPT when a table or note cannot be read, those of the store.
 */
export async function* listMembers(
  archive: OpenArchive,
  options: { readonly signal?: AbortSignal } = {},
): AsyncGenerator<RecordedMember> {
  const records = await readRecords(archive, options.signal);
  const [problem] = records.problems;
  if (problem !== undefined) throw problem;
  yield* records.inFileOrder();
}

/** Reads every table and note. Damage is among the problems; errors of the store reject. */
export async function readRecords(
  archive: Pick<OpenArchive, 'file' | 'metadata'>,
  signal?: AbortSignal,
): Promise<Records> {
  const { file, metadata } = archive;
  const listed: Listed[] = [];
  const single: RecordedMember[] = [];
  const tables = new Map<string, ReadTable>();
  const problems: CorruptEntry[] = [];
  const attempt = (read: () => Promise<void>): Promise<void> =>
    read().catch((error: unknown) => {
      if (!(error instanceof CorruptEntry)) throw error;
      problems.push(error);
    });
  for (const { path, parts, member, bytes, sha256 } of metadata.artifacts) {
    if (parts === 0) {
      single.push({
        ...member,
        name: path,
        kind: 'data',
        artifact: path,
        abandoned: false,
        bytes,
        contentSha256: sha256,
      });
      continue;
    }
    single.push({ ...member, name: tableName(path), kind: 'text' });
    await attempt(async () => {
      const { table, digest } = await readTableAndDigest(file, { path, parts, member }, signal);
      tables.set(path, { table, contentSha256: digest.sha256 });
      listed.push({ path, table, abandoned: false });
    });
  }
  for (const member of metadata.members) {
    single.push({ ...member, kind: 'text' });
    if (!member.name.endsWith(failedName(''))) continue;
    await attempt(async () => {
      listed.push({ ...(await readFailedNote(file, member, signal)), abandoned: true });
    });
  }
  return {
    inFileOrder: () => merge([single.toSorted((a, b) => a.offset - b.offset).values(), ...listed.map(partsOf)]),
    tables,
    problems,
  };
}

interface Listed {
  readonly path: string;
  readonly table: PartTable;
  readonly abandoned: boolean;
}

function* partsOf({ path, table, abandoned }: Listed): Generator<RecordedMember> {
  let index = 0;
  for (const { bytes, sha256, offset, length, storedSha256 } of table) {
    const name = partName(path, index);
    yield {
      kind: 'data',
      artifact: path,
      abandoned,
      name,
      bytes,
      contentSha256: sha256,
      offset,
      length,
      sha256: storedSha256,
    };
    index += 1;
  }
}

interface Source {
  head: RecordedMember;
  readonly rest: Iterator<RecordedMember>;
}

/** Merges sequences that are in file order each. Only those that have begun are compared: as many as streams ran at once. */
function* merge(sequences: readonly Iterator<RecordedMember>[]): Generator<RecordedMember> {
  const waiting: Source[] = [];
  for (const rest of sequences) {
    const first = rest.next();
    if (first.done !== true) waiting.push({ head: first.value, rest });
  }
  waiting.sort((a, b) => b.head.offset - a.head.offset);
  const begun: Source[] = [];
  for (;;) {
    const lowest = begun.reduce<Source | undefined>(
      (low, each) => (low === undefined || each.head.offset < low.head.offset ? each : low),
      undefined,
    );
    const next = waiting.at(-1);
    if (next !== undefined && (lowest === undefined || next.head.offset <= lowest.head.offset)) {
      begun.push(next);
      waiting.pop();
      continue;
    }
    if (lowest === undefined) return;
    yield lowest.head;
    const following = lowest.rest.next();
    if (following.done === true) begun.splice(begun.indexOf(lowest), 1);
    else lowest.head = following.value;
  }
}
