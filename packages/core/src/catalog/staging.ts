import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';

import { BackupError } from '../model/errors.js';
import { bytesOfText, printable } from '../model/byte-names.js';
import { systemCode, writeError } from './write-errors.js';

const temporaryPrefix = '.lsbackup-extract-';
/** One piece of an artifact's path as `model/names` writes it. */
const pathPiece = /^[A-Za-z0-9._%-]{1,200}$/;

/**
 * Where an artifact goes below the destination: its own path, without `.tar` when it becomes a directory.
 * Errors: ARCHIVE_HOSTILE when the path is not `<component>/<host>/<artifact>` in the escaped form: metadata is input like the rest.
 */
export function destinationOf(path: string, unpack: boolean): string {
  const pieces = path.split('/');
  const relative = unpack ? path.replace(/(?<=[^/])\.tar$/, '') : path;
  const usable = [...pieces, ...relative.split('/')].every(
    (piece) => pathPiece.test(piece) && piece !== '.' && piece !== '..',
  );
  if (pieces.length !== 3 || !usable)
    throw new BackupError(
      'ARCHIVE_HOSTILE',
      `the metadata names an artifact ${printable(bytesOfText(path))}, which is no path of an artifact`,
    );
  return relative;
}

/** A place below the destination under a dot-name of its own. */
export interface Staging {
  /** The destination, absolute. */
  readonly into: string;
  /** The nearest directory that was there before. */
  readonly existing: string;
  /** Absolute path of the temporary directory; made when something is first written. */
  readonly temporary: string;
  /** Makes the directories above `relative` and answers with its absolute path. */
  parent(relative: string): Promise<string>;
  /** Makes a new directory at `relative` and those above it, and answers with its absolute path. */
  directory(relative: string): Promise<string>;
  /** Renames everything into place. Errors: EXTRACT_EXISTS when something came to stand there meanwhile. */
  publish(): Promise<void>;
  /** Removes whatever was not published, and the destination when it was made here. */
  discard(): Promise<void>;
}

/** Errors: EXTRACT_EXISTS unless `into` is an empty directory or nothing at all. Writes nothing yet. */
export async function openStaging(into: string): Promise<Staging> {
  const target = resolve(into);
  const wasThere = await isEmptyDirectory(target);
  const existing = wasThere ? target : await nearestDirectory(dirname(target));
  return new StagingDirectory(target, existing, wasThere);
}

class StagingDirectory implements Staging {
  readonly into: string;
  readonly existing: string;
  readonly temporary: string;
  readonly #wasThere: boolean;
  #made: string | undefined;
  #begun = false;

  constructor(into: string, existing: string, wasThere: boolean) {
    this.into = into;
    this.existing = existing;
    this.temporary = join(into, `${temporaryPrefix}${randomBytes(8).toString('hex')}`);
    this.#wasThere = wasThere;
  }

  async parent(relative: string): Promise<string> {
    await this.#begin();
    const path = join(this.temporary, relative);
    await attempt(path, () => mkdir(dirname(path), { recursive: true, mode: 0o700 }));
    return path;
  }

  async directory(relative: string): Promise<string> {
    const path = await this.parent(relative);
    await attempt(path, () => mkdir(path, { mode: 0o700 }));
    return path;
  }

  async publish(): Promise<void> {
    await this.#begin();
    const names = await attempt(this.temporary, () => readdir(this.temporary));
    const others = (await attempt(this.into, () => readdir(this.into))).filter(
      (name) => join(this.into, name) !== this.temporary,
    );
    if (others.length > 0) throw notEmpty(this.into, others);
    for (const name of names)
      await attempt(join(this.into, name), () => rename(join(this.temporary, name), join(this.into, name)));
    await attempt(this.temporary, () => rmdir(this.temporary));
    this.#begun = false;
  }

  async discard(): Promise<void> {
    if (!this.#begun) return;
    this.#begun = false;
    await attempt(this.temporary, () => rm(this.temporary, { recursive: true, force: true }));
    if (this.#made !== undefined) await removeEmpty(this.into, this.#made);
  }

  async #begin(): Promise<void> {
    if (this.#begun) return;
    if (!this.#wasThere) this.#made = await attempt(this.into, () => makeBelow(this.existing, this.into));
    this.#begun = true;
    await attempt(this.temporary, () => mkdir(this.temporary, { mode: 0o700 }));
  }
}

async function isEmptyDirectory(path: string): Promise<boolean> {
  try {
    const names = await readdir(path);
    if (names.length > 0) throw notEmpty(path, names);
    return true;
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return false;
    if (systemCode(cause) === 'ENOTDIR') throw notDirectory(path, cause);
    throw writeError(bytesOfText(path), cause);
  }
}

async function nearestDirectory(path: string): Promise<string> {
  try {
    if ((await stat(path)).isDirectory()) return path;
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT' && path !== dirname(path)) return nearestDirectory(dirname(path));
    throw writeError(bytesOfText(path), cause);
  }
  throw notDirectory(path);
}

/**
 * Makes `path` and what is missing between it and `existing`, and answers with the topmost directory that was made here. Not
 * `recursive`: where a file system makes no directories and says ENOENT, as /proc does, node tries for ever.
 */
async function makeBelow(existing: string, path: string): Promise<string | undefined> {
  let made: string | undefined;
  let directory = existing;
  for (const piece of relative(existing, path).split(sep)) {
    directory = join(directory, piece);
    try {
      await mkdir(directory, { mode: 0o700 });
      made ??= directory;
    } catch (cause) {
      if (systemCode(cause) !== 'EEXIST') throw cause;
    }
  }
  return made;
}

/** Directories from `path` up to `top`, which were made here; one that somebody else has used meanwhile stays. */
async function removeEmpty(path: string, top: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (cause) {
    if (systemCode(cause) === 'ENOTEMPTY' || systemCode(cause) === 'ENOENT') return;
    throw writeError(bytesOfText(path), cause);
  }
  if (path !== top) await removeEmpty(dirname(path), top);
}

function notDirectory(path: string, cause?: unknown): BackupError {
  return new BackupError('EXTRACT_EXISTS', `${path} is a file or below one, not a directory`, {
    hint: 'name a directory that is empty or does not exist yet',
    cause,
  });
}

function notEmpty(path: string, names: readonly string[]): BackupError {
  const interrupted = names.some((name) => name.startsWith(temporaryPrefix));
  return new BackupError('EXTRACT_EXISTS', `${path} is not empty, and extract never overwrites anything`, {
    hint: interrupted
      ? `an interrupted extract left ${temporaryPrefix}* there: remove that, or name another directory`
      : 'name a directory that is empty or does not exist yet',
  });
}

async function attempt<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw writeError(bytesOfText(path), cause);
  }
}
