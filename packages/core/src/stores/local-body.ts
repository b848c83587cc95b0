import type { FileHandle } from 'node:fs/promises';
import { Readable, Writable } from 'node:stream';
import { destroyOnAbort } from './abort.js';
import { localError, localReadError } from './local-errors.js';

const readBlock = 1024 * 1024;
/** Bytes after which what was written is sent to the disk, while more is made: the commit would otherwise wait for all of it at the end. */
const syncEvery = 64 * 1024 * 1024;

/** Writes to `handle`, which stays open: the commit has to fsync it. Errors are the store's own. */
export function fileBody(handle: FileHandle, directory: string, signal: AbortSignal): Writable {
  let unsynced = 0;
  let syncing: Promise<void> | undefined;
  const put = (chunks: readonly Uint8Array[], callback: (error?: Error) => void): void => {
    writeAll(handle, chunks).then(
      () => {
        unsynced += chunks.reduce((sum, chunk) => sum + chunk.length, 0);
        if (unsynced >= syncEvery && syncing === undefined) syncing = sync();
        callback();
      },
      (error: unknown) => callback(localError(error, directory)),
    );
  };
  // The kernel tells an error of writing back once: this sync may be the one that hears of it, and the commit's would not.
  const sync = async (): Promise<void> => {
    unsynced = 0;
    try {
      await handle.datasync();
    } catch (error) {
      body.destroy(localError(error, directory));
    }
    syncing = undefined;
  };
  const body = new Writable({
    highWaterMark: readBlock,
    write: (chunk: Buffer, _encoding, callback) => put([chunk], callback),
    writev: (entries, callback) =>
      put(
        entries.map((entry) => entry.chunk as Buffer),
        callback,
      ),
    // Whether it failed is known before the body is finished, and the file is not closed beneath it.
    final: (callback) => void (syncing ?? Promise.resolve()).then(() => callback()),
    destroy: (error, callback) => void (syncing ?? Promise.resolve()).then(() => callback(error)),
  });
  // Whoever feeds the body sees its error; when nobody does yet, the commit reports it instead of an unhandled event.
  body.on('error', () => undefined);
  destroyOnAbort(body, signal);
  return body;
}

/** `writev` may write less than it was given (a full disk, a signal), so the rest goes again. */
async function writeAll(handle: FileHandle, chunks: readonly Uint8Array[]): Promise<void> {
  for (const chunk of chunks) {
    let offset = 0;
    while (offset < chunk.length) offset += (await handle.write(chunk, offset, chunk.length - offset)).bytesWritten;
  }
}

/** Bytes `[start, end)` of an open file, which is closed when the stream is. */
export function fileRange(
  handle: FileHandle,
  directory: string,
  range: { start: number; end: number },
  signal?: AbortSignal,
): Readable {
  let position = range.start;
  const stream = new Readable({
    highWaterMark: readBlock,
    read() {
      const wanted = Math.min(readBlock, range.end - position);
      if (wanted <= 0) {
        this.push(null);
        return;
      }
      handle.read(Buffer.allocUnsafe(wanted), 0, wanted, position).then(
        ({ bytesRead, buffer }) => {
          position += bytesRead;
          this.push(bytesRead === 0 ? null : buffer.subarray(0, bytesRead));
        },
        (error: unknown) => this.destroy(localReadError(error, directory)),
      );
    },
    destroy(error, callback) {
      handle.close().then(
        () => callback(error),
        (closeError: unknown) => callback(error ?? localReadError(closeError, directory)),
      );
    },
  });
  destroyOnAbort(stream, signal);
  return stream;
}
