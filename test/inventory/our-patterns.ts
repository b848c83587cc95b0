import { groupMembers } from '../../packages/core/src/cluster/inventory/group-members.js';
import { loadInventory } from '../../packages/core/src/cluster/inventory/load-inventory.js';
import { limitHosts, type LimitScope } from '../../packages/core/src/cluster/patterns/limit.js';

/** The hosts and groups of an inventory, for patterns. */
export async function patternScope(file: string): Promise<LimitScope> {
  const inventory = await loadInventory({ source: file });
  return { inventoryFile: file, hosts: [...inventory.hosts.values()], ...groupMembers(inventory) };
}

/** What `--limit` leaves, in the inventory's order. */
export function ourHosts(scope: LimitScope, limit: string): Promise<readonly string[]> {
  return limitHosts(scope, [limit]);
}
