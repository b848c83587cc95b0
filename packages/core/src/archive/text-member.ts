import type { Writable } from 'node:stream';
import { createGzip } from 'node:zlib';

import { gzipHeader } from './gzip.js';
import { paddingAfter, tarHeader } from './tar-header.js';

/** An entry whose content is made when its turn has come, piece by piece; of any size. */
export interface TextEntry {
  readonly name: string;
  /** Called twice, to measure and to write; both times it must yield the same. Not before everything submitted earlier is stored. */
  readonly pieces: () => Iterable<string>;
}

/** The member of a text entry, piece by piece; memory does not depend on the text's size. `onContent` sees the content once. */
export async function* textMember(
  { name, pieces }: TextEntry,
  options: { readonly level: number; readonly modified: number; readonly onContent: (bytes: Buffer) => void },
): AsyncGenerator<Buffer> {
  let bytes = 0;
  for (const piece of batches(pieces())) bytes += piece.length;
  const compressor = createGzip({ level: options.level, chunkSize: textBatchBytes });
  const feed = async (): Promise<void> => {
    await give(compressor, tarHeader({ name, bytes, modified: options.modified }));
    for (const piece of batches(pieces())) {
      options.onContent(piece);
      await give(compressor, piece);
    }
    compressor.end(Buffer.alloc(paddingAfter(bytes)));
  };
  // A failure to feed ends the loop below, which reports it.
  feed().catch((error: unknown) => compressor.destroy(error as Error));
  let first = true;
  for await (const piece of compressor as AsyncIterable<Buffer>) {
    if (first) gzipHeader.copy(piece);
    first = false;
    yield piece;
  }
}

const textBatchBytes = 256 * 1024;

/** Short strings joined to buffers that are worth a call. */
function* batches(pieces: Iterable<string>): Generator<Buffer> {
  let batch: string[] = [];
  let length = 0;
  for (const piece of pieces) {
    batch.push(piece);
    length += piece.length;
    if (length < textBatchBytes) continue;
    yield Buffer.from(batch.join(''), 'utf8');
    batch = [];
    length = 0;
  }
  if (length > 0) yield Buffer.from(batch.join(''), 'utf8');
}

function give(stream: Writable, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => stream.write(bytes, (error) => (error ? reject(error) : resolve())));
}
