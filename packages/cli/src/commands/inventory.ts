import { QueryCommand } from '../base/base-command.js';
import { inventoryFlags, configFlags, limitFlag, outputFlags, secretFlags } from '../base/flags.js';
import { clusterOptions } from '../config/cluster-options.js';
import { readSettings } from '../config/settings.js';
import { counted, indented, printable, tableText } from '../report/text.js';
import { addressText, becomeText, wayText } from '../report/way-text.js';

export class Inventory extends QueryCommand {
  static override summary = 'Show the hosts and groups of an inventory as lsbackup reads it; no host is touched.';
  static override description =
    'With --json: what ansible-inventory --list prints, with --limit too, without what is in encrypted files.';
  static override examples = ['<%= config.bin %> inventory -b /path/to/build/dir --json'];
  static override flags = { ...inventoryFlags, ...configFlags, ...limitFlag, ...secretFlags, ...outputFlags };

  protected async answer(signal: AbortSignal): Promise<number> {
    const { flags } = await this.parse(Inventory);
    const settings = await readSettings(flags);
    const { limitHosts, limitInventory, loadCluster, loadInventory, inventoryJson, inventoryList } =
      await import('@lsbackup/core');
    const options = await clusterOptions(settings, flags, signal);
    if (flags.json) {
      const inventory = await loadInventory(options);
      for (const warning of inventory.warnings) this.notice(printable(`Warning: ${warning}`));
      const limited = new Set(await limitInventory(inventory, settings.selection.limit));
      this.print(inventoryJson(inventoryList(inventory, limited)));
      return 0;
    }
    const cluster = await loadCluster(options);
    for (const warning of cluster.warnings) this.notice(printable(`Warning: ${warning}`));
    const limited = new Set(await limitHosts(cluster, settings.selection.limit));
    const hosts = cluster.hosts.filter((host) => limited.has(host.name));
    const rows = hosts.map((host) => [
      host.name,
      addressText(host),
      host.connection.user ?? '-',
      wayText(host),
      becomeText(host),
      host.groups.join(', '),
    ]);
    const count = counted(hosts.length, 'host');
    this.print(printable(`Cluster ${cluster.name}, ${count} of ${cluster.inventoryFile}`));
    this.print(tableText(['host', 'address', 'user', 'way', 'become', 'groups'], rows));
    const refusals = new Set(hosts.flatMap(({ refusal }) => (refusal === undefined ? [] : [refusal.message])));
    if (refusals.size > 0) this.print(printable(`Cannot be reached:\n${indented([...refusals].join('\n'))}`));
    return 0;
  }
}
