import { buffer } from 'node:stream/consumers';
import type { Readable } from 'node:stream';

import { asBackupError, BackupError } from '../model/errors.js';
import type { Member } from '../model/metadata.js';
import type { Store } from '../stores/store.js';
import { maximumPartBytes, maximumStoredPartBytes } from './limits.js';
import { inflateMember, inflateUpTo, sha256Hex } from './gzip.js';
import {
  blockBytes,
  entryBytes,
  headerBytesOf,
  modifiedField,
  paddingAfter,
  sizeField,
  tarHeader,
} from './tar-header.js';

/** An entry that holds an artifact or a part of one, as its record describes it. */
export interface RecordedEntry extends Member {
  /** Of the content. */
  readonly bytes: number;
  readonly contentSha256: string;
}

/** ARCHIVE_CORRUPT that knows which entry it is about. */
export class CorruptEntry extends BackupError {
  readonly entry: string;
  readonly problem: string;

  constructor(archive: string, place: { readonly entry: string; readonly problem: string }, cause?: unknown) {
    super('ARCHIVE_CORRUPT', `${archive}: ${place.entry}: ${place.problem}`, { cause });
    this.entry = place.entry;
    this.problem = place.problem;
  }
}

/** The bytes of one archive at a store, read by range; every error names archive and entry. */
export class ArchiveFile {
  readonly #store: Pick<Store, 'get'>;
  readonly name: string;
  readonly bytes: number;

  constructor(store: Pick<Store, 'get'>, name: string, bytes: number) {
    this.#store = store;
    this.name = name;
    this.bytes = bytes;
  }

  corrupt(entry: string, problem: string, cause?: unknown): CorruptEntry {
    return new CorruptEntry(this.name, { entry, problem }, cause);
  }

  /** Streams `length` bytes from `offset`. The store's errors pass as they are. */
  stream(offset: number, length: number, signal?: AbortSignal): Promise<Readable> {
    return this.#store.get(this.name, {
      range: { start: offset, end: offset + length },
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** Exactly these bytes; the caller has made sure that they are not too many to hold. */
  async read(offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    if (length === 0) return Buffer.alloc(0);
    const bytes = await buffer(await this.stream(offset, length, signal)).catch((error: unknown) => {
      throw asBackupError(error);
    });
    if (bytes.length !== length)
      throw this.corrupt(
        'file',
        `${String(length)} bytes at ${String(offset)} were asked for, ${String(bytes.length)} came`,
      );
    return bytes;
  }

  /** Reads one entry that holds data and checks everything that is recorded of it. Errors: ARCHIVE_CORRUPT, those of the store. */
  async readEntry(entry: RecordedEntry, signal?: AbortSignal): Promise<Buffer> {
    this.checkPlace(entry);
    if (entry.bytes > maximumPartBytes || entry.length > maximumStoredPartBytes)
      throw this.corrupt(entry.name, 'its recorded size is more than one entry may have');
    return this.checkEntry(entry, await this.read(entry.offset, entry.length, signal));
  }

  /** The content of an entry whose stored bytes are `stored`. Errors: ARCHIVE_CORRUPT. */
  async checkEntry(entry: RecordedEntry, stored: Buffer): Promise<Buffer> {
    if (sha256Hex(stored) !== entry.sha256)
      throw this.corrupt(entry.name, 'its stored bytes do not match their recorded hash');
    const headerBytes = headerBytesOf(entry.name);
    const inflated = await this.#inflate(entry.name, () => inflateMember(stored, entryBytes(headerBytes, entry.bytes)));
    this.#checkTar(entry.name, inflated, headerBytes, entry.bytes);
    const content = inflated.subarray(headerBytes, headerBytes + entry.bytes);
    if (sha256Hex(content) !== entry.contentSha256)
      throw this.corrupt(entry.name, 'its content does not match its recorded hash');
    return content;
  }

  /** The content of a text entry of unknown size, at most `maximum` bytes. Errors: ARCHIVE_CORRUPT. */
  async inflateText(stored: Buffer, name: string, maximum: number): Promise<Buffer> {
    const inflated = await this.#inflate(name, () => inflateUpTo(stored, maximum));
    const { headerBytes, bytes } = this.checkHeader(name, inflated);
    if (inflated.length !== entryBytes(headerBytes, bytes))
      throw this.corrupt(name, 'its tar header has another size than its data');
    this.#checkTar(name, inflated, headerBytes, bytes);
    return inflated.subarray(headerBytes, headerBytes + bytes);
  }

  /** Size of header and content from the header that `start` begins with, which must be the one we write for `name`. Errors: ARCHIVE_CORRUPT. */
  checkHeader(name: string, start: Buffer): { headerBytes: number; bytes: number } {
    const headerBytes = headerBytesOf(name);
    if (start.length < headerBytes) throw this.corrupt(name, 'its tar header is cut');
    const block = start.subarray(headerBytes - blockBytes, headerBytes);
    const bytes = sizeField(block);
    const modified = modifiedField(block);
    const expected = bytes === undefined || modified === undefined ? undefined : tarHeader({ name, bytes, modified });
    if (bytes === undefined || expected?.equals(start.subarray(0, headerBytes)) !== true)
      throw this.corrupt(name, 'its tar header is not the one of this entry');
    return { headerBytes, bytes };
  }

  /** The member lies inside the file. Errors: ARCHIVE_CORRUPT. */
  checkPlace(member: Member): void {
    const { name, offset, length } = member;
    if (!Number.isSafeInteger(offset + length) || offset + length > this.bytes || length === 0)
      throw this.corrupt(name, 'its recorded place is outside the file');
  }

  #checkTar(name: string, inflated: Buffer, headerBytes: number, bytes: number): void {
    if (this.checkHeader(name, inflated).bytes !== bytes)
      throw this.corrupt(name, 'its tar header has another size than recorded');
    const end = headerBytes + bytes;
    if (!inflated.subarray(end).equals(Buffer.alloc(paddingAfter(bytes))))
      throw this.corrupt(name, 'the padding after its content is not zero');
  }

  async #inflate(name: string, inflate: () => Promise<Buffer>): Promise<Buffer> {
    try {
      return await inflate();
    } catch (cause) {
      throw this.corrupt(name, `it cannot be decompressed: ${(cause as Error).message}`, cause);
    }
  }
}
