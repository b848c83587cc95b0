import { access } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { nameList } from '../../model/name-list.js';
import { compareCodePoints } from '../python/python-text.js';
import { entriesOf, isIgnored, isVariablesDirectory, missingInventory, statOf } from './inventory-files.js';

/** Links that lead back to a directory above would go on for ever. */
const maximumDepth = 32;

/** The files of a directory of inventories. */
export interface DirectoryFiles {
  /** In Ansible's order: by name, with those in directories below. */
  readonly files: readonly string[];
  /** What would be variables if an inventory beside it were read by itself. */
  readonly strayed: readonly string[];
}

/** All files that Ansible reads where it is given the directory, absolute if that is. Throws INVENTORY_MISSING when there is none. */
export async function directoryFiles(path: string): Promise<DirectoryFiles> {
  const strayed: string[] = [];
  const files = await filesBelow(path, 0, strayed);
  if (files.length === 0)
    throw missingInventory(`there is no inventory in ${path}`, { hint: 'Put one in it, or give an inventory file.' });
  return { files, strayed };
}

/**
 * What to read of a directory that nobody named as an inventory: itself where its files are on its own level, else the one directory in it
 * that has any. Ansible would read all of them as one inventory; but two directories are more often two clusters, or a cluster
 * and an example. Throws INVENTORY_MISSING, with the names, for several directories, or files and directories.
 */
export async function soleDirectory(path: string, depth = 0): Promise<string> {
  const parts = await partsOf(path, depth);
  const [first] = parts;
  if (first === undefined || parts.every(({ isDirectory }) => !isDirectory)) return path;
  if (parts.length === 1) return soleDirectory(join(path, first.name), depth + 1);
  const names = nameList(parts.map(({ name, isDirectory }) => (isDirectory ? `${name}/` : name)));
  return refuseSeveral(path, names);
}

/** Throws INVENTORY_MISSING for a directory that nobody named and that may be of several clusters; `found` says why. */
export function refuseSeveral(path: string, found: string): never {
  throw missingInventory(`${path} may hold several inventories, and lsbackup does not read them as one: ${found}`, {
    hint: `Choose with -i: one of them, several with -i each, or -i ${path} for all of them as one.`,
  });
}

/** The directories of variables above `path` up to `top`: those count only where an inventory beside them is read. */
export async function variablesAbove(path: string, top: string): Promise<string[]> {
  const found: string[] = [];
  for (let directory = path; directory !== top;) {
    directory = dirname(directory);
    for (const name of ['group_vars', 'host_vars'])
      if (await exists(join(directory, name))) found.push(join(directory, name));
  }
  return found;
}

/** Whether there is anything of this name that can be looked at. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** What of the directory's own level would be read, or holds what would be, by name. */
async function partsOf(
  path: string,
  depth: number,
): Promise<{ readonly name: string; readonly isDirectory: boolean }[]> {
  const parts: { readonly name: string; readonly isDirectory: boolean }[] = [];
  for (const name of await namesIn(path)) {
    if (isIgnored(name)) continue;
    const isDirectory = (await statOf(join(path, name))).isDirectory();
    if (isDirectory && (await filesBelow(join(path, name), depth + 1, [])).length === 0) continue;
    parts.push({ name, isDirectory });
  }
  return parts;
}

async function filesBelow(directory: string, depth: number, strayed: string[]): Promise<string[]> {
  if (depth > maximumDepth) throw missingInventory(`${directory} is more than ${maximumDepth} directories deep`, {});
  const files: string[] = [];
  for (const name of await namesIn(directory)) {
    const path = join(directory, name);
    if (depth > 0 && isVariablesDirectory(name)) strayed.push(path);
    if (isIgnored(name)) continue;
    if ((await statOf(path)).isDirectory()) files.push(...(await filesBelow(path, depth + 1, strayed)));
    else files.push(path);
  }
  return files;
}

async function namesIn(directory: string): Promise<string[]> {
  return (await entriesOf(directory)).map(({ name }) => name).sort(compareCodePoints);
}
