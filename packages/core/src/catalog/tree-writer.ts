import { lchown, link, lutimes, mkdir, open, symlink, utimes, chmod } from 'node:fs/promises';
import { constants } from 'node:fs';

import { printable } from '../model/byte-names.js';
import { abortError, BackupError } from '../model/errors.js';
import { writeError } from './write-errors.js';
import type { TarEntry } from './tar-reader.js';
import { memberPath, sparseFile } from './tar-survey.js';

export interface TreeOptions {
  /** Whether the member at this path (bytes, one character per byte) is wanted. */
  readonly wanted: (path: string) => boolean;
  /** For each hard link, the path that has the content. */
  readonly hardLinkTarget: (path: string) => string;
  /** Gives everything the numbers of its owner and group; only root can. */
  readonly owners: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface WrittenTree {
  /** Members written, directories and links included. */
  readonly files: number;
  /** Gives the directories their modes and times. */
  finish(): Promise<void>;
}

interface Attributes {
  readonly path: string;
  readonly mode: number;
  readonly mtime: number;
  /** Who it is given to, if to anybody. */
  readonly owner: Owner | undefined;
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

type SymbolicLink = Attributes & { readonly target: string };

interface Links {
  readonly symlinks: SymbolicLink[];
  readonly hardLinks: { readonly path: string; readonly target: string }[];
}

/**
 * Writes the members of a tar that `surveyTar` has passed below `root`, a new directory of ours that nobody else can enter.
 *
 * Nothing is ever written through a link: files are made new and never followed, and every directory and file is there before the
 * first link is made, so symbolic links may lead anywhere. Kept are contents, the nine permission bits (so never setuid, setgid, sticky) and times, and
 * the owner where `owners` says so; not extended attributes or ACLs. Directories get their mode and time by `finish`, when nothing more can fail: until then they can be written and removed.
 *
 * Errors: EXTRACT_EXISTS (a file system that takes two of the names for one), TARGET_NO_SPACE, TARGET_READ_ONLY, EXTRACT_UNSUPPORTED,
 * TARGET_IO, the abort reason, what reading `entries` throws.
 */
export async function writeTree(
  root: string,
  entries: AsyncIterable<TarEntry>,
  options: TreeOptions,
): Promise<WrittenTree> {
  const tree = new Tree(root);
  let written = 0;
  for await (const entry of entries) {
    if (options.signal?.aborted === true) throw abortError(options.signal);
    const path = memberPath(entry.name);
    if (path === '' || !options.wanted(path)) continue;
    await tree.add(path, entry, options);
    written++;
  }
  await tree.makeLinks(options);
  return { files: written, finish: () => tree.finishDirectories() };
}

class Tree {
  readonly #root: string;
  readonly #directories = new Set<string>();
  readonly #attributes: Attributes[] = [];
  readonly #links: Links = { symlinks: [], hardLinks: [] };

  constructor(root: string) {
    this.#root = root;
  }

  async add(path: string, entry: TarEntry, options: TreeOptions): Promise<void> {
    const owner = options.owners ? ownerOf(path, entry) : undefined;
    const attributes = { path, mode: entry.mode & 0o777, mtime: entry.mtime, owner };
    await this.#makeDirectory(parentOf(path));
    switch (entry.kind) {
      case 'directory':
        await this.#makeDirectory(path);
        this.#attributes.push(attributes);
        break;
      case 'file':
        await this.#writeFile(attributes, entry.body, options.signal);
        break;
      case 'symlink':
        this.#links.symlinks.push({ ...attributes, target: entry.linkName });
        break;
      case 'hardlink':
        this.#links.hardLinks.push({ path, target: options.hardLinkTarget(path) });
        break;
      case 'sparse':
        throw sparseFile(path);
    }
  }

  /**
   * A hard link to a symbolic link becomes another symbolic link with the same target: some systems would follow the first one and make a
   * hard link to what it leads to.
   */
  async makeLinks(options: TreeOptions): Promise<void> {
    const symlinks = new Map(this.#links.symlinks.map((symbolic) => [symbolic.path, symbolic]));
    const copies: SymbolicLink[] = [];
    for (const hard of this.#links.hardLinks) {
      const symbolic = symlinks.get(hard.target);
      if (symbolic === undefined) await this.#makeHardLink(hard, options.signal);
      else copies.push({ ...symbolic, path: hard.path });
    }
    for (const symbolic of [...symlinks.values(), ...copies]) await this.#makeSymlink(symbolic, options.signal);
  }

  /** Deepest first: a directory's own mode may forbid us to enter it. */
  async finishDirectories(): Promise<void> {
    const deepestFirst = this.#attributes.sort((left, right) => (left.path < right.path ? 1 : -1));
    for (const directory of deepestFirst) await this.#setAttributes(directory);
  }

  async #makeDirectory(path: string): Promise<void> {
    if (path === '' || this.#directories.has(path)) return;
    await this.#makeDirectory(parentOf(path));
    await guard(path, () => mkdir(this.#at(path), { mode: 0o700 }));
    this.#directories.add(path);
  }

  async #writeFile(file: Attributes, body: AsyncIterable<Buffer>, signal?: AbortSignal): Promise<void> {
    const handle = await guard(file.path, () => open(this.#at(file.path), createNew, 0o600));
    try {
      for await (const piece of body) {
        if (signal?.aborted === true) throw abortError(signal);
        await guard(file.path, () => handle.writeFile(piece));
      }
      await guard(file.path, async () => {
        // First the owner: changing it later would take bits of the mode away.
        if (file.owner !== undefined) await handle.chown(file.owner.uid, file.owner.gid);
        await handle.chmod(file.mode);
        await handle.utimes(file.mtime, file.mtime);
      });
    } finally {
      await handle.close();
    }
  }

  async #makeSymlink(symbolic: SymbolicLink, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) throw abortError(signal);
    const at = this.#at(symbolic.path);
    await guard(symbolic.path, async () => {
      await symlink(Buffer.from(symbolic.target, 'latin1'), at);
      if (symbolic.owner !== undefined) await lchown(at, symbolic.owner.uid, symbolic.owner.gid);
      await lutimes(at, symbolic.mtime, symbolic.mtime);
    });
  }

  async #makeHardLink(hard: Links['hardLinks'][number], signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) throw abortError(signal);
    await guard(hard.path, () => link(this.#at(hard.target), this.#at(hard.path)));
  }

  async #setAttributes(directory: Attributes): Promise<void> {
    const at = this.#at(directory.path);
    await guard(directory.path, async () => {
      if (directory.owner !== undefined) await lchown(at, directory.owner.uid, directory.owner.gid);
      await utimes(at, directory.mtime, directory.mtime);
      await chmod(at, directory.mode);
    });
  }

  #at(path: string): Buffer {
    return Buffer.concat([Buffer.from(`${this.#root}/`), Buffer.from(path, 'latin1')]);
  }
}

const createNew = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

function ownerOf(path: string, { uid, gid }: TarEntry): Owner {
  if (uid < 0 || gid < 0)
    throw new BackupError('EXTRACT_UNSUPPORTED', `${printable(path)} has no owner and group that a file can have`, {
      hint: 'extract without owners',
    });
  return { uid, gid };
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash === -1 ? '' : path.slice(0, slash);
}

async function guard<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw writeError(path, cause);
  }
}
