import { createHash } from 'node:crypto';
import { StringDecoder } from 'node:string_decoder';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';

import { abortError, BackupError } from '../model/errors.js';
import type { Member } from '../model/metadata.js';
import type { TextDigest } from './archive.js';
import type { ArchiveFile } from './archive-file.js';
import { gzipHeader } from './gzip.js';
import { appendLine, failedName, PartTable, tableName } from './part-table.js';
import { headerBytesOf, paddingAfter } from './tar-header.js';

/**
 * Streams a text entry of any size through `onLine` (lines without their line feed) and checks the hash of its stored bytes, its tar header and size.
 * What `onLine` was given counts only once this has resolved. Errors: ARCHIVE_CORRUPT, those of the store and of `onLine`.
 */
export async function readText(
  file: ArchiveFile,
  member: Member,
  options: { readonly onLine: (line: string) => void; readonly signal?: AbortSignal | undefined },
): Promise<TextDigest> {
  file.checkPlace(member);
  const stored = createHash('sha256');
  const source = await file.stream(member.offset, member.length, options.signal);
  let length = 0;
  let start = Buffer.alloc(0);
  const text = new TextEntryReader(file, member.name, options.onLine);
  try {
    await pipeline(
      source,
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          stored.update(chunk);
          length += chunk.length;
          if (start.length < gzipHeader.length)
            start = Buffer.concat([start, chunk.subarray(0, gzipHeader.length - start.length)]);
          yield chunk;
        }
      },
      createGunzip(),
      async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) text.take(chunk);
      },
      options.signal === undefined ? {} : { signal: options.signal },
    );
  } catch (error) {
    if (options.signal?.aborted === true) throw abortError(options.signal);
    if (error instanceof BackupError) throw error;
    throw file.corrupt(member.name, `it cannot be read: ${(error as Error).message}`, error);
  }
  if (length !== member.length || stored.digest('hex') !== member.sha256)
    throw file.corrupt(member.name, 'its stored bytes do not match their recorded hash');
  if (!start.equals(gzipHeader)) throw file.corrupt(member.name, 'its gzip header is not the canonical one');
  return text.end();
}

/** The verified table of an artifact. Errors: ARCHIVE_CORRUPT, those of the store. */
export async function readTable(
  file: ArchiveFile,
  artifact: { readonly path: string; readonly parts: number; readonly member: Member },
  signal?: AbortSignal,
): Promise<PartTable> {
  const { table } = await readTableAndDigest(file, artifact, signal);
  return table;
}

export async function readTableAndDigest(
  file: ArchiveFile,
  artifact: { readonly path: string; readonly parts: number; readonly member: Member },
  signal?: AbortSignal,
): Promise<{ readonly table: PartTable; readonly digest: TextDigest }> {
  const name = tableName(artifact.path);
  const table = new PartTable();
  const digest = await readText(
    file,
    { ...artifact.member, name },
    {
      signal,
      onLine: (line) => {
        if (table.length >= artifact.parts) throw file.corrupt(name, 'it has more rows than the metadata says');
        addRow({ file, name, table, path: artifact.path }, line);
      },
    },
  );
  if (table.length !== artifact.parts)
    throw file.corrupt(name, `it has ${String(table.length)} rows, the metadata says ${String(artifact.parts)}`);
  return { table, digest };
}

/** The verified list of abandoned parts in a `.FAILED` note. Errors: ARCHIVE_CORRUPT, those of the store. */
export async function readFailedNote(
  file: ArchiveFile,
  member: Member,
  signal?: AbortSignal,
): Promise<{ readonly path: string; readonly table: PartTable }> {
  const path = member.name.slice(0, -failedName('').length);
  const table = new PartTable();
  await readText(file, member, {
    signal,
    onLine: (line) => {
      if (!line.startsWith('# ') || table.length > 0) addRow({ file, name: member.name, table, path }, line);
    },
  });
  return { path, table };
}

function addRow(place: { file: ArchiveFile; name: string; table: PartTable; path: string }, line: string): void {
  const { file, name, table, path } = place;
  try {
    appendLine(table, path, line);
  } catch (error) {
    throw file.corrupt(name, (error as Error).message, error);
  }
  const index = table.length - 1;
  const part = table.at(index);
  const previousEnd = index === 0 ? 0 : table.at(index - 1).offset + table.at(index - 1).length;
  if (part.length < smallestMember || part.offset < previousEnd || part.offset + part.length > file.bytes)
    throw file.corrupt(name, `row ${String(index + 1)} lies outside the file or out of order`);
}

/** Takes a tar entry apart as it is inflated: header, lines, padding. Holds at most one line. */
class TextEntryReader {
  readonly #file: ArchiveFile;
  readonly #name: string;
  readonly #onLine: (line: string) => void;
  readonly #hash = createHash('sha256');
  readonly #decoder = new StringDecoder('utf8');
  #start: Buffer | undefined = Buffer.alloc(0);
  #bytes = 0;
  #left = 0;
  #padding = 0;
  #line = '';

  constructor(file: ArchiveFile, name: string, onLine: (line: string) => void) {
    this.#file = file;
    this.#name = name;
    this.#onLine = onLine;
  }

  take(chunk: Buffer): void {
    const rest = this.#start === undefined ? chunk : this.#header(Buffer.concat([this.#start, chunk]));
    const content = rest.subarray(0, this.#left);
    this.#left -= content.length;
    this.#hash.update(content);
    this.#lines(this.#decoder.write(content));
    const padding = rest.subarray(content.length);
    this.#padding -= padding.length;
    if (this.#padding < 0 || padding.some((byte) => byte !== 0))
      throw this.#file.corrupt(this.#name, 'something follows its content');
  }

  end(): TextDigest {
    if (this.#start !== undefined || this.#left > 0 || this.#padding > 0 || this.#line !== '')
      throw this.#file.corrupt(this.#name, 'its data are cut');
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }

  #header(start: Buffer): Buffer {
    if (start.length < headerBytesOf(this.#name)) {
      this.#start = start;
      return Buffer.alloc(0);
    }
    const { headerBytes, bytes } = this.#file.checkHeader(this.#name, start);
    this.#start = undefined;
    this.#bytes = bytes;
    this.#left = bytes;
    this.#padding = paddingAfter(bytes);
    return start.subarray(headerBytes);
  }

  #lines(text: string): void {
    const lines = `${this.#line}${text}`.split('\n');
    this.#line = lines.pop() ?? '';
    if (this.#line.length > longestLine) throw this.#file.corrupt(this.#name, 'it has a line that is too long');
    for (const line of lines) this.#onLine(line);
  }
}

/** Header, trailer and empty data: bounds how many rows a file of some size can have. */
const smallestMember = 20;
/** Of a table or note; the reason in a note may be long. */
const longestLine = 1024 * 1024;
