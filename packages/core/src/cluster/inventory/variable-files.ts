import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';

import { BackupError } from '../../model/errors.js';
import { systemReason } from '../../model/system-errors.js';
import { compareCodePoints } from '../python/python-text.js';

/** In the order in which Ansible looks for them; the first that is there is taken, and no other. */
const extensions = ['', '.yml', '.yaml', '.json'];
/** Links that lead back to a directory above would go on for ever. */
const maximumDepth = 32;

type Kind = 'file' | 'directory' | 'other' | 'absent';

/**
 * The files that set variables of one name in a directory `group_vars` or `host_vars`: `NAME`, `NAME.yml`, `NAME.yaml` or
 * `NAME.json`, whichever is there first; when it is a directory, all files in it and in directories below it, by name, without
 * hidden ones, backups (`x~`) and other extensions. Every directory is listed once, whatever the number of names.
 * Source: ansible-core 2.19, the vars plugin `host_group_vars`; tried against `ansible-inventory`.
 */
export class VariableFiles {
  private readonly listings = new Map<string, Promise<ReadonlyMap<string, Dirent>>>();

  constructor(private readonly directory: string) {}

  /**
   * Absolute paths in the order in which they count, the last one most. Throws INVENTORY_UNSUPPORTED for a directory that cannot be
   * read and for what is neither a file nor a directory.
   */
  async of(name: string): Promise<readonly string[]> {
    // Names of hosts that are absolute paths: Ansible looks for no files of theirs.
    if (name.startsWith('/')) return [];
    // A name may have slashes: `a/b` is looked for in the directory `a`.
    const path = join(this.directory, name);
    const entries = await this.list(dirname(path));
    for (const extension of extensions) {
      const entry = entries.get(basename(path) + extension);
      const kind = entry === undefined ? 'absent' : await kindOf(entry);
      if (kind === 'directory') return this.below(path + extension, 0);
      if (kind === 'other') throw unusable(path + extension, 'is neither a file nor a directory');
      if (kind === 'file') return [path + extension];
    }
    return [];
  }

  private async below(directory: string, depth: number): Promise<readonly string[]> {
    if (depth > maximumDepth) throw unusable(directory, `is more than ${maximumDepth} directories deep`);
    const entries = [...(await this.list(directory)).values()].sort((left, right) =>
      compareCodePoints(left.name, right.name),
    );
    const files: string[] = [];
    for (const entry of entries) {
      const extension = extname(entry.name);
      if (entry.name.startsWith('.') || entry.name.endsWith('~') || !extensions.includes(extension)) continue;
      const path = join(directory, entry.name);
      const kind = await kindOf(entry);
      if (kind === 'file') files.push(path);
      if (kind === 'directory' && extension === '') files.push(...(await this.below(path, depth + 1)));
    }
    return files;
  }

  private list(directory: string): Promise<ReadonlyMap<string, Dirent>> {
    const known = this.listings.get(directory) ?? entriesOf(directory);
    this.listings.set(directory, known);
    return known;
  }
}

/** No entries when the directory is not there, or is a file, which Ansible passes over too. */
async function entriesOf(directory: string): Promise<ReadonlyMap<string, Dirent>> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return new Map(entries.map((entry) => [entry.name, entry]));
  } catch (cause) {
    if (isAbsence(cause)) return new Map();
    throw unusable(directory, `may hold variables and cannot be read: ${systemReason(cause)}`, cause);
  }
}

/** What a link leads to counts; one that leads nowhere is not there. */
async function kindOf(entry: Dirent): Promise<Kind> {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'directory';
  const path = join(entry.parentPath, entry.name);
  try {
    const stats = await stat(path);
    return stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other';
  } catch (cause) {
    if (isAbsence(cause)) return 'absent';
    throw unusable(path, `may hold variables and cannot be read: ${systemReason(cause)}`, cause);
  }
}

const absences: readonly unknown[] = ['ENOENT', 'ENOTDIR', 'ELOOP'];

function isAbsence(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && absences.includes(error.code);
}

function unusable(path: string, what: string, cause?: unknown): BackupError {
  return new BackupError('INVENTORY_UNSUPPORTED', `${path} ${what}`, { cause });
}
