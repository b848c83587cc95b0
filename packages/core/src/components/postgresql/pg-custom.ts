import { walkedFormat, type Feed, type Walk } from '../../formats/feed.js';
import type { Format } from '../../model/format.js';

/**
 * What pg_dump writes with `--format=custom`. Source: PostgreSQL's src/bin/pg_dump/pg_backup_archiver.c (ReadHead, ReadToc, ReadOffset, ReadInt,
 * ReadStr) and pg_backup_custom.c (block types, data chunks), archive versions 1.12 (PostgreSQL 9.0) to 1.16 (17 and later).
 *
 * Such a file has no end mark of its own: it is complete when every entry of its table of contents that has data has had its block, up to the
 * chunk of length zero that closes it.
 */
const oldestMinor = 12;
const newestMinor = 16;
const customFormat = 1;
const maximumIntegerBytes = 8;
const maximumOffsetBytes = 16;

const blockData = 1;
const blockLargeObjects = 3;
const offsetNotSet = 1;
const offsetSet = 2;
const offsetNoData = 3;

export interface DumpSummary {
  /** Entries of the table of contents, as `pg_restore --list` counts them. */
  readonly entries: number;
  /** Of those, entries with data of their own. */
  readonly dataEntries: number;
}

/** An entry of the table of contents; bytes are in the encoding of the database that was dumped. */
export interface ContentsEntry {
  /** What it is: `TABLE DATA`, `DATABASE`, `ACL`. */
  readonly kind: string;
  /** Its name, which may have words before it: `DATABASE app` for an ACL. */
  readonly tag: Uint8Array;
  /** The statements that make it. */
  readonly definition: Uint8Array;
  readonly tablespace: Uint8Array;
  readonly owner: Uint8Array;
}

/** Is told how far an archive has come. */
export interface DumpObserver {
  /** Its header is here. */
  onStart?(): void;
  onEntry?(entry: ContentsEntry): void;
  /** Its table of contents is at its end, and data may follow. */
  onContents?(entries: number): void;
  /** It was complete. */
  onEnd?(summary: DumpSummary): void;
}

/** The format of a pg_dump custom archive. */
export function pgCustomFormat(observer?: DumpObserver): Format {
  return walkedFormat('pg-custom', (feed) => walkDump(feed, observer));
}

interface Layout {
  readonly minor: number;
  readonly integerBytes: number;
  readonly offsetBytes: number;
}

function* walkDump(feed: Feed, observer: DumpObserver | undefined): Walk {
  const layout = yield* readHeader(feed);
  observer?.onStart?.();
  const entries = yield* readInteger(feed, layout, 'the table of contents');
  if (entries < 0) throw feed.invalid('its table of contents has a negative length');
  const expected = new Set<number>();
  for (let index = 0; index < entries; index++) yield* readEntry(feed, layout, { expected, observer });
  observer?.onContents?.(entries);
  const dataEntries = expected.size;
  while (expected.size > 0) {
    if (!(yield* feed.more()))
      throw feed.invalid(
        `it ends after ${String(feed.offset)} bytes with the data of ${String(expected.size)} entries missing`,
      );
    yield* skipBlock(feed, layout, expected);
  }
  if (yield* feed.more()) throw feed.invalid('bytes follow its last block');
  observer?.onEnd?.({ entries, dataEntries });
}

function* readHeader(feed: Feed): Walk<Layout> {
  const inside = 'the header';
  if (Buffer.from(yield* feed.bytes(5, inside)).toString('latin1') !== 'PGDMP')
    throw feed.invalid('it does not begin with PGDMP');
  const [major = 0, minor = 0, , integerBytes = 0, offsetBytes = 0, format] = yield* feed.bytes(6, inside);
  if (major !== 1 || minor < oldestMinor || minor > newestMinor)
    throw feed.invalid(
      `archive version ${String(major)}.${String(minor)} is not one this version of lsbackup can check`,
    );
  if (format !== customFormat) throw feed.invalid('it is another pg_dump format');
  if (integerBytes < 1 || integerBytes > maximumIntegerBytes || offsetBytes < 1 || offsetBytes > maximumOffsetBytes)
    throw feed.invalid('its header has impossible sizes');
  const layout = { minor, integerBytes, offsetBytes };
  // Compression: an algorithm since 1.15, before that a level.
  if (minor >= 15) yield* feed.skip(1, inside);
  else yield* readInteger(feed, layout, inside);
  // Date of the dump as seven integers, then database, server version, pg_dump version.
  for (let field = 0; field < 7; field++) yield* readInteger(feed, layout, inside);
  for (let field = 0; field < 3; field++) yield* skipString(feed, layout, inside);
  return layout;
}

function* readEntry(
  feed: Feed,
  layout: Layout,
  { expected, observer }: { readonly expected: Set<number>; readonly observer: DumpObserver | undefined },
): Walk {
  const inside = 'the table of contents';
  const id = yield* readInteger(feed, layout, inside);
  const hasData = (yield* readInteger(feed, layout, inside)) !== 0;
  const text = observer?.onEntry === undefined ? skipText : readText;
  // Catalogue ids.
  for (let field = 0; field < 2; field++) yield* skipString(feed, layout, inside);
  const tag = yield* text(feed, layout, inside);
  const kind = yield* text(feed, layout, inside);
  yield* readInteger(feed, layout, inside); // section
  const definition = yield* text(feed, layout, inside);
  // Drop and copy statements, schema.
  for (let field = 0; field < 3; field++) yield* skipString(feed, layout, inside);
  const tablespace = yield* text(feed, layout, inside);
  if (layout.minor >= 14) yield* skipString(feed, layout, inside); // table access method
  if (layout.minor >= 16) yield* readInteger(feed, layout, inside); // kind of relation
  const owner = yield* text(feed, layout, inside);
  yield* skipString(feed, layout, inside); // with OIDs
  // Dependencies, closed by a null string.
  while (yield* skipString(feed, layout, inside));
  const flag = yield* feed.byte(inside);
  if (flag !== offsetNotSet && flag !== offsetSet && flag !== offsetNoData)
    throw feed.invalid('its table of contents has a broken entry');
  yield* feed.skip(layout.offsetBytes, inside);
  observer?.onEntry?.({ kind: Buffer.from(kind).toString('latin1'), tag, definition, tablespace, owner });
  if (!hasData || flag === offsetNoData) return;
  if (expected.has(id)) throw feed.invalid('its table of contents names one entry twice');
  expected.add(id);
}

function* skipBlock(feed: Feed, layout: Layout, expected: Set<number>): Walk {
  const start = feed.offset;
  const type = yield* feed.byte('a block');
  const id = yield* readInteger(feed, layout, 'a block');
  if (!expected.delete(id))
    throw feed.invalid(`the block at byte ${String(start)} belongs to no entry that waits for data`);
  if (type === blockData) {
    yield* skipChunks(feed, layout);
  } else if (type === blockLargeObjects) {
    // Each large object is its OID and its chunks; OID 0 closes the block.
    while ((yield* readInteger(feed, layout, 'large objects')) !== 0) yield* skipChunks(feed, layout);
  } else throw feed.invalid(`the block at byte ${String(start)} has an unknown type`);
}

/** Chunks up to the one of length zero. Without compression there is one chunk per row, so what lies wholly in memory is passed without a generator's cost. */
function* skipChunks(feed: Feed, layout: Layout): Walk {
  const inside = 'the data of a table or large object';
  for (;;) {
    const length =
      feed.available > layout.integerBytes
        ? takeInteger(feed, layout.integerBytes)
        : yield* readInteger(feed, layout, inside);
    if (length === 0) return;
    if (length < 0) throw feed.invalid(`a chunk of negative length before byte ${String(feed.offset)}`);
    if (length <= feed.available) feed.pass(length);
    else yield* feed.skip(length, inside);
  }
}

/** A sign byte, then the bytes of the value, lowest first. */
function* readInteger(feed: Feed, layout: Layout, inside: string): Walk<number> {
  if (feed.available > layout.integerBytes) return takeInteger(feed, layout.integerBytes);
  const bytes = yield* feed.bytes(layout.integerBytes + 1, inside);
  let value = 0;
  for (let index = layout.integerBytes; index > 0; index--) value = value * 256 + (bytes[index] ?? 0);
  return bytes[0] === 0 ? value : -value;
}

function takeInteger(feed: Feed, bytes: number): number {
  const negative = feed.takeByte() !== 0;
  let value = 0;
  let weight = 1;
  for (let index = 0; index < bytes; index++) {
    value += feed.takeByte() * weight;
    weight *= 256;
  }
  return negative ? -value : value;
}

/** False for a null string, whose length is -1. */
function* skipString(feed: Feed, layout: Layout, inside: string): Walk<boolean> {
  const length = yield* readInteger(feed, layout, inside);
  if (length < -1) throw feed.invalid(`a text of negative length before byte ${String(feed.offset)}`);
  if (length > 0) yield* feed.skip(length, inside);
  return length >= 0;
}

const noText = new Uint8Array(0);

/** Nothing for a null string. */
function* readText(feed: Feed, layout: Layout, inside: string): Walk<Uint8Array> {
  const length = yield* readInteger(feed, layout, inside);
  if (length < -1) throw feed.invalid(`a text of negative length before byte ${String(feed.offset)}`);
  return length > 0 ? yield* feed.bytes(length, inside) : noText;
}

function* skipText(feed: Feed, layout: Layout, inside: string): Walk<Uint8Array> {
  yield* skipString(feed, layout, inside);
  return noText;
}
