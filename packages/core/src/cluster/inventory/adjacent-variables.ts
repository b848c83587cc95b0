import { readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';

import pLimit from 'p-limit';

import { BackupError } from '../../model/errors.js';
import { systemReason } from '../../model/system-errors.js';
import { parseAnsibleYaml, valueOf } from './ansible-yaml.js';
import type { Variable } from './inventory.js';
import { decodeText } from './inventory-text.js';
import { VariableFiles } from './variable-files.js';
import { isVaultText } from './vault.js';
import type { Vault } from './vault.js';
import { isFalsy } from './yaml-inventory.js';

type Variables = ReadonlyMap<string, Variable>;

/** What `group_vars/` and `host_vars/` set, by group and by host; those that set nothing are left out. */
export interface AdjacentVariables {
  readonly groups: ReadonlyMap<string, Variables>;
  readonly hosts: ReadonlyMap<string, Variables>;
  /** Of every file that was read, in order. */
  readonly contents: readonly Uint8Array[];
  readonly warnings: readonly string[];
}

/** Files open at once. */
const filesAtOnce = 32;
/** Larger files hold no variables. */
const maximumBytes = 16 * 1024 * 1024;

/**
 * Reads the variables that Ansible would read from `group_vars/` and `host_vars/` in the directory, of the groups and hosts
 * named: that of the inventory file, or the directory of inventories itself. What `ansible-inventory` would read from the working
 * directory is not read: that stands in for the playbook's, and where a backup is started from must not change what it does.
 * Values of `!vault` stay encrypted; a file that is encrypted as a whole is decrypted, as nothing else tells what it sets.
 * Throws INVENTORY_SYNTAX with `file:line`, INVENTORY_UNSUPPORTED for what cannot be read, VAULT_PASSWORD.
 */
export async function readAdjacentVariables(
  directory: string,
  names: { readonly groups: Iterable<string>; readonly hosts: Iterable<string> },
  vault: Vault,
): Promise<AdjacentVariables> {
  const base = await realpath(directory);
  const groups = await variablesByName(join(base, 'group_vars'), names.groups, vault);
  const hosts = await variablesByName(join(base, 'host_vars'), names.hosts, vault);
  return {
    groups: groups.variables,
    hosts: hosts.variables,
    contents: [...groups.contents, ...hosts.contents],
    warnings: [...groups.warnings, ...hosts.warnings],
  };
}

async function variablesByName(directory: string, names: Iterable<string>, vault: Vault) {
  const files = new VariableFiles(directory);
  const limit = pLimit(filesAtOnce);
  const variables = new Map<string, Variables>();
  const contents: Uint8Array[] = [];
  const warnings: string[] = [];
  const found = await limit.map(names, async (name) => {
    const paths = await files.of(name);
    return { name, contents: await Promise.all(paths.map(async (path) => ({ path, bytes: await bytesOf(path) }))) };
  });
  for (const { name, contents: own } of found) {
    const merged = new Map<string, Variable>();
    for (const { path, bytes } of own) {
      contents.push(bytes);
      const read = parseVariables(bytes, path, vault);
      warnings.push(...read.warnings);
      for (const [variable, value] of read.variables) merged.set(variable, value);
    }
    if (merged.size > 0) variables.set(name, merged);
  }
  return { variables, contents, warnings };
}

async function bytesOf(path: string): Promise<Buffer> {
  try {
    if ((await stat(path)).size > maximumBytes) throw unsupported(`${path} is larger than 16 MiB`);
    return await readFile(path);
  } catch (cause) {
    if (cause instanceof BackupError) throw cause;
    throw unsupported(`cannot read ${path}, which holds variables: ${systemReason(cause)}`, cause);
  }
}

function unsupported(message: string, cause?: unknown): BackupError {
  return new BackupError('INVENTORY_UNSUPPORTED', message, { cause });
}

function parseVariables(bytes: Buffer, path: string, vault: Vault) {
  const encrypted = isVaultText(bytes);
  const text = encrypted ? vault.decrypt(bytes.toString('latin1'), `${path}:1`) : decodeText(bytes, path);
  const { node, warnings } = parseAnsibleYaml(text, path);
  const variables = new Map<string, Variable>();
  if (node?.kind === 'map') {
    for (const [name, value] of node.entries) {
      variables.set(name, { value: valueOf(value), file: path, line: value.line, ...(encrypted && { encrypted }) });
    }
    // Ansible takes a file that holds nothing (`false`, `0`, `[]`, empty text) for one without variables.
  } else if (node !== undefined && !isFalsy(node)) {
    throw new BackupError('INVENTORY_SYNTAX', `${path}:${node.line}: expected a mapping of names to values`);
  }
  return { variables, warnings };
}
