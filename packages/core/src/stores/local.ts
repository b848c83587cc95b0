import { randomBytes } from 'node:crypto';
import { open, readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BackupError } from '../model/errors.js';
import { throwIfAborted } from './abort.js';
import { fileRange } from './local-body.js';
import { localError, localReadError, systemCode } from './local-errors.js';
import { sweepDirectory } from './local-sweep.js';
import { beginUpload, createWhole, syncDirectory, unlinkIfThere } from './local-upload.js';
import { isObjectName, requireObjectName } from './naming.js';
import type { Entry, Store, StoreDriver } from './store.js';

/**
 * A directory as a target. The directory must exist: it is never created, because a missing one may be an unmounted share.
 * Errors: TARGET_MISSING.
 */
export async function openLocalStore(directory: string): Promise<Store> {
  await requireDirectory(directory);
  return {
    description: directory,
    begin: async (name, { signal, runId }) => {
      requireObjectName(name);
      await requireDirectory(directory);
      return beginUpload(directory, name, { signal, runId });
    },
    create: (name, content) => createObject(directory, name, content),
    get: async (name, options = {}) => {
      throwIfAborted(options.signal);
      return readObject(directory, name, options);
    },
    stat: (name) => entryOf(directory, name),
    list: (prefix, options = {}) => listEntries(directory, prefix, options.signal),
    remove: async (name) => {
      if (!isObjectName(name)) return;
      try {
        await unlinkIfThere(join(directory, name));
        await syncDirectory(directory);
      } catch (error) {
        throw localError(error, directory);
      }
    },
    freeBytes: () => freeBytes(directory),
    sweep: (olderThan) => sweepDirectory(directory, olderThan),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** `file:///path`, which is also what a plain path becomes. */
export const localDriver: StoreDriver = {
  scheme: 'file',
  open: async (target) => {
    let directory: string;
    try {
      directory = fileURLToPath(target);
    } catch (cause) {
      throw new BackupError('TARGET_UNSUPPORTED', `target ${target.href} is not a local path`, {
        hint: 'write file:///absolute/path, with three slashes, or the plain path',
        cause,
      });
    }
    return openLocalStore(directory.length > 1 ? directory.replace(/\/+$/, '') : directory);
  },
};

async function requireDirectory(directory: string): Promise<void> {
  try {
    await requireKind(directory);
  } catch (error) {
    throw localReadError(error, directory);
  }
}

async function requireKind(directory: string): Promise<void> {
  if ((await stat(directory)).isDirectory()) return;
  throw Object.assign(new Error(`${directory} is a file`), { code: 'ENOTDIR' });
}

async function createObject(directory: string, name: string, content: Uint8Array): Promise<boolean> {
  requireObjectName(name);
  const token = randomBytes(8).toString('hex');
  const created = await createWhole(directory, { name, as: name, token, content });
  if (created) await syncDirectory(directory);
  return created;
}

async function readObject(
  directory: string,
  name: string,
  options: Parameters<Store['get']>[1] & object,
): ReturnType<Store['get']> {
  if (!isObjectName(name)) throw objectMissing(directory, name);
  try {
    const handle = await open(join(directory, name), 'r');
    const facts = await handle.stat();
    if (!facts.isFile()) {
      await handle.close();
      throw objectMissing(directory, name);
    }
    const start = options.range?.start ?? 0;
    const end = Math.min(options.range?.end ?? facts.size, facts.size);
    return fileRange(handle, directory, { start, end }, options.signal);
  } catch (error) {
    throw readError(error, directory, name);
  }
}

function objectMissing(directory: string, name: string, cause?: unknown): BackupError {
  return new BackupError('OBJECT_MISSING', `there is no ${name} in ${directory}`, { cause });
}

function readError(error: unknown, directory: string, name: string): BackupError {
  const code = systemCode(error);
  if (code === 'ENOENT') return objectMissing(directory, name, error);
  if (code !== 'EACCES' && code !== 'EPERM') return localError(error, directory);
  return new BackupError('OBJECT_UNREADABLE', `${name} in ${directory} may not be read`, {
    hint: 'give the user who runs lsbackup permission to read it',
    cause: error,
  });
}

async function entryOf(directory: string, name: string): Promise<Entry | undefined> {
  if (!isObjectName(name)) return undefined;
  try {
    const facts = await stat(join(directory, name));
    return facts.isFile() ? { name, bytes: facts.size, modified: facts.mtime } : undefined;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw localReadError(error, directory);
  }
}

/** What users other than root may take (statvfs(3), f_bavail). A network or FUSE mount without a size says 0 of 0. */
async function freeBytes(directory: string): Promise<number | undefined> {
  try {
    const { bavail, blocks, bsize } = await statfs(directory);
    return blocks === 0 ? undefined : bavail * bsize;
  } catch (error) {
    throw localReadError(error, directory);
  }
}

async function* listEntries(directory: string, prefix: string, signal: AbortSignal | undefined): AsyncGenerator<Entry> {
  const names = await readdir(directory).catch((error: unknown) => {
    throw localReadError(error, directory);
  });
  for (const name of names.filter((each) => isObjectName(each) && each.startsWith(prefix)).sort()) {
    throwIfAborted(signal);
    const entry = await entryOf(directory, name);
    if (entry !== undefined) yield entry;
  }
}
