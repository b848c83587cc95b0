import type { Dirent } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';

import { nameList } from '../../model/name-list.js';
import { systemErrorCode } from '../../model/system-errors.js';
import { compareCodePoints } from '../python/python-text.js';
import { entriesOf, missingInventory, unreadable } from './inventory-files.js';
import { looksLikeInventory } from './inventory-likeness.js';

const named = (ends: readonly string[]): string[] => ends.flatMap((end) => [`inventory${end}`, `hosts${end}`]);
/** What people call the inventory of a build directory where it is not `inventory`. */
const otherNames = ['hosts', ...named(['.ini', '.yml', '.yaml', '.json'])];
/** Found only to be refused by name. */
const unreadableNames = named(['.toml']);

/**
 * The inventory of a build directory: what is called `inventory` in it, LambdaStack's own name, whatever else is beside it; else the one
 * file that is called as an inventory is: `hosts`, `inventory.yml` and so on. With the names of everything else there that looks like an
 * inventory, sorted. Throws INVENTORY_MISSING, with what was found instead.
 */
export async function searchInventory(
  directory: string,
): Promise<{ readonly name: string; readonly passedOver: readonly string[] }> {
  const entries = await entriesOf(directory);
  const present = new Set(entries.map(({ name }) => name));
  const existing = async (names: readonly string[]): Promise<string[]> => {
    const found: string[] = [];
    for (const name of names) if (present.has(name) && (await isInventory(directory, name))) found.push(name);
    return found;
  };
  const [own] = await existing(['inventory']);
  const others = own === undefined ? await existing(otherNames) : [own];
  const found = others.length === 0 ? await existing(unreadableNames) : others;
  const [name] = found;
  if (found.length > 1)
    throw missingInventory(`there is more than one inventory in ${directory}: ${nameList(found)}`, {
      hint: 'Choose one with -i, or several with -i each.',
    });
  const like = await inventoriesAmong(directory, entries);
  if (name === undefined) throw none(directory, like);
  return { name, passedOver: like.filter((each) => each !== name) };
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
