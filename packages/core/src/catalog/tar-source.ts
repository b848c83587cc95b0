import type { Archive, ByteRange } from '../archive/archive.js';
import { entryLine, parseEntryLine, type PlacedMember } from '../formats/tar-entries.js';
import { blockSize } from '../formats/tar-header.js';
import type { TarMember } from '../formats/tar-member.js';
import { printable } from '../model/byte-names.js';
import { BackupError } from '../model/errors.js';
import type { ArtifactRecord } from '../model/metadata.js';
import { readTar, type TarEntry } from './tar-reader.js';
import { memberPath } from './tar-survey.js';

/** Where the members of one tar artifact come from. */
export interface TarSource {
  /** Adds every member, in order. */
  survey(add: (member: TarMember) => void): Promise<void>;
  /** Those whose path is wanted, and perhaps others, with their content. Only after a survey. */
  entries(wanted: (path: string) => boolean): AsyncIterable<TarEntry>;
}

export interface TarContent {
  readonly archive: Pick<Archive, 'readCatalogue'>;
  readonly artifact: ArtifactRecord;
  /** The artifact's content, or what of it lies in the ranges. */
  readonly read: (ranges?: readonly ByteRange[]) => AsyncIterable<Buffer>;
  readonly signal?: AbortSignal | undefined;
}

/** Two zero blocks. */
const endMarkBytes = 2 * blockSize;

/** Reads the whole artifact, each time. Errors: those of `readTar` and of reading. */
export function wholeTar({ artifact, read }: TarContent): TarSource {
  const entries = (): AsyncIterable<TarEntry> => readTar(read(), artifact.bytes);
  return {
    entries,
    survey: async (add) => {
      for await (const entry of entries()) add(entry);
    },
  };
}

/**
 * Reads the artifact's catalogue, and of its content only what is wanted. A catalogue is input like the rest: of each member that is read, its own
 * headers must say what the catalogue does. Errors: ARCHIVE_CORRUPT where they do not, or for a catalogue that cannot be right; those of reading.
 */
export function cataloguedTar(content: TarContent): TarSource {
  return {
    survey: async (add) => {
      await readRows(content, add);
    },
    entries: (wanted) => wantedEntries(content, wanted),
  };
}

async function readRows(
  { archive, artifact, signal }: TarContent,
  onRow: (row: PlacedMember) => void,
): Promise<{ readonly end: number }> {
  let number = 0;
  let end = 0;
  await archive.readCatalogue(artifact.path, {
    signal,
    onLine: (line) => {
      number += 1;
      const row = parseEntryLine(line);
      const inPlace = row?.offset === end && row.length >= blockSize && row.length % blockSize === 0;
      if (!inPlace || row.size > row.length || end + row.length + endMarkBytes > artifact.bytes)
        throw new BackupError('ARCHIVE_CORRUPT', `row ${String(number)} of its catalogue cannot be right`);
      end += row.length;
      onRow(row);
    },
  });
  return { end };
}

async function* wantedEntries(
  content: TarContent,
  wanted: (path: string) => boolean,
): AsyncGenerator<TarEntry, void, undefined> {
  const rows: PlacedMember[] = [];
  const { end } = await readRows(content, (row) => {
    if (wanted(memberPath(row.name))) rows.push(row);
  });
  if (rows.length === 0) return;
  // What is wanted and the end mark are a tar again.
  const ranges = [...rows, { offset: end, length: endMarkBytes }].map(({ offset, length }) => ({
    start: offset,
    end: offset + length,
  }));
  const bytes = ranges.reduce((sum, range) => sum + range.end - range.start, 0);
  let failure: { readonly error: unknown } | undefined;
  const tar = async function* (): AsyncGenerator<Buffer, void, undefined> {
    try {
      yield* content.read(ranges);
    } catch (error) {
      failure = { error };
      throw error;
    }
  };
  let index = 0;
  try {
    for await (const entry of readTar(tar(), bytes)) {
      const row = rows[index];
      if (row === undefined || entryLine({ ...entry, offset: row.offset }) !== entryLine(row))
        throw disagreement(content, row);
      yield { ...entry, offset: row.offset };
      index += 1;
    }
  } catch (cause) {
    if (failure !== undefined) throw failure.error;
    if (!(cause instanceof BackupError) || !ofReading.has(cause.code)) throw cause;
    throw disagreement(content, rows[index], cause);
  }
  if (index < rows.length) throw disagreement(content, rows[index]);
}

/** What `readTar` says of a stream it does not take. */
const ofReading: ReadonlySet<string> = new Set(['ARCHIVE_CORRUPT', 'ARCHIVE_HOSTILE', 'EXTRACT_UNSUPPORTED']);

function disagreement({ artifact }: TarContent, row: PlacedMember | undefined, cause?: unknown): BackupError {
  const where = row === undefined ? 'its end' : `${printable(row.name)} at byte ${String(row.offset)}`;
  return new BackupError(
    'ARCHIVE_CORRUPT',
    `${artifact.path}: its catalogue and its content say different things of ${where}`,
    { hint: 'extract the artifact as it is, without its catalogue, and unpack it with tar', cause },
  );
}
