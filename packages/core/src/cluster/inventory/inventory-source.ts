import { isUtf8 } from 'node:buffer';
import type { Stats } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';

import { BackupError } from '../../model/errors.js';
import { systemReason } from '../../model/system-errors.js';
import { splitLines } from '../python/python-text.js';

/** Larger files are no inventories. */
const maximumBytes = 64 * 1024 * 1024;
/** What people call an inventory that is not the INI file `inventory`. */
const otherNames = ['inventory.yml', 'inventory.yaml', 'inventory.json', 'hosts.yml', 'hosts.yaml'];

const extensionFormats: ReadonlyMap<string, string> = new Map([
  ['.yml', 'a YAML inventory'],
  ['.yaml', 'a YAML inventory'],
  ['.json', 'a JSON inventory'],
  ['.toml', 'a TOML inventory'],
]);

/** The inventory file that a build directory or a path stands for, with its bytes. */
export interface InventorySource {
  /** Absolute. */
  readonly file: string;
  /** The build directory, or the directory of the file; absolute. */
  readonly directory: string;
  readonly bytes: Buffer;
}

/**
 * Finds and reads the inventory: `source` itself, or the file `inventory` in it when it is a directory.
 * Throws INVENTORY_MISSING, or INVENTORY_UNSUPPORTED for what only later versions read: YAML, JSON, TOML, scripts, directories of
 * several inventories, files of ansible-vault. It is never taken for INI by mistake.
 */
export async function readInventorySource(source: string): Promise<InventorySource> {
  const path = resolve(source);
  const found = await statOf(path);
  const file = found.isDirectory() ? await inventoryIn(path) : path;
  const stats = found.isDirectory() ? await statOf(file) : found;
  if (!stats.isFile()) throw unsupported(file, 'is neither a file nor a directory');
  if (stats.size > maximumBytes) throw unsupported(file, 'is larger than 64 MiB');
  const bytes = await readFile(file).catch((error: unknown) => {
    throw unreadable(file, error);
  });
  const format = foreignFormat(file, stats, bytes);
  if (format !== undefined) throw unsupported(file, `is ${format}`);
  return { file, directory: found.isDirectory() ? path : dirname(path), bytes };
}

async function inventoryIn(directory: string): Promise<string> {
  const file = join(directory, 'inventory');
  const found = await statIfThere(file);
  if (found?.isDirectory()) throw unsupported(file, 'is a directory of inventories');
  if (found !== undefined) return file;
  for (const name of otherNames) {
    const other = join(directory, name);
    if (await statIfThere(other)) throw unsupported(other, 'is the only inventory of the build directory');
  }
  throw missing(`there is no file "inventory" in ${directory}`, {
    hint: 'Give the build directory that holds it, or the inventory file itself.',
  });
}

async function statOf(path: string): Promise<Stats> {
  return stat(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
}

/** Undefined only where nothing is there: what may not be looked at must not be taken for missing. */
async function statIfThere(path: string): Promise<Stats | undefined> {
  return stat(path).catch((error: unknown) => {
    if (isNotThere(error)) return undefined;
    throw unreadable(path, error);
  });
}

/** What the file is when it is not INI, by its name and its first characters; Ansible decides in the same order. */
function foreignFormat(file: string, stats: Stats, bytes: Buffer): string | undefined {
  const head = bytes.toString('latin1', 0, 65_536);
  if (head.startsWith('$ANSIBLE_VAULT;')) return 'encrypted by ansible-vault';
  if ((stats.mode & 0o111) !== 0 && (head.startsWith('#!') || head.startsWith('\x7fELF')))
    return 'an executable inventory';
  return (
    extensionFormats.get(extname(basename(file))) ?? (looksLikeYaml(head) ? 'a YAML or JSON inventory' : undefined)
  );
}

/** YAML that Ansible would take is a mapping: it begins with a document mark, a brace or a key, none of which begins an INI file. */
function looksLikeYaml(head: string): boolean {
  const first = splitLines(head).find((line) => line.trim() !== '' && !line.trimStart().startsWith('#'));
  return (
    first !== undefined && /^\s*(?:---(?:\s|$)|%YAML|\{|\? |(?:"[^"]*"|'[^']*'|[^\s'"[;=]+)\s*:(?:\s|$))/.test(first)
  );
}

/**
 * The lines of the file. Comments may be in any encoding; everything else must be UTF-8, else INVENTORY_SYNTAX with its line.
 */
export function decodeLines(source: InventorySource): string[] {
  const text = decode(source.bytes);
  return text === undefined ? decodeLineByLine(source) : splitLines(text);
}

function decodeLineByLine(source: InventorySource): string[] {
  const lines = source.bytes.toString('latin1').split(/\r\n|\n|\r/);
  return lines.map((line, index) => {
    if (/^\s*[#;]/.test(line)) return '';
    const text = decode(Buffer.from(line, 'latin1'));
    if (text !== undefined) return text;
    throw new BackupError('INVENTORY_SYNTAX', `${source.file}:${index + 1}: the line is not UTF-8 text`);
  });
}

/** Undefined when the bytes are not UTF-8. A byte order mark is kept, as Ansible keeps it. */
function decode(bytes: Buffer): string | undefined {
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

function isNotThere(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT';
}

function unreadable(path: string, cause: unknown): BackupError {
  const hint = isNotThere(cause)
    ? 'Check the path given as build directory.'
    : 'Give the user who runs lsbackup permission to read the build directory, or check its path.';
  return missing(`cannot read ${path}: ${systemReason(cause)}`, { cause, hint });
}

function missing(message: string, details: { cause?: unknown; hint?: string }): BackupError {
  return new BackupError('INVENTORY_MISSING', message, details);
}

function unsupported(file: string, what: string): BackupError {
  return new BackupError('INVENTORY_UNSUPPORTED', `${file} ${what}, which this version cannot read`, {
    hint: 'Give an inventory file in INI format; `ansible-inventory --list` shows what has to be in it.',
  });
}
