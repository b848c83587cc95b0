import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';

import { asBackupError, BackupError } from '../model/errors.js';
import type { ArtifactRecord } from '../model/metadata.js';
import type { ArchiveFile, RecordedEntry } from './archive-file.js';
import type { ByteRange, ReadOptions } from './archive.js';
import { inOrder } from './in-order.js';
import { partName, type PartTable } from './part-table.js';
import { readTable } from './read-table.js';

const partsAhead = 3;

/** What `Archive.read` gives. Errors: OPTION_INVALID for ranges that cannot be; of the stream: ARCHIVE_CORRUPT, those of the store. */
export function readArtifact(file: ArchiveFile, record: ArtifactRecord, { ranges, signal }: ReadOptions): Readable {
  if (ranges === undefined)
    return Readable.from(checkedWhole(file, record, wholeEntries(file, record, signal)), { objectMode: false });
  checkRanges(record, ranges);
  return Readable.from(checkedRanges(file, record, { ranges, signal }), { objectMode: false });
}

/** The entries that hold the content, in order. */
async function entriesOf(
  file: ArchiveFile,
  record: ArtifactRecord,
  signal: AbortSignal | undefined,
): Promise<Iterable<RecordedEntry>> {
  const { path, bytes, sha256, parts, member } = record;
  if (parts === 0) return [{ ...member, name: path, bytes, contentSha256: sha256 }];
  return partEntries(path, await readTable(file, { path, parts, member }, signal));
}

function* partEntries(path: string, table: PartTable): Generator<RecordedEntry> {
  let index = 0;
  for (const { bytes, sha256, offset, length, storedSha256 } of table) {
    yield { name: partName(path, index), bytes, contentSha256: sha256, offset, length, sha256: storedSha256 };
    index += 1;
  }
}

async function* wholeEntries(
  file: ArchiveFile,
  record: ArtifactRecord,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  const entries = await entriesOf(file, record, signal);
  yield* inOrder(entries, partsAhead, (entry) => file.readEntry(entry, signal));
}

/** Passes the pieces on and ends well only if together they are the recorded artifact. */
async function* checkedWhole(
  file: ArchiveFile,
  record: ArtifactRecord,
  pieces: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const piece of pieces) {
      hash.update(piece);
      bytes += piece.length;
      if (piece.length > 0) yield piece;
    }
  } catch (error) {
    throw asBackupError(error);
  }
  if (bytes !== record.bytes || hash.digest('hex') !== record.sha256)
    throw file.corrupt(record.path, 'its parts do not add up to the recorded size and hash');
}

async function* checkedRanges(
  file: ArchiveFile,
  record: ArtifactRecord,
  { ranges, signal }: { readonly ranges: readonly ByteRange[]; readonly signal: AbortSignal | undefined },
): AsyncGenerator<Buffer> {
  let missing = ranges.reduce((sum, range) => sum + range.end - range.start, 0);
  try {
    const entries = holding(await entriesOf(file, record, signal), ranges);
    for await (const pieces of inOrder(entries, partsAhead, ({ entry, cuts }) => readCuts(entry, cuts)))
      for (const piece of pieces) {
        missing -= piece.length;
        yield piece;
      }
  } catch (error) {
    throw asBackupError(error);
  }
  if (missing > 0) throw file.corrupt(record.path, 'its parts do not add up to the recorded size');

  async function readCuts(entry: RecordedEntry, cuts: readonly ByteRange[]): Promise<readonly Buffer[]> {
    const content = await file.readEntry(entry, signal);
    return cuts.map(({ start, end }) => content.subarray(start, end));
  }
}

/** The entries that hold some of the ranges, with what of their own content that is. */
function* holding(
  entries: Iterable<RecordedEntry>,
  ranges: readonly ByteRange[],
): Generator<{ readonly entry: RecordedEntry; readonly cuts: readonly ByteRange[] }> {
  let next = 0;
  let start = 0;
  for (const entry of entries) {
    const end = start + entry.bytes;
    const cuts: ByteRange[] = [];
    for (let range = ranges[next]; range !== undefined && range.start < end; range = ranges[next]) {
      cuts.push({ start: Math.max(range.start, start) - start, end: Math.min(range.end, end) - start });
      if (range.end > end) break;
      next += 1;
    }
    if (cuts.length > 0) yield { entry, cuts };
    if (next === ranges.length) return;
    start = end;
  }
}

function checkRanges({ path, bytes }: ArtifactRecord, ranges: readonly ByteRange[]): void {
  let previous = 0;
  for (const { start, end } of ranges) {
    const whole = Number.isSafeInteger(start) && Number.isSafeInteger(end);
    if (!whole || start < previous || end <= start || end > bytes)
      throw new BackupError(
        'OPTION_INVALID',
        `${path} has ${String(bytes)} bytes: the range from ${String(start)} to ${String(end)} cannot be read`,
      );
    previous = end;
  }
}
