import { readdir, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { BackupError } from '../../model/errors.js';
import { systemReason } from '../../model/system-errors.js';

const extensions = ['', '.yml', '.yaml', '.json'];

/**
 * Refuses variable files that Ansible would read beside the inventory file: `group_vars/NAME` and `host_vars/NAME`, alone, with an
 * extension or as a directory, of the groups and hosts there are. Without their variables a backup could reach the wrong host.
 * Throws INVENTORY_UNSUPPORTED with the first one's path.
 */
export async function refuseAdjacentVariables(
  inventoryFile: string,
  names: { readonly groups: Iterable<string>; readonly hosts: Iterable<string> },
): Promise<void> {
  const directory = await realpath(dirname(inventoryFile));
  const found =
    (await firstIn(join(directory, 'group_vars'), names.groups)) ??
    (await firstIn(join(directory, 'host_vars'), names.hosts));
  if (found === undefined) return;
  throw new BackupError('INVENTORY_UNSUPPORTED', `${found} holds variables, which this version cannot read`, {
    hint: 'Move its variables into the inventory file, or give a build directory without it.',
  });
}

async function firstIn(directory: string, names: Iterable<string>): Promise<string | undefined> {
  if ((await entriesOf(directory)).length === 0) return undefined;
  const entries = new Map<string, ReadonlySet<string>>();
  for (const name of names) {
    // A name may have slashes: Ansible looks for `a/b` in the directory `a`.
    const place = dirname(join(directory, name));
    const known = entries.get(place) ?? new Set(await entriesOf(place));
    entries.set(place, known);
    const entry = extensions.map((extension) => basename(name) + extension).find((candidate) => known.has(candidate));
    if (entry !== undefined) return join(place, entry);
  }
  return undefined;
}

/** No entries when the directory is not there, or is a file, which Ansible skips too. */
async function entriesOf(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (cause) {
    if (isAbsence(cause)) return [];
    const why = systemReason(cause);
    throw new BackupError('INVENTORY_UNSUPPORTED', `cannot read ${directory}, which may hold variables: ${why}`, {
      cause,
    });
  }
}

function isAbsence(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    (error.code === 'ENOENT' || error.code === 'ENOTDIR')
  );
}
