import { access, constants, readFile, stat } from 'node:fs/promises';
import { extname } from 'node:path';

import { BackupError } from '../../model/errors.js';
import { parseAnsibleYaml } from './ansible-yaml.js';
import type { AnsibleYaml } from './ansible-yaml.js';
import { readIniInventory } from './ini-inventory.js';
import { inventoryFault, InventoryGraph } from './inventory-graph.js';
import type { ResolvedInventory } from './inventory-graph.js';
import { unreadable } from './inventory-files.js';
import { decodeLines, decodeText } from './inventory-text.js';
import type { InventoryText } from './inventory-text.js';
import { readScriptInventory } from './script-inventory.js';
import type { ScriptOptions } from './script-inventory.js';
import { isVaultText } from './vault.js';
import type { Vault } from './vault.js';
import { readYamlInventory } from './yaml-inventory.js';
import type { YamlMap } from './yaml-inventory.js';
import { splitLines } from '../python/python-text.js';

/** Larger files are no inventories. */
const maximumBytes = 64 * 1024 * 1024;
/** Without an extension, or with one of these, a file may be YAML. Source: ansible-core 2.19, inventory plugin `yaml`. */
const yamlExtensions: readonly string[] = ['', '.yml', '.yaml', '.json'];

export interface ReadSources extends ResolvedInventory {
  /** What was read, in order: of a file its bytes, of a script what it printed. */
  readonly contents: readonly Uint8Array[];
}

/**
 * Reads inventory files one after the other into one inventory. Which grammar a file has is found out as Ansible does it: a program is
 * run, then what is a mapping in YAML or JSON is that, and everything else INI (its plugins script, auto, yaml, ini, toml in this order).
 * One difference is meant: a script that fails is an error, and not then read as text.
 * Throws INVENTORY_SYNTAX with `file:line`, INVENTORY_SCRIPT, INVENTORY_MISSING for what cannot be read, INVENTORY_UNSUPPORTED for
 * TOML and for configurations of other inventory plugins, VAULT_PASSWORD.
 */
export async function readSources(
  files: readonly string[],
  { vault, ...script }: { readonly vault: Vault } & Pick<ScriptOptions, 'directory' | 'signal'>,
): Promise<ReadSources> {
  const graph = new InventoryGraph();
  const contents: Uint8Array[] = [];
  const warnings: string[] = [];
  for (const file of files) {
    script.signal?.throwIfAborted();
    const bytes = await bytesOf(file);
    if (await isProgram(file, bytes)) {
      contents.push(...(await readScriptInventory(file, graph, script)));
    } else {
      contents.push(bytes);
      warnings.push(...readText(bytes, file, { vault, graph }));
    }
  }
  const resolved = graph.resolve();
  return { ...resolved, warnings: [...warnings, ...resolved.warnings], contents };
}

async function bytesOf(file: string): Promise<Buffer> {
  try {
    const stats = await stat(file);
    if (!stats.isFile()) throw unsupported(file, 'is neither a file nor a directory');
    if (stats.size > maximumBytes) throw unsupported(file, 'is larger than 64 MiB');
    return await readFile(file);
  } catch (error) {
    if (error instanceof BackupError) throw error;
    throw unreadable(file, error);
  }
}

/** Ansible tries to run whatever is executable; of these the kernel runs the ones with `#!` and the binaries. */
async function isProgram(file: string, bytes: Buffer): Promise<boolean> {
  const head = bytes.toString('latin1', 0, 4);
  if (!head.startsWith('#!') && head !== '\x7fELF') return false;
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Returns warnings. */
function readText(
  bytes: Buffer,
  file: string,
  { vault, graph }: { readonly vault: Vault; readonly graph: InventoryGraph },
): readonly string[] {
  const extension = extname(file);
  if (extension === '.toml') throw unsupported(file, 'is a TOML inventory (inventory plugin "toml")');
  const encrypted = isVaultText(bytes);
  const plain = encrypted ? Buffer.from(vault.decrypt(bytes.toString('latin1'), `${file}:1`), 'utf8') : bytes;
  const source = { file, encrypted };
  const yaml = yamlExtensions.includes(extension) ? tryYaml(plain, source) : undefined;
  if (yaml !== undefined && 'root' in yaml) return [...yaml.warnings, ...readYamlInventory(yaml.root, source, graph)];
  try {
    readIniInventory(decodeLines(plain, file), source, graph);
  } catch (error) {
    throw yaml !== undefined && (extension !== '' || looksLikeYaml(plain)) ? yaml.fault : error;
  }
  return [];
}

type TriedYaml = { readonly root: YamlMap; readonly warnings: readonly string[] } | { readonly fault: BackupError };

/** Only a mapping with something in it is a YAML inventory. */
function tryYaml(bytes: Buffer, source: InventoryText): TriedYaml {
  const { file } = source;
  let yaml: AnsibleYaml;
  try {
    yaml = parseAnsibleYaml(decodeText(bytes, file), file);
  } catch (error) {
    if (error instanceof BackupError && error.code === 'INVENTORY_SYNTAX') return { fault: error };
    throw error;
  }
  const { node, warnings } = yaml;
  if (node?.kind === 'map' && node.entries.size > 0) return { root: node, warnings };
  return {
    fault: inventoryFault({ file, line: node?.line ?? 1 }, 'a YAML inventory is a mapping of groups, and this is none'),
  };
}

/** For the choice between two messages only: it begins with a document mark, a brace, a dash or a key, as no INI file does. */
function looksLikeYaml(bytes: Buffer): boolean {
  const head = bytes.toString('latin1', 0, 65_536);
  const first = splitLines(head).find((line) => line.trim() !== '' && !line.trimStart().startsWith('#'));
  return (
    first !== undefined && /^\s*(?:---(?:\s|$)|%YAML|\{|[?-] |(?:"[^"]*"|'[^']*'|[^\s'"[;=]+)\s*:(?:\s|$))/.test(first)
  );
}

function unsupported(file: string, what: string): BackupError {
  return new BackupError('INVENTORY_UNSUPPORTED', `${file} ${what}, which lsbackup cannot read`, {
    hint: 'Give an inventory in INI, YAML or JSON; `ansible-inventory --list --export --yaml` makes one.',
  });
}
