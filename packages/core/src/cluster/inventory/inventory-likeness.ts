import { open, readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';

import { isIgnored } from './inventory-files.js';

/** `hosts` or `inventory` as a word of the name. */
const inventoryName = /(?:^|[^a-z])(?:hosts|inventory|inventories)(?:[^a-z]|$)/i;
/** Lists of ssh, directories of Ansible's plugins, and what an inventory is made from. */
const otherName =
  /^known_hosts|^hosts\.(?:allow|deny)$|_plugins$|\.(?:j2|tpl|tmpl|tf|tfvars|tfstate|example|sample|dist|old|log)$/;
const yamlText = /^(?:all|ungrouped|plugin)[ \t]*:|^[^\s#:-][^\n:]*:[ \t]*\n[ \t]+(?:hosts|children)[ \t]*:[ \t]*$/m;
const iniText = /^\[[^\][\s]+\][ \t]*(?:[#;].*)?\r?$/m;
/** What the beginning of an inventory looks like, by extension. */
const texts: ReadonlyMap<string, RegExp> = new Map([
  ['', iniText],
  ['.ini', iniText],
  ['.yml', yamlText],
  ['.yaml', yamlText],
  ['.json', /^\s*\{\s*"(?:all|_meta)"\s*:/],
  ['.toml', /^\[[^\]]+\.(?:hosts|children)\b/m],
]);
/** So much of a file is looked at. */
const headBytes = 64 * 1024;

/**
 * Whether somebody may mean what has this name in the directory as an inventory: by its name, or by how the file begins. For warnings
 * only: what cannot be read does not look like one.
 */
export async function looksLikeInventory(directory: string, name: string): Promise<boolean> {
  if (isIgnored(name) || otherName.test(name)) return false;
  const text = texts.get(extname(name).toLowerCase());
  const isNamedSo = inventoryName.test(name);
  if (text === undefined && !isNamedSo) return false;
  const path = join(directory, name);
  try {
    const stats = await stat(path);
    if (stats.isDirectory()) return isNamedSo && (/inventor/i.test(name) || (await holdsInventory(path)));
    if (isNamedSo) return stats.isFile();
    return stats.isFile() && text?.test(await headOf(path)) === true;
  } catch {
    return false;
  }
}

/** A directory `hosts` may as well hold files of hosts. */
async function holdsInventory(directory: string): Promise<boolean> {
  for (const name of await readdir(directory)) if (await looksLikeInventory(directory, name)) return true;
  return false;
}

async function headOf(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await file.close();
  }
}
