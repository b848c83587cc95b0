import { Readable, Writable } from 'node:stream';
import { BackupError } from '../model/errors.js';
import { destroyOnAbort, throwIfAborted } from './abort.js';
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
    begin: (wanted, { signal }) =>
      promised(() => {
        requireObjectName(wanted);
        throwIfAborted(signal);
        const name = freeName(wanted, (candidate) => objects.has(candidate) || claims.has(candidate));
        claims.add(name);
        return memoryUpload({
          name,
          signal,
          room: () => capacity - stored(),
          publish: (content) => {
            if (objects.has(name)) throw new BackupError('TARGET_IO', `${name} appeared in memory meanwhile`);
            put(name, content);
          },
          release: () => claims.delete(name),
        });
      }),
    create: (name, content) =>
      promised(() => {
        requireObjectName(name);
        if (objects.has(name)) return false;
        put(name, Buffer.from(content));
        return true;
      }),
    get: (name, { range, signal } = {}) =>
      promised(() => {
        throwIfAborted(signal);
        const object = objects.get(name);
        if (object === undefined) throw new BackupError('OBJECT_MISSING', `there is no ${name} in memory`);
        const content = range === undefined ? object.content : object.content.subarray(range.start, range.end);
        return readBuffer(content, signal);
      }),
    stat: (name) => Promise.resolve(entryOf(name, objects.get(name))),
    async *list(prefix, { signal } = {}) {
      for (const name of [...objects.keys()].filter((each) => isObjectName(each) && each.startsWith(prefix)).sort()) {
        throwIfAborted(signal);
        const entry = await Promise.resolve(entryOf(name, objects.get(name)));
        if (entry !== undefined) yield entry;
      }
    },
    freeBytes: () => Promise.resolve(capacity === Number.POSITIVE_INFINITY ? undefined : capacity - stored()),
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

/** The result, or what was thrown, as a promise. */
function promised<Value>(action: () => Value): Promise<Value> {
  return Promise.resolve().then(action);
}

function freeName(wanted: string, taken: (name: string) => boolean): string {
  let attempt = 0;
  while (taken(numberedName(wanted, attempt))) attempt++;
  return numberedName(wanted, attempt);
}

interface UploadParts {
  readonly name: string;
  readonly signal: AbortSignal;
  readonly room: () => number;
  readonly publish: (content: Buffer) => void;
  readonly release: () => void;
}

function memoryUpload({ name, signal, room, publish, release }: UploadParts): Upload {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let commit: Promise<void> | undefined;
  let abort: Promise<void> | undefined;
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
  // Whoever feeds the body sees its error; when nobody does yet, the commit reports it instead of an unhandled event.
  body.on('error', () => undefined);
  destroyOnAbort(body, signal);

  const settle = async (stillOwner: () => Promise<boolean>): Promise<void> => {
    if (abort !== undefined) throw new BackupError('ABORTED', `${name} was given up before it was committed`);
    throwIfAborted(signal);
    if (body.errored) throw body.errored;
    if (!body.writableFinished) throw new BackupError('INTERNAL', `${name}: commit before its body has finished`);
    if (!(await stillOwner())) throw new BackupError('ABORTED', `${name} is no longer this run's to publish`);
    throwIfAborted(signal);
    publish(Buffer.concat(chunks));
    release();
  };

  const discard = async (): Promise<void> => {
    const committed = await commit?.then(
      () => true,
      () => false,
    );
    body.destroy();
    chunks.length = 0;
    if (committed !== true) release();
  };

  return {
    name,
    body,
    commit: (options) => (commit ??= settle(() => options.stillOwner())),
    abort: () => (abort ??= discard()),
  };
}

function readBuffer(content: Buffer, signal: AbortSignal | undefined): Readable {
  const stream = Readable.from(content.length === 0 ? [] : [content], { objectMode: false });
  destroyOnAbort(stream, signal);
  return stream;
}

function entryOf(name: string, object: StoredObject | undefined): Entry | undefined {
  return object === undefined ? undefined : { name, bytes: object.content.length, modified: object.modified };
}

function noSpace(): BackupError {
  return new BackupError('TARGET_NO_SPACE', 'target memory has no space left');
}
