import { dirname, isAbsolute, join } from 'node:path';

import { BackupError } from '../../model/errors.js';
import type { ConfigSections, ConfigValue } from './config-parser.js';

/** `inventory` as the file writes it, quotes included: Ansible takes these for part of a path. Undefined where it is not set. */
export function writtenInventory(sections: ConfigSections): ConfigValue | undefined {
  return sections.get('defaults')?.get('inventory');
}

/**
 * The paths that `inventory` stands for, absolute, in order: an empty one is the directory of the file itself, as for Ansible. Source:
 * type `pathlist` in ansible-core 2.19, config/manager.py. Throws CONFIG_INVALID with `file:line` for what Ansible expands.
 */
export function inventoryPaths({ value, file, line }: ConfigValue): readonly string[] {
  const paths = value.split(',').map((part) => part.trim());
  if (paths.some((path) => /^~|\$|\{\{/.test(path)))
    throw new BackupError('CONFIG_INVALID', `${file}:${line}: "~", "$" and "{{" in inventory are not expanded`, {
      hint: 'Choose the inventory with -i, or write its path out.',
    });
  return paths.map((path) => (isAbsolute(path) ? path : join(dirname(file), path)));
}
