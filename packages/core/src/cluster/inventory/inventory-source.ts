import type { Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

import { BackupError } from '../../model/errors.js';
import { nameList } from '../../model/name-list.js';
import { systemReason } from '../../model/system-errors.js';
import { compareCodePoints } from '../python/python-text.js';

/** What people call the inventory of a build directory where it is not `inventory`. */
const otherNames = [
  'hosts',
  ...['.ini', '.yml', '.yaml', '.json'].flatMap((end) => [`inventory${end}`, `hosts${end}`]),
];

/**
 * What Ansible passes over in a directory of inventories. Source: ansible-core 2.19, inventory/manager.py and the default of
 * INVENTORY_IGNORE_EXTS.
 */
const ignored =
  /^(?:\.|(?:host_vars|group_vars|vars_plugins)$)|(?:\.pyc|\.pyo|\.swp|\.bak|~|\.rpm|\.md|\.txt|\.rst|\.orig|\.cfg|\.retry)$/;
/** Links that lead back to a directory above would go on for ever. */
const maximumDepth = 32;

/** The inventory that a build directory or a path stands for. */
export interface InventorySource {
  /** Absolute path of the file, or of the directory of several. */
  readonly path: string;
  /** The build directory; absolute. */
  readonly directory: string;
  /** The files to read, absolute, in Ansible's order. */
  readonly files: readonly string[];
}

/**
 * Finds the inventory: `source` itself when it is a file or a directory that is called `inventory`, else what is called `inventory` in the
 * build directory `source`, else the one thing in it that is called as an inventory is: `hosts`, `inventory.yml` and so on.
 * A directory of inventories stands for all of its files and those in directories below, by name, without what Ansible ignores.
 * Throws INVENTORY_MISSING when there is none or more than one.
 */
export async function findInventory(source: string): Promise<InventorySource> {
  const given = resolve(source);
  const stats = await statOf(given);
  if (!stats.isDirectory()) return { path: given, directory: dirname(given), files: [given] };
  const isItself = basename(given) === 'inventory';
  const path = isItself ? given : await inventoryIn(given);
  const directory = dirname(path);
  if (!isItself && !(await statOf(path)).isDirectory()) return { path, directory, files: [path] };
  const files = await filesBelow(path, 0);
  if (files.length === 0)
    throw missing(`there is no inventory in ${path}`, { hint: 'Put one in it, or give an inventory file.' });
  return { path, directory, files };
}

async function inventoryIn(directory: string): Promise<string> {
  // LambdaStack's own name, whatever else is beside it.
  if (await isInventory(join(directory, 'inventory'))) return join(directory, 'inventory');
  const found: string[] = [];
  for (const name of otherNames) if (await isInventory(join(directory, name))) found.push(name);
  const [name] = found;
  if (name === undefined) {
    throw missing(`there is no inventory in ${directory}: nothing in it is called "inventory" or "hosts"`, {
      hint: 'Give the build directory that holds one, or the inventory file itself.',
    });
  }
  if (found.length === 1) return join(directory, name);
  throw missing(`there is more than one inventory in ${directory}: ${nameList(found)}`, {
    hint: 'Give the one that is meant, or put them all in a directory "inventory".',
  });
}

/** Only a directory `inventory` is one. What may not be looked at must not be taken for missing. */
async function isInventory(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => basename(path) === 'inventory' || !stats.isDirectory(),
    (error: unknown) => {
      if (isNotThere(error)) return false;
      throw unreadable(path, error);
    },
  );
}

async function filesBelow(directory: string, depth: number): Promise<string[]> {
  if (depth > maximumDepth) throw missing(`${directory} is more than ${maximumDepth} directories deep`, {});
  const names = (await entriesOf(directory)).filter((name) => !ignored.test(name)).sort(compareCodePoints);
  const files: string[] = [];
  for (const name of names) {
    const path = join(directory, name);
    if ((await statOf(path)).isDirectory()) files.push(...(await filesBelow(path, depth + 1)));
    else files.push(path);
  }
  return files;
}

async function entriesOf(directory: string): Promise<string[]> {
  return readdir(directory).catch((error: unknown) => {
    throw unreadable(directory, error);
  });
}

async function statOf(path: string): Promise<Stats> {
  return stat(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
}

function isNotThere(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT';
}

/** An inventory, or a directory of them, that cannot be read: INVENTORY_MISSING. */
export function unreadable(path: string, cause: unknown): BackupError {
  const hint = isNotThere(cause)
    ? 'Check the path given as build directory.'
    : 'Give the user who runs lsbackup permission to read the build directory, or check its path.';
  return missing(`cannot read ${path}: ${systemReason(cause)}`, { cause, hint });
}

function missing(message: string, details: { cause?: unknown; hint?: string }): BackupError {
  return new BackupError('INVENTORY_MISSING', message, details);
}
