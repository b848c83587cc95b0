import { inventoryJson, inventoryList } from '../../packages/core/src/cluster/inventory/inventory-list.js';
import { loadInventory } from '../../packages/core/src/cluster/inventory/load-inventory.js';
import { BackupError } from '../../packages/core/src/model/errors.js';
import type { AnsibleAnswer } from './ansible.js';

/** What either program makes of a file: its list, parsed, or that it refuses the file. */
export type Outcome = { readonly list: unknown } | { readonly refused: true };

export function outcomeOfAnsible(answer: AnsibleAnswer): Outcome {
  if (answer.status !== 0) return { refused: true };
  const list = parseExactly(answer.stdout) as { _meta: Record<string, unknown> };
  delete list._meta.profile;
  return { list };
}

/** Any error other than a BackupError about the inventory's syntax goes on. */
export async function ourOutcome(file: string): Promise<Outcome> {
  try {
    return { list: parseExactly(await ourText(file)) };
  } catch (error) {
    if (error instanceof BackupError && error.code === 'INVENTORY_SYNTAX') return { refused: true };
    throw error;
  }
}

/** What `lsbackup inventory --json` prints. */
export async function ourText(file: string): Promise<string> {
  return inventoryJson(inventoryList(await loadInventory({ source: file })));
}

/** JSON.parse that keeps every digit of a long integer, as text. Both programs print one value a line. */
export function parseExactly(text: string): unknown {
  return JSON.parse(text.replace(/^(\s*(?:"(?:[^"\\]|\\.)*": )?)(-?[0-9]{16,})(,?)$/gm, '$1"integer $2"$3'));
}
