import { QueryCommand } from '../base/base-command.js';
import { openTarget } from '../base/environment.js';
import { archiveArgument, configFlags, outputFlags, targetFlag } from '../base/flags.js';
import { passedOverText } from '../base/passed-over.js';
import { readSettings, requireTarget } from '../config/settings.js';
import { archiveText } from '../report/archive-text.js';

export class Show extends QueryCommand {
  static override summary = 'Show what is in an archive, and what is not.';
  static override examples = ['<%= config.bin %> show -t /target'];
  static override args = archiveArgument;
  static override flags = { ...targetFlag, ...configFlags, ...outputFlags };

  protected async answer(signal: AbortSignal): Promise<number> {
    const { args, flags } = await this.parse(Show);
    const settings = await readSettings(flags);
    await using target = await openTarget(requireTarget(settings), signal);
    const { openNamedOrNewest, describeArchive } = await import('@lsbackup/core');
    const { archive, passedOver } = await openNamedOrNewest(target, args.archive, { signal });
    const note = passedOverText(archive.name, passedOver);
    if (note !== undefined) this.notice(note);
    const description = describeArchive(archive);
    if (flags.json) this.printDocument(description);
    else this.print(archiveText(description));
    return 0;
  }
}
