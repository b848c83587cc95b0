import { openTarget } from '../base/environment.js';
import {
  inventoryFlags,
  configFlags,
  documentFlag,
  outputFlags,
  secretFlags,
  selectionFlags,
  targetFlag,
} from '../base/flags.js';
import { RunCommand, type Outcome } from '../base/run-command.js';
import { runOptions } from '../config/run-options.js';
import { readSettings, requireInventory, requireTarget } from '../config/settings.js';
import type { RunOutput } from '../output/run-output.js';
import { createBackupReporter, type BackupReporter } from '../report/backup-reporter.js';
import { backupOutcome } from '../report/backup-summary.js';
import { notBackedUpText } from '../report/not-backed-up.js';

export class Backup extends RunCommand {
  static override summary = 'Back a cluster up into one archive. This is what lsbackup does when no command is named.';
  static override description =
    'Exit status: 0 complete, 3 published but partial, 1 failed and nothing published, 2 usage or configuration, 13 unreachable, 14 no space.';
  static override examples = [
    '<%= config.bin %> -b /path/to/build/dir -t /target',
    '<%= config.bin %> backup -b inventory -t /target --only postgresql,haproxy@lb1',
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

  private reporter: BackupReporter | undefined;

  protected async perform(output: RunOutput, signal: AbortSignal): Promise<Outcome> {
    const { flags } = await this.parse(Backup);
    const settings = await readSettings(flags);
    requireInventory(settings);
    const targetName = requireTarget(settings);
    const options = await runOptions(settings, flags, signal);
    await using target = await openTarget(targetName, signal);
    const { backup } = await import('@lsbackup/core');
    const reporter = (this.reporter = createBackupReporter(output));
    const result = await backup({
      ...options,
      target,
      ...(settings.name !== undefined && { name: settings.name }),
      onEvent: (event) => reporter.event(event),
      tool: { name: 'lsbackup', version: this.config.version },
    });
    return backupOutcome(result, target.description);
  }

  protected override failureSummary(): ReturnType<RunCommand['failureSummary']> {
    const missed = this.reporter?.missed();
    if (missed === undefined) return super.failureSummary();
    return { fields: { archive: null, notBackedUp: missed }, text: notBackedUpText(missed) };
  }
}
