import { BackupError } from '../model/errors.js';
import { printable } from './byte-names.js';
import { ByteReader } from './byte-reader.js';
import { blockSize, parseHeader, parsePax, paxNumber } from './tar-header.js';
import type { PaxRecords, TarHeader } from './tar-header.js';

/** What a member of a tar stream is. Anything else is refused by the reader. */
export type TarKind = 'file' | 'directory' | 'symlink' | 'hardlink';

/** One member. Names are bytes, one character per byte, exactly as they stand in the stream: nothing is cleaned or checked here. */
export interface TarEntry {
  readonly kind: TarKind;
  readonly name: string;
  /** Of a symbolic or hard link. */
  readonly linkName: string;
  /** As recorded, all twelve bits. */
  readonly mode: number;
  /** Seconds since 1970, with a fraction. */
  readonly mtime: number;
  /** Bytes of content. */
  readonly size: number;
  /** The content. What is not read is skipped when the next entry is asked for. */
  readonly body: AsyncIterable<Buffer>;
}

const kinds: ReadonlyMap<string, TarKind> = new Map([
  ['0', 'file'],
  ['7', 'file'],
  ['1', 'hardlink'],
  ['2', 'symlink'],
  ['5', 'directory'],
]);
const forbidden: ReadonlyMap<string, string> = new Map([
  ['3', 'a character device'],
  ['4', 'a block device'],
  ['6', 'a FIFO'],
]);
/** Names, and the extended attributes of one file. */
const longestExtension = 1024 * 1024;

/** What stood in front of a member's own header. */
interface Extensions {
  readonly pax?: PaxRecords;
  readonly name?: string;
  readonly linkName?: string;
}

/**
 * Members of a tar stream in order: POSIX (PAX), ustar, GNU and V7 headers. Strict on purpose: where two readers could understand
 * a stream differently it is refused. (tar-stream decodes PAX names as UTF-8, which loses other names, and takes a stream without an end mark.)
 *
 * `bytes` is the length the stream must have. Errors: ARCHIVE_CORRUPT (not a whole tar stream), ARCHIVE_HOSTILE (devices,
 * sizes that cannot be), EXTRACT_UNSUPPORTED (sparse files, GNU dump and volume members).
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  bytes: number,
): AsyncGenerator<TarEntry, void, undefined> {
  const reader = new ByteReader(source, bytes);
  try {
    for (;;) {
      const offset = reader.offset;
      const entry = await locate(offset, () => nextEntry(reader));
      if (entry === undefined) return;
      const end = reader.offset + entry.size;
      yield entry;
      await locate(offset, () => reader.skip(end + padding(entry.size) - reader.offset));
    }
  } finally {
    await reader.close();
  }
}

/** The next member, or undefined behind the end mark. */
async function nextEntry(reader: ByteReader): Promise<TarEntry | undefined> {
  let extensions: Extensions = {};
  for (;;) {
    const block = await reader.exactly(blockSize);
    if (isZero(block)) {
      if (Object.keys(extensions).length > 0)
        throw new BackupError('ARCHIVE_CORRUPT', 'the tar stream ends after the header of a long name');
      await checkEnd(reader);
      return undefined;
    }
    const header = parseHeader(block);
    if (!'xgLK'.includes(header.type)) return toEntry(header, extensions, reader);
    extensions = extend(extensions, header.type, await extensionBody(reader, header));
  }
}

async function extensionBody(reader: ByteReader, header: TarHeader): Promise<Buffer> {
  if (header.size > longestExtension)
    throw new BackupError('ARCHIVE_HOSTILE', `a header of ${header.size} bytes stands in front of a member`);
  const body = await reader.exactly(header.size);
  await reader.skip(padding(header.size));
  return body;
}

function extend(extensions: Extensions, type: string, body: Buffer): Extensions {
  if (type === 'g') {
    checkGlobal(parsePax(body));
    return extensions;
  }
  const key = type === 'x' ? 'pax' : type === 'L' ? 'name' : 'linkName';
  if (extensions[key] !== undefined) throw ambiguous('has two headers of one kind');
  if (type === 'x') return { ...extensions, pax: parsePax(body) };
  const end = body.indexOf(0);
  return { ...extensions, [key]: body.toString('latin1', 0, end === -1 ? body.length : end) };
}

/** A global header may carry comments and the like; one that renames or resizes members has no honest use here. */
function checkGlobal(records: PaxRecords): void {
  for (const key of records.keys())
    if (['path', 'linkpath', 'size'].includes(key) || key.startsWith('GNU.sparse.'))
      throw new BackupError('ARCHIVE_HOSTILE', `a global header sets ${key} for every member`);
}

function toEntry(header: TarHeader, extensions: Extensions, reader: ByteReader): TarEntry {
  const { pax } = extensions;
  if (extensions.name !== undefined && pax?.has('path') === true) throw ambiguous('has two long names');
  if (extensions.linkName !== undefined && pax?.has('linkpath') === true) throw ambiguous('has two link names');
  const name = pax?.get('path') ?? extensions.name ?? header.name;
  refuseSparse(header, name, pax);
  const paxSize = pax?.get('size');
  const size = paxSize === undefined ? header.size : paxNumber(paxSize, 'size');
  const mtime = pax?.get('mtime');
  const kind = kindOf(header.type, name);
  if (kind !== 'file' && size !== 0) throw ambiguous(`(${printable(name)}) is a ${kind} with content`);
  if (size + padding(size) > reader.remaining)
    throw new BackupError('ARCHIVE_HOSTILE', `${printable(name)} claims ${size} bytes, more than the stream has left`);
  return {
    kind,
    name,
    linkName: pax?.get('linkpath') ?? extensions.linkName ?? header.linkName,
    mode: header.mode,
    mtime: mtime === undefined ? header.mtime : paxNumber(mtime, 'mtime'),
    size,
    body: reader.upTo(size),
  };
}

function kindOf(type: string, name: string): TarKind {
  const why = forbidden.get(type);
  if (why !== undefined)
    throw new BackupError('ARCHIVE_HOSTILE', `${printable(name)} is ${why}; those are never unpacked`);
  const kind = kinds.get(type);
  if (kind === undefined) throw unsupported(name, `is a member of type ${printable(type)}`);
  return kind === 'file' && name.endsWith('/') ? 'directory' : kind;
}

function refuseSparse(header: TarHeader, name: string, pax: PaxRecords | undefined): void {
  const records = [...(pax?.keys() ?? [])].some((key) => key.startsWith('GNU.sparse.'));
  if (header.type === 'S' || records) throw unsupported(pax?.get('GNU.sparse.name') ?? name, 'is a sparse file');
}

function unsupported(name: string, what: string): BackupError {
  return new BackupError('EXTRACT_UNSUPPORTED', `${printable(name)} ${what}, which is not unpacked here`, {
    hint: 'extract the artifact as it is and unpack it with GNU tar',
  });
}

function ambiguous(what: string): BackupError {
  return new BackupError('ARCHIVE_HOSTILE', `a member ${what}: readers of tar disagree on what that means`);
}

/** The second zero block, then nothing but zeros (tar fills its last record). */
async function checkEnd(reader: ByteReader): Promise<void> {
  if (!isZero(await reader.exactly(blockSize)))
    throw new BackupError(
      'ARCHIVE_HOSTILE',
      'a zero block stands between members: readers of tar disagree on what that means',
    );
  for await (const chunk of reader.upTo(reader.remaining))
    if (!isZero(chunk)) throw new BackupError('ARCHIVE_HOSTILE', 'there is data behind the end of the tar stream');
  await reader.expectEnd();
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}

function padding(size: number): number {
  return (blockSize - (size % blockSize)) % blockSize;
}

async function locate<T>(offset: number, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof BackupError) || !located.has(error.code)) throw error;
    throw new BackupError(error.code, `member at byte ${offset} of the tar stream: ${error.message}`, {
      hint: error.hint,
      cause: error,
    });
  }
}

const located: ReadonlySet<string> = new Set(['ARCHIVE_CORRUPT', 'ARCHIVE_HOSTILE', 'EXTRACT_UNSUPPORTED']);
