import type { Dirent, Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';

import { BackupError } from '../../model/errors.js';
import { systemErrorCode, systemReason } from '../../model/system-errors.js';

const variablesDirectory = /^(?:host_vars|group_vars)$/;
/**
 * What Ansible passes over in a directory of inventories. Source: ansible-core 2.19, inventory/manager.py and the default of
 * INVENTORY_IGNORE_EXTS.
 */
const ignored =
  /^(?:\.|(?:host_vars|group_vars|vars_plugins)$)|(?:\.pyc|\.pyo|\.swp|\.bak|~|\.rpm|\.md|\.txt|\.rst|\.orig|\.cfg|\.retry)$/;

export function isVariablesDirectory(name: string): boolean {
  return variablesDirectory.test(name);
}

/** Whether Ansible passes over a file or directory of this name in a directory of inventories. */
export function isIgnored(name: string): boolean {
  return ignored.test(name);
}

/** Whether the path is in the directory, at any depth; both are absolute. */
export function isBelow(directory: string, path: string): boolean {
  return path.startsWith(directory.endsWith('/') ? directory : `${directory}/`);
}

/** Errors: INVENTORY_MISSING when the directory cannot be read. */
export async function entriesOf(directory: string): Promise<Dirent[]> {
  return readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
    throw unreadable(directory, error);
  });
}

/** Errors: INVENTORY_MISSING. */
export async function statOf(path: string): Promise<Stats> {
  return stat(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
}

/** An inventory, or a directory of them, that cannot be read: INVENTORY_MISSING. */
export function unreadable(path: string, cause: unknown): BackupError {
  const hint =
    systemErrorCode(cause) === 'ENOENT'
      ? 'Check the path given as build directory or inventory, also in ansible.cfg.'
      : 'Give the user who runs lsbackup permission to read the build directory, or check its path.';
  return missingInventory(`cannot read ${path}: ${systemReason(cause)}`, { cause, hint });
}

export function missingInventory(message: string, details: { cause?: unknown; hint?: string }): BackupError {
  return new BackupError('INVENTORY_MISSING', message, details);
}
