import type { loadInventory } from '../../packages/core/src/cluster/inventory/load-inventory.js';
import { inventoryJson, inventoryList } from '../../packages/core/src/cluster/inventory/inventory-list.js';
import { limitInventory } from '../../packages/core/src/cluster/patterns/limit.js';

type Loaded = Awaited<ReturnType<typeof loadInventory>>;

/** What `--limit` leaves, in the inventory's order. */
export function ourHosts(inventory: Loaded, limit: string): Promise<readonly string[]> {
  return limitInventory(inventory, [limit]);
}

/** What `lsbackup inventory --json --limit LIMIT` prints. */
export async function ourLimitedText(inventory: Loaded, limit: string): Promise<string> {
  return inventoryJson(inventoryList(inventory, new Set(await ourHosts(inventory, limit))));
}
