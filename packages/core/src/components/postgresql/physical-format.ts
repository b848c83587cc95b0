import { createHash, type Hash } from 'node:crypto';
import { z } from 'zod';
import { walkedFormat, type Feed, type Walk } from '../../formats/feed.js';
import { blockSize, paddingOf, parseHeader } from '../../formats/tar-header.js';
import { tarFormat } from '../../formats/tar.js';
import type { Format } from '../../model/format.js';
import { parseJson } from '../../model/parse-json.js';

/** What a complete base backup says of itself. */
export interface BaseBackup {
  readonly timeline: number;
  /** Where replay begins, and up to where it must come before the data are consistent. */
  readonly walStart: string;
  readonly walStop: string;
  readonly walSegmentSize: number;
  readonly files: number;
  /** Of the files. */
  readonly bytes: number;
}

const manifestName = 'backup_manifest';
const segmentName = /^pg_wal\/([0-9A-F]{24})$/;
const needed = ['backup_label', 'PG_VERSION', 'global/pg_control'];
/** A line of the manifest names one file. */
const longestLine = 64 * 1024;

/**
 * A tar that pg_basebackup wrote with `--wal-method=fetch`: beside what every tar has, the label, the control file, all WAL from the backup's start to its stop, and a
 * manifest with its own right checksum that lists the tar's very files with their sizes (PostgreSQL's documentation, "Backup Manifest Format"; backup_manifest.c
 * writes one line for each file). The files' contents are checked by pg_verifybackup when they are restored.
 */
export function baseBackupFormat(onEnd?: (backup: BaseBackup) => void): Format {
  const tar = tarFormat();
  return {
    name: tar.name,
    check: () => {
      const structure = tar.check();
      const content = walkedFormat('base backup', (feed) => walkBackup(feed, onEnd)).check();
      return {
        write: (chunk) => {
          structure.write(chunk);
          content.write(chunk);
        },
        end: () => {
          structure.end();
          content.end();
        },
        catalogue: () => structure.catalogue?.(),
      };
    },
  };
}

/** Which files there are, in memory that does not grow with their number: their names and sizes hashed, and the hashes combined whatever their order. */
class FileList {
  readonly #sum = Buffer.alloc(32);
  files = 0;
  bytes = 0;

  /** `name`: each byte one character (latin1). */
  add(name: string, size: number): void {
    const hash = createHash('sha256')
      .update(`${name}\0${String(size)}`, 'latin1')
      .digest();
    for (const [index, byte] of hash.entries()) this.#sum[index] = (this.#sum[index] ?? 0) ^ byte;
    this.files += 1;
    this.bytes += size;
  }

  equals(other: FileList): boolean {
    return this.files === other.files && this.bytes === other.bytes && this.#sum.equals(other.#sum);
  }

  toString(): string {
    return `${String(this.files)} files of ${String(this.bytes)} bytes`;
  }
}

interface Seen {
  readonly listed: FileList;
  /** Name to size, of WAL. */
  readonly segments: Map<string, number>;
  readonly missing: Set<string>;
}

function* walkBackup(feed: Feed, onEnd: ((backup: BaseBackup) => void) | undefined): Walk {
  const seen: Seen = { listed: new FileList(), segments: new Map(), missing: new Set(needed) };
  let manifest: Manifest | undefined;
  for (;;) {
    const block = Buffer.from(yield* feed.bytes(blockSize, 'a header, so the end mark is missing'));
    if (block.every((byte) => byte === 0)) break;
    const { name, size, type } = parseHeader(block);
    if (name === manifestName) manifest = yield* readManifest(feed, size);
    else {
      if (type === '0') noteFile(feed, seen, { name, size });
      yield* feed.skip(size, name);
    }
    yield* feed.skip(paddingOf(size), name);
  }
  while (yield* feed.more()) feed.takeRest();
  onEnd?.(judge(feed, seen, manifest));
}

function noteFile(feed: Feed, seen: Seen, { name, size }: { readonly name: string; readonly size: number }): void {
  seen.missing.delete(name);
  if (name === 'tablespace_map' && size > 0) throw feed.invalid('it has tablespaces that lie elsewhere');
  const segment = segmentName.exec(name)?.[1];
  if (segment === undefined) seen.listed.add(name, size);
  else seen.segments.set(segment, size);
}

function judge(feed: Feed, { listed, segments, missing }: Seen, manifest: Manifest | undefined): BaseBackup {
  if (missing.size > 0) throw feed.invalid(`it has no ${[...missing].join(', ')}`);
  if (manifest === undefined) throw feed.invalid(`it has no ${manifestName}`);
  if (!manifest.listed.equals(listed))
    throw feed.invalid(`it has ${String(listed)}, its manifest lists ${String(manifest.listed)}, or others`);
  const [walSegmentSize = 0] = segments.values();
  const [range, ...others] = manifest.ranges;
  if (range === undefined || others.length > 0) throw feed.invalid('its manifest does not name one range of WAL');
  const lacking = segmentsOf(range, walSegmentSize).find((name) => segments.get(name) !== walSegmentSize);
  if (lacking !== undefined) throw feed.invalid(`it has no WAL segment ${lacking}`);
  return {
    timeline: range.Timeline,
    walStart: range['Start-LSN'],
    walStop: range['End-LSN'],
    walSegmentSize,
    files: listed.files + segments.size,
    bytes: listed.bytes + segments.size * walSegmentSize,
  };
}

interface Manifest {
  readonly listed: FileList;
  readonly ranges: readonly Range[];
}

const lsn = z.string().regex(/^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/i);
const rangeSchema = z.object({ Timeline: z.int().positive(), 'Start-LSN': lsn, 'End-LSN': lsn });
type Range = z.infer<typeof rangeSchema>;
/** A name that is no UTF-8 is in hexadecimal digits. */
const fileSchema = z.object({ Path: z.string().optional(), 'Encoded-Path': z.string().optional(), Size: z.int() });

function* readManifest(feed: Feed, size: number): Walk<Manifest> {
  const listed = new FileList();
  const ranges: Range[] = [];
  const checksum = createHash('sha256');
  let ended = false;
  let line = Buffer.alloc(0);
  for (let left = size; left > 0;) {
    if (!(yield* feed.more())) throw feed.cut(manifestName);
    const piece = Buffer.from(yield* feed.bytes(Math.min(left, feed.available), manifestName));
    left -= piece.length;
    let rest = Buffer.concat([line, piece]);
    for (let end = rest.indexOf(0x0a); end !== -1; end = rest.indexOf(0x0a)) {
      ended = readLine(feed, { line: rest.subarray(0, end + 1), checksum, listed, ranges });
      rest = rest.subarray(end + 1);
    }
    line = rest;
    if (line.length > longestLine) throw feed.invalid(`${manifestName} is not as PostgreSQL writes it`);
  }
  if (!ended || line.length > 0) throw feed.invalid(`${manifestName} is not complete`);
  return { listed, ranges };
}

/** Answers whether it was the last line: the checksum of all lines before it. */
function readLine(
  feed: Feed,
  { line, checksum, listed, ranges }: Manifest & { line: Buffer; checksum: Hash; ranges: Range[] },
): boolean {
  const text = line.toString('utf8').replace(/,?\n$/, '');
  const sum = /^"Manifest-Checksum": "([0-9a-f]{64})"\}$/.exec(text)?.[1];
  if (sum !== undefined) {
    if (checksum.digest('hex') !== sum) throw feed.invalid(`the checksum of ${manifestName} is wrong`);
    return true;
  }
  checksum.update(line);
  if (!/^\{ "(?:Path|Encoded-Path|Timeline)"/.test(text)) return false;
  const value = readJson(feed, text);
  const range = rangeSchema.safeParse(value);
  if (range.success) ranges.push(range.data);
  else {
    const file = fileSchema.safeParse(value);
    if (!file.success) throw feed.invalid(`${manifestName} is not as PostgreSQL writes it`);
    const { Path: path = '', 'Encoded-Path': encoded, Size: size } = file.data;
    listed.add(Buffer.from(encoded ?? path, encoded === undefined ? 'utf8' : 'hex').toString('latin1'), size);
  }
  return false;
}

function readJson(feed: Feed, text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    throw feed.invalid(`${manifestName} is not as PostgreSQL writes it`);
  }
}

/** `1/A3000028` as a number. */
function position(text: string): bigint {
  const [high = '0', low = '0'] = text.split('/');
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
}

/** The segments that hold the WAL from where the backup began to its end, which may be the very end of a segment (XLogFileName, XLByteToPrevSeg in xlog_internal.h). */
function segmentsOf(range: Range, segmentSize: number): readonly string[] {
  if (segmentSize <= 0) return ['of any size'];
  const size = BigInt(segmentSize);
  const perId = 0x100000000n / size;
  const names: string[] = [];
  const hex = (value: bigint): string => value.toString(16).toUpperCase().padStart(8, '0');
  const last = (position(range['End-LSN']) - 1n) / size;
  for (let segment = position(range['Start-LSN']) / size; segment <= last; segment += 1n)
    names.push(`${hex(BigInt(range.Timeline))}${hex(segment / perId)}${hex(segment % perId)}`);
  return names;
}
