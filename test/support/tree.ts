import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Paths of everything below a directory, sorted; no symbolic link is followed. */
export async function treeOf(directory: string, prefix = ''): Promise<readonly string[]> {
  const paths: string[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    paths.push(`${prefix}${entry.name}`);
    if (entry.isDirectory()) paths.push(...(await treeOf(join(directory, entry.name), `${prefix}${entry.name}/`)));
  }
  return paths.sort();
}
