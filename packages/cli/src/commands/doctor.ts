import { openTarget } from '../base/environment.js';
import { QueryCommand } from '../base/base-command.js';
import {
  inventoryFlags,
  configFlags,
  documentFlag,
  outputFlags,
  secretFlags,
  selectionFlags,
  targetFlag,
} from '../base/flags.js';
import { runOptions } from '../config/run-options.js';
import { readSettings } from '../config/settings.js';
import { diagnosisText } from '../report/doctor-text.js';

export class Doctor extends QueryCommand {
  static override summary =
    'Look at this machine, the hosts and the target, and tell what would fail a backup, with the remedy.';
  static override description =
    'Changes nothing on hosts; writes a small object to the target, if one is given, and removes it again. Exit status: 0, or 13 when something would fail a backup.';
  static override examples = [
    '<%= config.bin %> doctor -b /path/to/build/dir -t /target',
    '<%= config.bin %> doctor -b inventory --limit lb1',
  ];
  static override flags = {
    ...inventoryFlags,
    ...targetFlag,
    ...configFlags,
    ...documentFlag,
    ...selectionFlags,
    ...secretFlags,
    ...outputFlags,
  };

  protected async answer(signal: AbortSignal): Promise<number> {
    const { flags } = await this.parse(Doctor);
    const settings = await readSettings(flags);
    const options = await runOptions(settings, flags, signal);
    const { target } = settings;
    const { doctor } = await import('@lsbackup/core');
    const diagnosis = await doctor({
      ...options,
      ...(target !== undefined && { target: { name: target, open: () => openTarget(target, signal) } }),
    });
    if (flags.json) this.printDocument(diagnosis);
    else this.print(diagnosisText(diagnosis));
    return diagnosis.status === 'failed' ? 13 : 0;
  }
}
