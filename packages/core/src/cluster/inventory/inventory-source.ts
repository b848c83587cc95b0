import { basename, dirname, join, relative, resolve } from 'node:path';

import { readAnsibleConfig } from '../ansible-config/ansible-config.js';
import type { AnsibleConfig, ConfigChoice } from '../ansible-config/ansible-config.js';
import { inventoryPaths } from '../ansible-config/configured-inventory.js';
import { nameList } from '../../model/name-list.js';
import { directoryFiles, exists, soleDirectory, variablesAbove } from './inventory-directory.js';
import { missingInventory, statOf } from './inventory-files.js';
import { searchInventory } from './inventory-search.js';
import { searchWarnings } from './passed-over.js';
import type { Naming } from './passed-over.js';

export interface InventoryChoice extends ConfigChoice {
  /** A build directory with an inventory in it, an inventory file, or a directory of several that is called `inventory`. */
  readonly source?: string | undefined;
  /**
   * The inventory itself, as Ansible's `-i` has it: files, programs, and directories of several, read in this order as one. Nothing is
   * looked for then, and `source` is only the build directory; without that, it is where the first of them is.
   */
  readonly inventory?: readonly string[] | undefined;
  /** What ANSIBLE_INVENTORY names: counts instead of `inventory` in `ansible.cfg`; an empty path is refused where it counts. */
  readonly ansibleInventory?: readonly string[] | undefined;
}

/** A file, or a directory that stands for all files in it. */
export interface InventorySource {
  /** Absolute. */
  readonly path: string;
  /** The files to read, absolute, in Ansible's order. */
  readonly files: readonly string[];
  /** Where `group_vars` and `host_vars` of this source are; absolute. */
  readonly variablesDirectory: string;
}

/** The inventory that is read. */
export interface FoundInventory {
  /** The build directory; absolute. */
  readonly directory: string;
  /** Where scripts run, as they would where Ansible is started in the build directory; undefined for the working directory. */
  readonly scriptDirectory: string | undefined;
  readonly config: AnsibleConfig;
  /** At least one, in the order in which they are read. */
  readonly sources: readonly InventorySource[];
  /** The directory whose files are read as one inventory, where nobody named it. */
  readonly merged: string | undefined;
  /** What looks like an inventory and is not read, or not by itself, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Finds the inventory: `inventory` where it is given, else `source` itself when it is a file or a directory that is called `inventory`,
 * else what `ansibleInventory` or the `ansible.cfg` of the build directory `source` says, else what `searchInventory` finds in it. A directory of inventories
 * that is named by `inventory` or `ansible.cfg` stands for all of its files and those in directories below, by name, without what Ansible
 * ignores; of one that is only found, `soleDirectory` is read.
 * Throws INVENTORY_MISSING when there is none or more than one, CONFIG_INVALID for an `ansible.cfg` that cannot be read.
 */
export async function findInventory(choice: InventoryChoice): Promise<FoundInventory> {
  const place = await chosen(choice);
  const { directory } = place;
  const config = await configOf(directory, choice);
  const { read, passedOver, isNamed } = await located(place, {
    inherited: choice.ansibleInventory,
    configured: config.inventory,
  });
  const sources: InventorySource[] = [];
  const strayed: string[] = [];
  for (const path of read) {
    if ((await statOf(path)).isDirectory()) {
      const found = await directoryFiles(path);
      strayed.push(...found.strayed);
      sources.push({ path, files: found.files, variablesDirectory: path });
    } else sources.push({ path, files: [path], variablesDirectory: dirname(path) });
  }
  const notRead = [
    ...passedOver,
    ...strayed.map((path) => `${path} is not read, as Ansible does not; name the inventory beside it with -i`),
    ...(await besidePlaybooks(directory, sources)),
  ];
  const scriptDirectory = place.paths === undefined ? directory : undefined;
  const merged = isNamed ? undefined : sources.find(({ files }) => files.length > 1);
  const warnings = [...config.warnings, ...(merged ? [mergedSentence(merged)] : []), ...notRead];
  return { directory, scriptDirectory, config, sources, merged: merged?.path, warnings };
}

/** Where the configuration of Ansible says that vault passwords are, for whoever reads them. Errors: as `findInventory`. */
export async function vaultPasswordsOf(
  choice: InventoryChoice,
): Promise<{ readonly file: string | undefined; readonly ids: readonly string[] }> {
  const { directory } = await chosen(choice);
  const { vaultPasswordFile, vaultIds } = await configOf(directory, choice);
  return { file: vaultPasswordFile, ids: vaultIds };
}

/** As for Ansible: with an inventory alone, what counts is where it is called. */
function configOf(directory: string, choice: InventoryChoice): Promise<AnsibleConfig> {
  return readAnsibleConfig(choice.source === undefined ? resolve('.') : directory, choice);
}

/** The build directory, with the inventories where they are named, or with the one that is in place of it. */
interface ChosenPlace {
  readonly directory: string;
  readonly paths?: readonly string[];
  readonly itself?: string;
}

async function chosen({ source, inventory }: InventoryChoice): Promise<ChosenPlace> {
  const [first, ...others] = (inventory ?? []).map((path) => resolve(path));
  if (first !== undefined) {
    for (const path of [first, ...others]) await refuseHostList(path);
    const directory = source === undefined ? await homeOf(first) : await buildDirectory(resolve(source));
    return { directory, paths: [first, ...others] };
  }
  if (source === undefined)
    throw missingInventory('no inventory is given', { hint: 'Give a build directory, or the inventory itself.' });
  const given = resolve(source);
  const isItself = basename(given) === 'inventory' || !(await statOf(given)).isDirectory();
  return isItself ? { directory: dirname(given), itself: given } : { directory: given };
}

interface LocatedInventory {
  readonly read: readonly string[];
  /** Not only found. */
  readonly isNamed: boolean;
  /** What is not, one sentence each. */
  readonly passedOver: readonly string[];
}

async function located({ directory, paths, itself }: ChosenPlace, naming: Naming): Promise<LocatedInventory> {
  if (paths !== undefined) return { read: paths, passedOver: [], isNamed: true };
  if (itself !== undefined) return narrowed(itself);
  const { read, passedOver } = await searched(directory, naming);
  const [only] = read;
  const isNamed = (naming.inherited ?? naming.configured) !== undefined;
  if (isNamed || only === undefined) return { read, passedOver, isNamed };
  const found = await narrowed(only);
  return { ...found, passedOver: [...passedOver, ...found.passedOver] };
}

/** What is found may be a directory of several clusters. */
async function narrowed(path: string): Promise<LocatedInventory> {
  if (!(await statOf(path)).isDirectory()) return { read: [path], passedOver: [], isNamed: false };
  const sole = await soleDirectory(path);
  const above = await variablesAbove(sole, path);
  const passedOver = above.map((each) => `${each} is not read: the inventory is ${sole}; choose with -i`);
  return { read: [sole], passedOver, isNamed: false };
}

/** Two files may as well be two clusters. */
function mergedSentence({ path, files }: InventorySource): string {
  const names = nameList(files.map((file) => relative(path, file)));
  return `${path}: its files are read as one inventory: ${names}; choose with -i, or say so with -i ${path}`;
}

async function searched(directory: string, naming: Naming): Promise<Omit<LocatedInventory, 'isNamed'>> {
  const { inherited, configured } = naming;
  if (inherited?.includes(''))
    throw missingInventory('ANSIBLE_INVENTORY has an empty path, which is the working directory for Ansible', {
      hint: 'Unset it, write "." for the working directory, or choose the inventory with -i.',
    });
  const named = inherited?.map((path) => resolve(path)) ?? (configured && inventoryPaths(configured));
  const found = await searchInventory(directory, named);
  return { read: found.read, passedOver: searchWarnings(directory, found, naming) };
}

/** Ansible would read these too, for playbooks that are in the build directory: where its playbooks are nobody has said. */
async function besidePlaybooks(directory: string, sources: readonly InventorySource[]): Promise<string[]> {
  if (sources.some(({ variablesDirectory }) => variablesDirectory === directory)) return [];
  const names: string[] = [];
  for (const name of ['group_vars', 'host_vars']) if (await exists(join(directory, name))) names.push(name);
  if (names.length === 0) return [];
  return [
    `${directory}: ${names.join(' and ')} there are not read; put what hosts need to be reached beside the inventory`,
  ];
}

/** For Ansible a text with a comma that is no path is a list of hosts, all of them in no group. */
async function refuseHostList(path: string): Promise<void> {
  if (!path.includes(',') || (await exists(path))) return;
  throw missingInventory(`there is no ${path}, and a list of host names instead of an inventory is not supported`, {
    hint: 'Give inventory files, with -i each: without groups nobody knows what runs on a host.',
  });
}

/** Where the cluster is at home that has this inventory. */
async function homeOf(path: string): Promise<string> {
  const isSources = basename(path) !== 'inventory' && (await statOf(path)).isDirectory();
  return isSources ? path : dirname(path);
}

async function buildDirectory(path: string): Promise<string> {
  if ((await statOf(path)).isDirectory()) return path;
  throw missingInventory(`${path} is no build directory, and the inventory is given by itself`, {
    hint: 'Give the build directory beside -i, or all inventories by -i.',
  });
}
