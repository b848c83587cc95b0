import { open } from 'node:fs/promises';

import type { Archive, ByteRange } from '../archive/archive.js';
import { abortError, BackupError } from '../model/errors.js';
import type { ArtifactRecord } from '../model/metadata.js';
import { bytesOfText } from '../model/byte-names.js';
import { writeError } from './write-errors.js';

export interface ContentOptions {
  /** Only what lies in these; everything unless set. */
  readonly ranges?: readonly ByteRange[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * An artifact's content, never more than the archive says it has. Errors: ARCHIVE_CORRUPT when the length is another, the
 * abort reason, what reading the archive throws.
 */
export async function* artifactContent(
  archive: Archive,
  artifact: ArtifactRecord,
  { ranges, signal }: ContentOptions = {},
): AsyncGenerator<Buffer, void, undefined> {
  const source: AsyncIterable<Buffer> = await archive.read(artifact.path, {
    ...(signal && { signal }),
    ...(ranges && { ranges }),
  });
  const expected = ranges?.reduce((sum, { start, end }) => sum + end - start, 0) ?? artifact.bytes;
  let bytes = 0;
  for await (const piece of source) {
    if (signal?.aborted === true) throw abortError(signal);
    bytes += piece.length;
    if (bytes > expected) throw otherLength(artifact);
    yield piece;
  }
  if (bytes !== expected) throw otherLength(artifact);
}

/** Makes a new file, 0600, with this content, on disk when it returns. Errors: EXTRACT_EXISTS, TARGET_NO_SPACE, TARGET_IO and others of its kind. */
export async function writeArtifactFile(file: string, content: AsyncIterable<Buffer>): Promise<void> {
  const handle = await open(file, 'wx', 0o600).catch(rethrow(file));
  try {
    for await (const piece of content) await handle.writeFile(piece).catch(rethrow(file));
    await handle.sync().catch(rethrow(file));
  } finally {
    await handle.close();
  }
}

function rethrow(file: string): (cause: unknown) => never {
  return (cause) => {
    throw writeError(bytesOfText(file), cause);
  };
}

function otherLength(artifact: ArtifactRecord): BackupError {
  return new BackupError(
    'ARCHIVE_CORRUPT',
    `${artifact.path} has not the ${artifact.bytes} bytes that the metadata says`,
  );
}
