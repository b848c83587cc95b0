import type { Format } from '../model/format.js';
import { walkedFormat, type Feed, type Walk } from './feed.js';
import { TarCatalogue } from './tar-catalogue.js';
import { longestExtension } from './tar-member.js';

const blockBytes = 512;
/** A PAX header holds one file's attributes; more than this is not one. */
const maximumPaxBytes = 16 * 1024 * 1024;
const typeLink = '1';
const typeDirectory = '5';
const typeGnuSparse = 'S';
const typePax = 'x';
const typePaxGlobal = 'g';
const typeGnuLongName = 'L';
const typesOfMetadata = new Set([typePaxGlobal, typeGnuLongName, 'K', 'V']);

/** What a complete tar held. */
export interface TarSummary {
  /** Files, directories, links and the like; headers that describe another entry are not counted. */
  entries: number;
  /** Bytes of file data as stored. */
  bytes: number;
}

/**
 * A tar as GNU tar, bsdtar or busybox write it: headers with right checksums, whole data, two zero blocks, then nothing but zeros.
 * File data is skipped, not looked at; its catalogue says where each file's are. Padding after the two zero blocks has no length of its own, so a cut inside it is no damage.
 */
export function tarFormat(onEnd?: TarListener['onEnd'], onDirectory?: TarListener['onDirectory']): Format {
  return {
    name: 'tar',
    check: () => {
      const catalogue = new TarCatalogue();
      const walked = walkedFormat('tar', (feed) => walkTar(feed, { onEnd, onDirectory }, catalogue)).check();
      return { ...walked, catalogue: () => catalogue.end() };
    },
  };
}

export interface TarListener {
  /** Told what a complete stream held. */
  readonly onEnd: ((summary: Readonly<TarSummary>) => void) | undefined;
  /**
   * Told the name of each directory, each byte one character (latin1) and without slashes at its end, but for those whose name is in a
   * header of the old GNU format.
   */
  readonly onDirectory: ((name: string) => void) | undefined;
}

function* walkTar(feed: Feed, { onEnd, onDirectory }: TarListener, catalogue: TarCatalogue): Walk {
  const summary: TarSummary = { entries: 0, bytes: 0 };
  let next: PaxRecords = {};
  let memberStart = 0;
  for (;;) {
    const start = feed.offset;
    const header = yield* feed.bytes(blockBytes, 'a header, so the end mark is missing');
    if (isZero(header)) break;
    if (!hasRightChecksum(header)) throw feed.invalid(`the header at byte ${String(start)} has a wrong checksum`);
    const type = String.fromCharCode(header[156] ?? 0);
    const ownSize = sizeOf(header);
    if (ownSize === undefined) throw feed.invalid(`the header at byte ${String(start)} has no valid size`);
    if (type === typePax) {
      const content = yield* paxContent(feed, ownSize);
      next = paxRecords(feed, content);
      catalogue.extension(type, content);
      continue;
    }
    if (typesOfMetadata.has(type)) {
      if (type === typeGnuLongName) next = { ...next, path: '' };
      catalogue.extension(type, yield* extensionContent(feed, ownSize));
      continue;
    }
    // GNU tar: "links 0 size on tape", whatever the header says.
    const size = type === typeLink ? 0 : (next.size ?? ownSize);
    const directory = type === typeDirectory && onDirectory ? (next.path ?? nameOf(header)) : '';
    next = {};
    if (type === typeGnuSparse) yield* skipSparseHeaders(feed, header);
    yield* feed.skip(padded(size), `the data of the entry at byte ${String(start)}`);
    catalogue.member(header, memberStart, feed.offset - memberStart);
    memberStart = feed.offset;
    if (directory !== '') onDirectory?.(directory.replace(/\/+$/, ''));
    summary.entries += 1;
    summary.bytes += size;
  }
  yield* expectEnd(feed);
  onEnd?.(summary);
}

function* expectEnd(feed: Feed): Walk {
  if (!isZero(yield* feed.bytes(blockBytes, 'the end mark')))
    throw feed.invalid('a lone zero block instead of the end mark');
  while (yield* feed.more()) if (!isZero(feed.takeRest())) throw feed.invalid('data follows its end mark');
  if (feed.offset % blockBytes !== 0) throw feed.cut('the padding');
}

/** Old GNU sparse files have their map in the header and, when that is too small, in blocks of its own after it. */
function* skipSparseHeaders(feed: Feed, header: Uint8Array): Walk {
  let more = header[482];
  while (more !== 0 && more !== undefined) more = (yield* feed.bytes(blockBytes, 'a sparse map'))[504];
}

/** What of a PAX header overrides the next entry's own. */
interface PaxRecords {
  readonly size?: number | undefined;
  /** Each byte one character (latin1). */
  readonly path?: string;
}

function* paxContent(feed: Feed, bytes: number): Walk<Buffer> {
  if (bytes > maximumPaxBytes) throw feed.invalid(`a PAX header of ${String(bytes)} bytes`);
  return Buffer.from(yield* feed.bytes(padded(bytes), 'a PAX header')).subarray(0, bytes);
}

/** The content of another header that describes the next entry; undefined when it is too long for one. */
function* extensionContent(feed: Feed, bytes: number): Walk<Buffer | undefined> {
  const inside = 'a header that describes the next entry';
  if (bytes <= longestExtension) return Buffer.from(yield* feed.bytes(padded(bytes), inside)).subarray(0, bytes);
  yield* feed.skip(padded(bytes), inside);
  return undefined;
}

function paxRecords(feed: Feed, content: Buffer): PaxRecords {
  let records: PaxRecords = {};
  for (let position = 0; position < content.length;) {
    const space = content.indexOf(0x20, position);
    const length = space < 0 ? NaN : Number(content.toString('latin1', position, space));
    const end = position + length;
    if (!Number.isInteger(length) || end > content.length || end <= space + 1 || content[end - 1] !== 0x0a)
      throw feed.invalid('a PAX header has a broken record');
    const record = content.subarray(space + 1, end - 1);
    const key = record.toString('latin1', 0, 5);
    if (key === 'size=') records = { ...records, size: decimal(record.toString('latin1', 5)) };
    if (key === 'path=') records = { ...records, path: record.toString('latin1', 5) };
    position = end;
  }
  return records;
}

/** Each byte one character (latin1). The prefix is for names that do not fit: POSIX's own, for the old GNU format has other fields there. */
function nameOf(header: Uint8Array): string {
  const text = Buffer.from(header).toString('latin1');
  const field = (start: number, end: number): string => text.slice(start, end).replace(/\0.*$/s, '');
  const prefix = text.slice(257, 263) === 'ustar\0' ? field(345, 500) : '';
  return prefix === '' ? field(0, 100) : `${prefix}/${field(0, 100)}`;
}

function decimal(text: string): number | undefined {
  return /^\d+$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
}

function padded(size: number): number {
  return Math.ceil(size / blockBytes) * blockBytes;
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** The sum of all header bytes, the checksum field itself counted as spaces. Some old tars summed signed characters. */
function hasRightChecksum(header: Uint8Array): boolean {
  let unsigned = 0;
  let signed = 0;
  for (let index = 0; index < blockBytes; index++) {
    const byte = index >= 148 && index < 156 ? 0x20 : (header[index] ?? 0);
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const recorded = octal(header.subarray(148, 156));
  return recorded === unsigned || recorded === signed;
}

/** Octal text, or base-256 when the first bit is set (files of 8 GiB and more). */
function sizeOf(header: Uint8Array): number | undefined {
  const field = header.subarray(124, 136);
  const first = field[0] ?? 0;
  if ((first & 0x80) === 0) return octal(field);
  if (first !== 0x80) return undefined;
  let size = 0;
  for (const byte of field.subarray(1)) size = size * 256 + byte;
  return Number.isSafeInteger(size) ? size : undefined;
}

function octal(field: Uint8Array): number | undefined {
  const text = Buffer.from(field).toString('latin1').replace(/\0.*$/s, '').trim();
  if (text === '') return 0;
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : undefined;
}
