import { BackupError } from '../model/errors.js';
import { printable } from '../model/byte-names.js';
import { ByteReader } from './byte-reader.js';
import type { PlacedMember } from '../formats/tar-entries.js';
import { blockSize, paddingOf, parseHeader } from '../formats/tar-header.js';
import type { TarHeader } from '../formats/tar-header.js';
import { extendedBy, isExtension, longestExtension, tarMember } from '../formats/tar-member.js';
import type { Extensions } from '../formats/tar-member.js';

/** One member on its way out of a tar stream. */
export interface TarEntry extends PlacedMember {
  /** The content. What is not read is skipped when the next entry is asked for. */
  readonly body: AsyncIterable<Buffer>;
}

/**
 * Members of a tar stream in order: POSIX (PAX), ustar, GNU and V7 headers. Strict on purpose: where two readers could understand
 * a stream differently it is refused. (tar-stream decodes PAX names as UTF-8, which loses other names, and takes a stream without an end mark.)
 *
 * `bytes` is the length the stream must have. Errors: ARCHIVE_CORRUPT (not a whole tar stream), ARCHIVE_HOSTILE (devices,
 * sizes that cannot be), EXTRACT_UNSUPPORTED (GNU dump and volume members).
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
      yield entry;
      await locate(offset, () => reader.skip(offset + entry.length - reader.offset));
    }
  } finally {
    await reader.close();
  }
}

/** The next member, or undefined behind the end mark. */
async function nextEntry(reader: ByteReader): Promise<TarEntry | undefined> {
  const { offset } = reader;
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
    if (isExtension(header.type)) {
      extensions = extendedBy(extensions, header.type, await extensionBody(reader, header));
      continue;
    }
    const member = tarMember(header, extensions);
    if (header.type === 'S') await skipSparseMaps(reader, block);
    const content = member.size + paddingOf(member.size);
    if (content > reader.remaining)
      throw new BackupError(
        'ARCHIVE_HOSTILE',
        `${printable(member.name)} claims ${member.size} bytes, more than the stream has left`,
      );
    return { ...member, offset, length: reader.offset - offset + content, body: reader.upTo(member.size) };
  }
}

async function extensionBody(reader: ByteReader, header: TarHeader): Promise<Buffer> {
  if (header.size > longestExtension)
    throw new BackupError('ARCHIVE_HOSTILE', `a header of ${header.size} bytes stands in front of a member`);
  const body = await reader.exactly(header.size);
  await reader.skip(paddingOf(header.size));
  return body;
}

/** Maps of an old GNU sparse file that found no room in its header. */
async function skipSparseMaps(reader: ByteReader, header: Buffer): Promise<void> {
  for (let more = header[482]; more !== 0;) more = (await reader.exactly(blockSize))[504];
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
