import type { Dirent } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';

import { nameList } from '../../model/name-list.js';
import { systemErrorCode } from '../../model/system-errors.js';
import { compareCodePoints } from '../python/python-text.js';
import { entriesOf, isBelow, missingInventory, unreadable } from './inventory-files.js';
import { looksLikeInventory } from './inventory-likeness.js';

const withEnds = (ends: readonly string[]): string[] => ends.flatMap((end) => [`inventory${end}`, `hosts${end}`]);
/** What people call the inventory of a build directory where it is not `inventory`. */
const otherNames = ['hosts', ...withEnds(['.ini', '.yml', '.yaml', '.json'])];
/** Found only to be refused by name. */
const unreadableNames = withEnds(['.toml']);

/**
 * The inventory of a build directory: `configured` where that is given; else what is called `inventory` in it, LambdaStack's own name,
 * whatever else is beside it; else the one file that is called as an inventory is: `hosts`, `inventory.yml` and so on. With the names of
 * everything else there that looks like an inventory, sorted. Throws INVENTORY_MISSING, with what was found instead.
 */
export async function searchInventory(
  directory: string,
  configured: readonly string[] | undefined,
): Promise<{ readonly read: readonly string[]; readonly passedOver: readonly string[] }> {
  const entries = await entriesOf(directory);
  const read = configured ?? (await named(directory, entries));
  const like = await inventoriesAmong(directory, entries);
  if (read.length === 0) throw none(directory, like);
  const isRead = (path: string): boolean =>
    read.some((each) => each === path || isBelow(path, each) || isBelow(each, path));
  return { read, passedOver: like.filter((name) => !isRead(join(directory, name))) };
}

/** One path, or none. */
async function named(directory: string, entries: readonly Dirent[]): Promise<readonly string[]> {
  const present = new Set(entries.map(({ name }) => name));
  const existing = async (names: readonly string[]): Promise<string[]> => {
    const found: string[] = [];
    for (const name of names) if (present.has(name) && (await isInventory(directory, name))) found.push(name);
    return found;
  };
  const own = await existing(['inventory']);
  const others = own.length > 0 ? own : await existing(otherNames);
  const found = others.length > 0 ? others : await existing(unreadableNames);
  if (found.length > 1)
    throw missingInventory(`there is more than one inventory in ${directory}: ${nameList(found)}`, {
      hint: 'Choose one with -i, or several with -i each.',
    });
  return found.map((name) => join(directory, name));
}

function none(directory: string, like: readonly string[]) {
  if (like.length === 0)
    return missingInventory(`there is no inventory in ${directory}: nothing in it is called "inventory" or "hosts"`, {
      hint: 'Give the build directory that holds one, or the inventory itself with -i.',
    });
  return missingInventory(
    `nothing in ${directory} is called "inventory" or "hosts", but this may be an inventory: ${nameList(like)}`,
    { hint: `Choose with -i: one of them, several with -i each, or -i ${directory} for all files in it.` },
  );
}

/** Of directories only one called `inventory` is taken. What may not be looked at must not be taken for missing. */
async function isInventory(directory: string, name: string): Promise<boolean> {
  const path = join(directory, name);
  return stat(path).then(
    (stats) => name === 'inventory' || !stats.isDirectory(),
    (error: unknown) => {
      if (systemErrorCode(error) === 'ENOENT') return false;
      throw unreadable(path, error);
    },
  );
}

async function inventoriesAmong(directory: string, entries: readonly Dirent[]): Promise<string[]> {
  const like: string[] = [];
  for (const { name } of entries) if (await looksLikeInventory(directory, name)) like.push(name);
  return like.sort(compareCodePoints);
}
