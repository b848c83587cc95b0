import type { PlannedUnit } from '@lsbackup/core';
import { QueryCommand } from '../base/base-command.js';
import { inventoryFlags, configFlags, documentFlag, outputFlags, secretFlags, selectionFlags } from '../base/flags.js';
import { runOptions } from '../config/run-options.js';
import { readSettings } from '../config/settings.js';
import { eventText } from '../report/event-text.js';
import { planText } from '../report/plan-text.js';
import { printable } from '../report/text.js';

/** Of the inventory or of a host; those of units are with the units. */
interface Warning {
  readonly code: string;
  readonly message: string;
  readonly host: string | null;
  readonly component: string | null;
}

export class Plan extends QueryCommand {
  static override summary = 'Look at the hosts, read-only, and show what a backup would save from where, and how.';
  static override description =
    'Exit status: 0, or 13 when something would not be saved because it could not be reached or found.';
  static override examples = ['<%= config.bin %> plan -b /path/to/build/dir'];
  static override flags = {
    ...inventoryFlags,
    ...configFlags,
    ...documentFlag,
    ...selectionFlags,
    ...secretFlags,
    ...outputFlags,
  };

  protected async answer(signal: AbortSignal): Promise<number> {
    const { flags } = await this.parse(Plan);
    const settings = await readSettings(flags);
    const options = await runOptions(settings, flags, signal);
    const warnings: Warning[] = [];
    const { plan: makePlan } = await import('@lsbackup/core');
    const plan = await makePlan({
      ...options,
      onEvent: (event) => {
        if (event.type !== 'warning') return;
        const { code, message, host = null, component = null } = event;
        warnings.push({ code, message, host, component });
        this.notice(printable(eventText(event) ?? message));
      },
    });
    if (flags.json) this.printDocument({ ...plan, warnings });
    else this.print(planText(plan));
    return plan.units.some(isIncomplete) ? 13 : 0;
  }
}

/** Whether a backup could not save all of it. */
function isIncomplete({ status, artifacts }: PlannedUnit): boolean {
  return status === 'failed' || artifacts.some(({ refusal }) => refusal !== undefined);
}
