import { randomBytes } from 'node:crypto';
import { link, lstat, open, readFile, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { BackupError } from '../model/errors.js';
import { throwIfAborted } from './abort.js';
import { fileBody } from './local-body.js';
import { lateLocalError, localError, systemCode } from './local-errors.js';
import { numberedName } from './naming.js';
import { parseOwner, thisOwner } from './owner.js';
import type { Upload } from './store.js';

/*
 * What stands in the directory while archive NAME is being written:
 *   .NAME.claim              who writes it (JSON); made by link(2), so it appears whole or not at all
 *   .NAME.<token>.partial    the bytes so far
 * and for an instant .NAME.<token>.new, a claim or small object before it gets its name.
 */
export const claimPattern = /^\.(.+)\.claim$/;
export const partialPattern = /^\.(.+)\.([0-9a-f]{16})\.(partial|new)$/;

const maximumAttempts = 10_000;

/** Settles a name and opens it; see `Store.begin`. */
export async function beginUpload(
  directory: string,
  wanted: string,
  options: { readonly signal: AbortSignal; readonly runId: string },
): Promise<Upload> {
  throwIfAborted(options.signal);
  const token = randomBytes(8).toString('hex');
  const content = Buffer.from(`${JSON.stringify(await thisOwner(token, options.runId))}\n`);
  const name = await claimName(directory, wanted, { token, content });
  const claim = join(directory, `.${name}.claim`);
  const partial = join(directory, `.${name}.${token}.partial`);
  let handle: FileHandle;
  try {
    handle = await open(partial, 'wx', 0o600);
  } catch (error) {
    await unlinkIfThere(claim);
    throw localError(error, directory);
  }
  return localUpload({ directory, name, token, claim, partial, handle, signal: options.signal });
}

interface Paths {
  readonly directory: string;
  readonly name: string;
  readonly token: string;
  readonly claim: string;
  readonly partial: string;
  readonly handle: FileHandle;
  readonly signal: AbortSignal;
}

function localUpload(upload: Paths): Upload {
  const { directory, name, claim, partial, handle, signal } = upload;
  const body = fileBody(handle, directory, signal);
  let commit: Promise<void> | undefined;
  let abort: Promise<void> | undefined;
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => (closed ??= handle.close());

  const publish = async (stillOwner: () => Promise<boolean>): Promise<void> => {
    if (abort !== undefined) throw new BackupError('ABORTED', `${name} was given up before it was committed`);
    throwIfAborted(signal);
    if (body.errored) throw lateLocalError(body.errored, directory);
    if (!body.writableFinished) throw new BackupError('INTERNAL', `${name}: commit before its body has finished`);
    await handle.sync();
    await close();
    await requireOwnership(upload, stillOwner);
    throwIfAborted(signal);
    await linkDurably(partial, { directory, name });
    // The archive stands now, so nothing may fail any more; what cannot be removed is swept by a later run.
    await tidy().catch(() => undefined);
  };

  const tidy = async (): Promise<void> => {
    await unlinkIfThere(partial);
    if ((await claimHolder(upload)) === 'us') await unlinkIfThere(claim);
  };

  const discard = async (): Promise<void> => {
    // A commit under way decides first: a committed object stays.
    await commit?.catch(() => undefined);
    await destroyed(body);
    await close();
    await tidy();
  };

  return {
    name,
    body,
    commit: (options) =>
      (commit ??= publish(() => options.stillOwner()).catch((error: unknown) => {
        throw lateLocalError(error, directory);
      })),
    abort: () =>
      (abort ??= discard().catch((error: unknown) => {
        throw lateLocalError(error, directory);
      })),
  };
}

/** Gives the archive its name, or takes it back when it may not outlast a crash: whoever is told of a failure finds nothing published. */
async function linkDurably(partial: string, { directory, name }: Pick<Paths, 'directory' | 'name'>): Promise<void> {
  const final = join(directory, name);
  await link(partial, final);
  try {
    await syncDirectory(directory);
  } catch (error) {
    await unlinkIfThere(final);
    throw error;
  }
}

/** A claim that somebody removed is no reason to lose a finished archive: `link` still never overwrites. One that is another's is. */
async function requireOwnership(upload: Paths, stillOwner: () => Promise<boolean>): Promise<void> {
  const ours = (await claimHolder(upload)) !== 'other' && (await stillOwner());
  if (!ours) throw new BackupError('ABORTED', `${upload.name} is no longer this run's to publish`);
}

async function claimHolder({ claim, token }: Paths): Promise<'us' | 'other' | 'nobody'> {
  const text = await readFile(claim, 'utf8').catch(() => undefined);
  if (text === undefined) return 'nobody';
  return parseOwner(text)?.token === token ? 'us' : 'other';
}

/** Waits for a write under way, so that the file is not closed beneath it. */
async function destroyed(body: Upload['body']): Promise<void> {
  if (body.closed) return;
  await new Promise<void>((resolve) => {
    body.once('close', resolve);
    body.destroy();
  });
}

async function claimName(
  directory: string,
  wanted: string,
  claimant: { readonly token: string; readonly content: Uint8Array },
): Promise<string> {
  for (let attempt = 0; attempt < maximumAttempts; attempt++) {
    const name = numberedName(wanted, attempt);
    const final = join(directory, name);
    if (await exists(final, directory)) continue;
    if (!(await createWhole(directory, { name, as: `.${name}.claim`, ...claimant }))) continue;
    if (!(await exists(final, directory))) return name;
    // Another run committed this name and let go of its claim between the two looks.
    await unlinkIfThere(join(directory, `.${name}.claim`));
  }
  throw new BackupError('TARGET_IO', `target ${directory} has ${maximumAttempts} archives named like ${wanted}`);
}

/**
 * Makes `as` with its whole content, or returns false because it is there. `link` never overwrites, and fails here, at the start,
 * where a filesystem has no hard links.
 */
export async function createWhole(
  directory: string,
  file: { readonly name: string; readonly as: string; readonly token: string; readonly content: Uint8Array },
): Promise<boolean> {
  const temporary = join(directory, `.${file.name}.${file.token}.new`);
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await fill(handle, file.content);
      return await linkIfFree(temporary, join(directory, file.as));
    } finally {
      await unlinkIfThere(temporary);
    }
  } catch (error) {
    throw localError(error, directory);
  }
}

async function fill(handle: FileHandle, content: Uint8Array): Promise<void> {
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function linkIfFree(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function exists(path: string, directory: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw localError(error, directory);
  }
}

export async function unlinkIfThere(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error;
  });
}

/** Makes a new name durable. Filesystems that cannot sync a directory say EINVAL or ENOTSUP; there is nothing more to do there. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } catch (error) {
    if (!['EINVAL', 'ENOTSUP'].includes(systemCode(error) ?? '')) throw error;
  } finally {
    await handle.close();
  }
}
