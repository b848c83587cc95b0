import { Readable, Writable } from 'node:stream';
import { abortError, BackupError } from '../model/errors.js';
import { isObjectName, numberedName, requireObjectName } from './naming.js';
import type { Entry, Store, StoreDriver, Upload } from './store.js';

interface StoredObject {
  readonly content: Buffer;
  readonly modified: Date;
}

/** Objects in this process's memory, for tests and small programs. `capacity` in bytes: beyond it TARGET_NO_SPACE. */
export function createMemoryStore(options: { readonly capacity?: number } = {}): Store {
  const objects = new Map<string, StoredObject>();
  const claims = new Set<string>();
  const capacity = options.capacity ?? Number.POSITIVE_INFINITY;
  const stored = (): number => [...objects.values()].reduce((sum, object) => sum + object.content.length, 0);

  const put = (name: string, content: Buffer): void => {
    if (stored() + content.length > capacity) throw noSpace();
    objects.set(name, { content, modified: new Date() });
  };

  return {
    description: 'memory',
    begin: (name, { signal }) => {
      requireObjectName(name);
      if (signal.aborted) return Promise.reject(abortError(signal));
      let attempt = 0;
      while (objects.has(numberedName(name, attempt)) || claims.has(numberedName(name, attempt))) attempt++;
      const settled = numberedName(name, attempt);
      claims.add(settled);
      return Promise.resolve(
        memoryUpload({
          name: settled,
          signal,
          room: () => capacity - stored(),
          publish: (content) => {
            if (objects.has(settled)) throw new BackupError('TARGET_IO', `${settled} appeared in memory meanwhile`);
            put(settled, content);
          },
          release: () => claims.delete(settled),
        }),
      );
    },
    create: (name, content) => {
      requireObjectName(name);
      if (objects.has(name)) return Promise.resolve(false);
      put(name, Buffer.from(content));
      return Promise.resolve(true);
    },
    get: (name, { range, signal } = {}) => {
      if (signal?.aborted === true) return Promise.reject(abortError(signal));
      const object = objects.get(name);
      if (object === undefined)
        return Promise.reject(new BackupError('OBJECT_MISSING', `there is no ${name} in memory`));
      const content = range === undefined ? object.content : object.content.subarray(range.start, range.end);
      return Promise.resolve(readBuffer(content, signal));
    },
    stat: (name) => Promise.resolve(entryOf(name, objects.get(name))),
    async *list(prefix, { signal } = {}) {
      for (const name of [...objects.keys()].filter((each) => isObjectName(each) && each.startsWith(prefix)).sort()) {
        if (signal?.aborted === true) throw abortError(signal);
        const entry = await Promise.resolve(entryOf(name, objects.get(name)));
        if (entry !== undefined) yield entry;
      }
    },
    remove: (name) => {
      objects.delete(name);
      return Promise.resolve();
    },
    // Whoever claimed a name here is this process, so no claim has lost its owner.
    sweep: () => Promise.resolve([]),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** `memory:` opens a new, empty store each time. */
export const memoryDriver: StoreDriver = { scheme: 'memory', open: () => Promise.resolve(createMemoryStore()) };

interface UploadParts {
  readonly name: string;
  readonly signal: AbortSignal;
  room(): number;
  publish(content: Buffer): void;
  release(): void;
}

function memoryUpload({ name, signal, room, publish, release }: UploadParts): Upload {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let aborted = false;
  let commit: Promise<void> | undefined;
  const body = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      bytes += chunk.length;
      if (bytes > room()) {
        callback(noSpace());
        return;
      }
      chunks.push(Buffer.from(chunk));
      callback();
    },
  });
  body.on('error', () => undefined);
  const stop = (): void => {
    body.destroy(abortError(signal));
  };
  signal.addEventListener('abort', stop, { once: true });

  const settle = async (stillOwner: () => Promise<boolean>): Promise<void> => {
    if (aborted) throw new BackupError('ABORTED', `${name} was given up before it was committed`);
    if (signal.aborted) throw abortError(signal);
    if (body.errored) throw body.errored;
    if (!body.writableFinished) throw new BackupError('INTERNAL', `${name}: commit before its body has finished`);
    if (!(await stillOwner())) throw new BackupError('ABORTED', `${name} is no longer this run's to publish`);
    if (signal.aborted) throw abortError(signal);
    publish(Buffer.concat(chunks));
    release();
    signal.removeEventListener('abort', stop);
  };

  return {
    name,
    body,
    commit: ({ stillOwner }) => (commit ??= settle(stillOwner)),
    abort: async () => {
      aborted = true;
      await commit?.catch(() => undefined);
      signal.removeEventListener('abort', stop);
      chunks.length = 0;
      body.destroy();
      release();
    },
  };
}

function readBuffer(content: Buffer, signal: AbortSignal | undefined): Readable {
  const stream = Readable.from(content.length === 0 ? [] : [content], { objectMode: false });
  const stop = (): void => {
    if (signal !== undefined) stream.destroy(abortError(signal));
  };
  signal?.addEventListener('abort', stop, { once: true });
  stream.once('close', () => signal?.removeEventListener('abort', stop));
  return stream;
}

function entryOf(name: string, object: StoredObject | undefined): Entry | undefined {
  return object === undefined ? undefined : { name, bytes: object.content.length, modified: object.modified };
}

function noSpace(): BackupError {
  return new BackupError('TARGET_NO_SPACE', 'target memory has no space left');
}
