import { dirname, relative } from 'node:path';

import type { ConfigValue } from '../ansible-config/config-parser.js';
import { nameList } from '../../model/name-list.js';
import { isBelow } from './inventory-files.js';

/** What names the inventory of a build directory; `inherited`, by ANSIBLE_INVENTORY, is stronger than `configured`, by `ansible.cfg`. */
export interface Naming {
  readonly inherited: readonly string[] | undefined;
  readonly configured: ConfigValue | undefined;
}

/** Of a build directory the inventories that are read, absolute, and the names of what is not. */
export interface Searched {
  readonly read: readonly string[];
  readonly passedOver: readonly string[];
}

/** What a user must know who believes that the inventory of the build directory is read, one sentence each. */
export function searchWarnings(directory: string, { read, passedOver }: Searched, naming: Naming): readonly string[] {
  const isOwn = (path: string): boolean => path === directory || isBelow(directory, path);
  const outside = nameFromOutside(directory, naming);
  if (outside === undefined || read.every(isOwn)) return onlySentence(directory, { read, passedOver }, naming);
  const isPartly = read.some((path) => isOwn(path) || isBelow(path, directory));
  const sentence = `the hosts are those of ${nameList(read)}, as ${outside} says, not ${isPartly ? 'only ' : ''}of ${directory}; unset it or choose with -i`;
  return isPartly ? [sentence, ...onlySentence(directory, { read, passedOver }, naming)] : [sentence];
}

/** What names the inventory, where it may have been meant for another directory. */
function nameFromOutside(directory: string, { inherited, configured }: Naming): string | undefined {
  if (inherited !== undefined) return 'ANSIBLE_INVENTORY';
  if (configured === undefined || dirname(configured.file) === directory) return undefined;
  return `${configured.file}:${configured.line} (ANSIBLE_CONFIG)`;
}

function onlySentence(directory: string, { read, passedOver }: Searched, { inherited }: Naming): readonly string[] {
  if (passedOver.length === 0) return [];
  const names = nameList(read.map((path) => relative(directory, path)));
  const reason = inherited ? ', as ANSIBLE_INVENTORY says,' : ',';
  return [
    `${directory}: only ${names} is read${reason} and not ${nameList(passedOver)}, which may be part of the inventory too; choose with -i`,
  ];
}
