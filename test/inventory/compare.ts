import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { inventoryJson, inventoryList } from '../../packages/core/src/cluster/inventory/inventory-list.js';
import type { InventoryChoice } from '../../packages/core/src/cluster/inventory/inventory-source.js';
import { loadInventory } from '../../packages/core/src/cluster/inventory/load-inventory.js';
import type { InventoryHost } from '../../packages/core/src/cluster/inventory/inventory.js';
import type { VaultSecret } from '../../packages/core/src/cluster/inventory/vault.js';
import { BackupError } from '../../packages/core/src/model/errors.js';
import { Secret } from '../../packages/core/src/model/secret.js';
import type { AnsibleAnswer } from './ansible.js';

/** What either program makes of a file: its list, parsed, or that it refuses the file. */
export type Outcome = { readonly list: unknown } | { readonly refused: true };

export function outcomeOfAnsible(answer: AnsibleAnswer): Outcome {
  if (answer.status !== 0) return { refused: true };
  const list = parseExactly(answer.stdout) as { _meta: Record<string, unknown> };
  delete list._meta.profile;
  return { list };
}

/** Any error other than a BackupError about what the inventory says goes on. A directory of several is to be named (`choice`), as for Ansible. */
export async function ourOutcome(file: string, choice: InventoryChoice = { source: file }): Promise<Outcome> {
  try {
    return { list: parseExactly(await ourText(file, choice)) };
  } catch (error) {
    if (error instanceof BackupError && refusals.has(error.code)) return { refused: true };
    throw error;
  }
}

const refusals = new Set<string>(['INVENTORY_SYNTAX', 'INVENTORY_SCRIPT', 'VAULT_PASSWORD']);

/** What `lsbackup inventory --json` prints, but with the values of files that are encrypted as a whole, which it does not show. */
export async function ourText(file: string, choice: InventoryChoice = { source: file }): Promise<string> {
  const inventory = await loadInventory({ ...choice, vaultSecrets: await vaultSecretsOf(file) });
  const hosts = [...inventory.hosts].map(
    ([name, host]) => [name, { ...host, variables: shown(host.variables) }] as const,
  );
  return inventoryJson(inventoryList({ ...inventory, hosts: new Map(hosts) }));
}

function shown(variables: InventoryHost['variables']): InventoryHost['variables'] {
  return new Map([...variables].map(([name, variable]) => [name, { ...variable, encrypted: false }]));
}

/** A case that is a directory may hold passwords of ansible-vault: `.vault-LABEL`. */
export async function vaultSecretsOf(file: string): Promise<VaultSecret[]> {
  if (!(await stat(file)).isDirectory()) return [];
  const names = (await readdir(file)).filter((name) => name.startsWith('.vault-')).sort();
  const read = async (name: string): Promise<VaultSecret> => {
    const password = new Secret((await readFile(join(file, name), 'utf8')).trim());
    return { id: name.slice('.vault-'.length), password };
  };
  return Promise.all(names.map(read));
}

const numberLine = /^(\s*(?:"(?:[^"\\]|\\.)*": )?)(-?(?:[0-9][-+.e0-9]*|Infinity|NaN))(,?)$/gm;
const pythonNames: Readonly<Record<string, string>> = { Infinity: 'inf', '-Infinity': '-inf', NaN: 'nan' };

/**
 * JSON.parse that keeps numbers as they are written, as text: every digit, and `1.0` is not `1`. Infinity and NaN are the text that
 * Python's `str` gives, which is what we print. Both programs print one value a line.
 */
export function parseExactly(text: string): unknown {
  const asText = (_: string, before: string, number: string, after: string): string =>
    `${before}"${pythonNames[number] ?? `number ${number}`}"${after}`;
  return JSON.parse(text.replace(numberLine, asText));
}
