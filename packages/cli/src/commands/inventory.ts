import { QueryCommand } from '../base/base-command.js';
import { buildDirFlag, configFlags, outputFlags, secretFlags } from '../base/flags.js';
import { clusterOptions } from '../config/cluster-options.js';
import { readSettings } from '../config/settings.js';
import { counted, printable, tableText } from '../report/text.js';

export class Inventory extends QueryCommand {
  static override summary = 'Show the hosts and groups of an inventory as lsbackup reads it; no host is touched.';
  static override description =
    'With --json: what ansible-inventory --list prints, without what is in encrypted files.';
  static override examples = ['<%= config.bin %> inventory -b /path/to/build/dir --json'];
  static override flags = { ...buildDirFlag, ...configFlags, ...secretFlags, ...outputFlags };

  protected async answer(signal: AbortSignal): Promise<number> {
    const { flags } = await this.parse(Inventory);
    const settings = await readSettings(flags);
    const { loadCluster, loadInventory, inventoryJson, inventoryList } = await import('@lsbackup/core');
    const options = await clusterOptions(settings, flags, signal);
    if (flags.json) {
      const inventory = await loadInventory(options);
      for (const warning of inventory.warnings) this.notice(printable(`Warning: ${warning}`));
      this.print(inventoryJson(inventoryList(inventory)));
      return 0;
    }
    const cluster = await loadCluster(options);
    for (const warning of cluster.warnings) this.notice(printable(`Warning: ${warning}`));
    const rows = cluster.hosts.map((host) => [
      host.name,
      `${host.connection.address}:${host.connection.port}`,
      host.connection.user ?? '-',
      host.connection.become?.method ?? 'no',
      host.groups.join(', '),
    ]);
    this.print(
      printable(`Cluster ${cluster.name}, ${counted(cluster.hosts.length, 'host')} of ${cluster.inventoryFile}`),
    );
    this.print(tableText(['host', 'address', 'user', 'become', 'groups'], rows));
    return 0;
  }
}
