import { Flags } from '@oclif/core';
import type { Archive, JournaledPlan, RestoreServices } from '@lsbackup/core';
import { BackupError, type Store } from '@lsbackup/core/store';
import { createLogger, openTarget, stateDirectory } from '../base/environment.js';
import {
  archiveArgument,
  configFlags,
  inventoryFlags,
  outputFlags,
  secretFlags,
  selectionFlags,
  targetFlag,
} from '../base/flags.js';
import { passedOverText } from '../base/passed-over.js';
import { RunCommand, type Outcome } from '../base/run-command.js';
import { clusterOptions } from '../config/cluster-options.js';
import { parseMapFlags, parseSelectFlags } from '../config/restore-flags.js';
import { readInvocation, toInvocation } from '../config/restore-invocation.js';
import { runOptions } from '../config/run-options.js';
import { readSettings, requireInventory, requireTarget, type Settings } from '../config/settings.js';
import type { RunOutput } from '../output/run-output.js';
import { confirmByName } from '../base/confirm.js';
import { createRestoreReporter } from '../report/restore-reporter.js';
import { restorePlanText, stepsText } from '../report/restore-plan-text.js';
import { restoreOutcome } from '../report/restore-summary.js';
import { printable } from '../report/text.js';

/** What chooses among the units of an archive means nothing to a run that is planned already: that is finished, undone or dropped as a whole. */
const planning = ['only', 'skip', 'limit', 'set', 'select', 'map', 'from'];

export class Restore extends RunCommand {
  static override summary =
    'Put what an archive has back: verified first, with the old data kept, undone when it fails.';
  static override description =
    'Nothing changes without --yes or the names of the components typed at the terminal. Exit status: 0 restored, 3 restored in part (the rest is as it was), 128+N stopped by a signal, 1 nothing restored, 2 usage, 4 the archive is damaged in a part that is needed (nothing was touched), 11 locked, 13 unreachable or refused, 14 no space.';
  static override examples = [
    '<%= config.bin %> restore -b /path/to/build/dir -t /target --only postgresql --dry-run',
    '<%= config.bin %> restore -b /path/to/build/dir -t /target --only haproxy@lb1 --yes',
    '<%= config.bin %> restore -b new/build -t /target --from old/build --only postgresql --select postgresql.database=app --yes',
    '<%= config.bin %> restore --rollback 20261122T101500Z-4f1c9a2b --yes',
  ];
  static override args = archiveArgument;
  static override flags = {
    ...inventoryFlags,
    ...targetFlag,
    yes: Flags.boolean({
      char: 'y',
      summary: 'Do it without asking. Components with steps that cannot be undone must also be named by --only.',
    }),
    'dry-run': Flags.boolean({ summary: 'Verify and plan, and change nothing.', exclusive: ['yes'] }),
    select: Flags.string({
      summary: 'Only this inside a component; may be given several times. lsbackup components lists what there is.',
      helpValue: 'COMPONENT.KEY=VALUE',
      multiple: true,
      multipleNonGreedy: true,
    }),
    map: Flags.string({
      summary: 'The host that takes the place of a host of the archive; with itself, that it is another machine now.',
      helpValue: 'OLD=NEW',
      multiple: true,
      multipleNonGreedy: true,
    }),
    from: Flags.string({
      summary:
        'Build directory or inventory of the cluster that was backed up: hosts take places by their order in the groups.',
      helpValue: 'DIR',
    }),
    resume: Flags.string({
      summary: 'Do what is not done of a restore, as a whole: one whose process ended, failed or was undone.',
      helpValue: 'RUN',
      exclusive: ['rollback', 'drop-old', ...planning],
    }),
    rollback: Flags.string({
      summary:
        'Put everything back as it was before a restore, as a whole, also one that ended well; what was written since is lost.',
      helpValue: 'RUN',
      exclusive: ['drop-old', ...planning],
    }),
    'drop-old': Flags.string({
      summary: 'Remove all old data that a restore kept; it cannot be rolled back then.',
      helpValue: 'RUN',
      exclusive: ['dry-run', ...planning],
    }),
    ...configFlags,
    only: selectionFlags.only,
    skip: selectionFlags.skip,
    limit: selectionFlags.limit,
    set: selectionFlags.set,
    ...secretFlags,
    ...outputFlags,
  };

  protected async perform(output: RunOutput, signal: AbortSignal): Promise<Outcome> {
    const { args, flags } = await this.parse(Restore);
    const earlier = flags.rollback ?? flags['drop-old'];
    if (earlier !== undefined && args.archive !== undefined)
      throw new BackupError('USAGE', `${args.archive}: undoing a restore and removing its old data read no archive`, {
        hint: `restore ${earlier} knows its own: leave the name out`,
      });
    if (flags.resume !== undefined) return this.resume(flags.resume, output, signal);
    if (flags.rollback !== undefined) return this.rollback(flags.rollback, output, signal);
    if (flags['drop-old'] !== undefined) return this.dropOld(flags['drop-old'], output, signal);
    return this.restore(output, signal);
  }

  private async restore(output: RunOutput, signal: AbortSignal): Promise<Outcome> {
    const { args, flags } = await this.parse(Restore);
    const settings = await readSettings(flags);
    requireInventory(settings);
    const targetName = requireTarget(settings);
    const map = parseMapFlags(flags.map ?? []);
    const select = parseSelectFlags(flags.select ?? []);
    const options = await runOptions(settings, flags, signal);
    const { loadCluster, prepareRestore } = await import('@lsbackup/core');
    const from =
      flags.from === undefined
        ? undefined
        : await loadCluster({
            ...(await clusterOptions(settings, flags, signal)),
            inventory: undefined,
            source: flags.from,
          });
    await using target = await openTarget(targetName, signal);
    const archive = await openArchiveOf(target, args.archive, { output, signal });
    const reporter = createRestoreReporter(output);
    await using prepared = await prepareRestore({
      ...options,
      archive,
      map,
      select,
      ...(from && { from }),
      stateDirectory: stateDirectory(),
      context: toInvocation(settings, flags),
      onEvent: (event) => reporter.event(event),
    });
    const { plan } = prepared;
    const text = restorePlanText(plan);
    if (flags['dry-run']) return { summary: { status: 'planned', plan }, text, exitStatus: 0 };
    if (!output.json) output.note(printable(text));
    const components = [...new Set(plan.units.filter(({ sets }) => sets.length > 0).map(({ component }) => component))];
    const typed = flags.yes
      ? plan.irreversible.filter((name) => settings.selection.only?.includes(name))
      : await confirmByName('restore', components, signal);
    const result = await prepared.apply({ irreversible: typed });
    return restoreOutcome(result, { archive: archive.name, direction: 'restore', units: plan.units });
  }

  private async resume(runId: string, output: RunOutput, signal: AbortSignal): Promise<Outcome> {
    const { args, flags } = await this.parse(Restore);
    const { plan, services, settings } = await this.earlier(runId, output, signal);
    await using target = await openTarget(requireTarget(settings), signal);
    const { openArchive, resumeRestore } = await import('@lsbackup/core');
    const archive = await openArchive(target, args.archive ?? plan.archive.name, { signal });
    const text = `Would do what is not done of restore ${runId}:\n\n${stepsText(plan.steps)}`;
    if (flags['dry-run']) return { summary: { status: 'planned', steps: plan.steps }, text, exitStatus: 0 };
    if (!flags.yes) await this.ask('go on with the restore of', plan, { text, output, signal });
    const result = await resumeRestore({ ...services, runId, archive });
    return restoreOutcome(result, { archive: archive.name, direction: 'restore', units: plan.units });
  }

  private async rollback(runId: string, output: RunOutput, signal: AbortSignal): Promise<Outcome> {
    const { flags } = await this.parse(Restore);
    const { plan, services } = await this.earlier(runId, output, signal);
    const text = `Would undo restore ${runId}:\n\n${stepsText(plan.steps.toReversed())}`;
    if (flags['dry-run']) return { summary: { status: 'planned', steps: plan.steps }, text, exitStatus: 0 };
    if (!flags.yes) await this.ask('undo the restore of', plan, { text, output, signal });
    const { rollbackRestore } = await import('@lsbackup/core');
    const result = await rollbackRestore({ ...services, runId });
    return restoreOutcome(result, { archive: plan.archive.name, direction: 'rollback' });
  }

  private async dropOld(runId: string, output: RunOutput, signal: AbortSignal): Promise<Outcome> {
    const { flags } = await this.parse(Restore);
    const { plan, services } = await this.earlier(runId, output, signal);
    if (!flags.yes) await confirmByName('remove the old data of', componentsOf(plan), signal);
    const { dropRestored } = await import('@lsbackup/core');
    const dropped = await dropRestored({ ...services, runId });
    const lines =
      dropped.length === 0 ? ['There was no old data left.'] : ['Removed:', ...dropped.map((each) => `  ${each}`)];
    return { summary: { status: 'dropped', dropped }, text: printable(lines.join('\n')), exitStatus: 0 };
  }

  /** Shows an earlier run's steps and has its components named. Errors: RESTORE_UNCONFIRMED. */
  private async ask(
    what: string,
    plan: JournaledPlan,
    { text, output, signal }: { readonly text: string; readonly output: RunOutput; readonly signal: AbortSignal },
  ): Promise<void> {
    if (!output.json) output.note(printable(text));
    await confirmByName(what, componentsOf(plan), signal);
  }

  /** An earlier run with the inventory it was started with, unless flags name another. */
  private async earlier(
    runId: string,
    output: RunOutput,
    signal: AbortSignal,
  ): Promise<{ readonly plan: JournaledPlan; readonly services: RestoreServices; readonly settings: Settings }> {
    const { flags } = await this.parse(Restore);
    const { loadCluster, readRestore } = await import('@lsbackup/core');
    const plan = await readRestore(stateDirectory(), runId);
    const settings = await readSettings(readInvocation(plan.context, flags));
    const options = await clusterOptions(settings, flags, signal);
    const logger = await createLogger(flags['log-level']);
    const reporter = createRestoreReporter(output);
    const services: RestoreServices = {
      cluster: await loadCluster(options),
      user: options.user,
      stateDirectory: stateDirectory(),
      signal,
      onEvent: (event) => reporter.event(event),
      ...(logger && { logger }),
    };
    return { plan, services, settings };
  }
}

async function openArchiveOf(
  target: Store,
  name: string | undefined,
  { output, signal }: { readonly output: RunOutput; readonly signal: AbortSignal },
): Promise<Archive> {
  const { openNamedOrNewest } = await import('@lsbackup/core');
  const { archive, passedOver } = await openNamedOrNewest(target, name, { signal });
  const note = passedOverText(archive.name, passedOver);
  if (note !== undefined) output.note(note);
  return archive;
}

function componentsOf(plan: JournaledPlan): readonly string[] {
  const components = [...new Set(plan.units.filter(({ sets }) => sets.length > 0).map(({ component }) => component))];
  if (components.length === 0) throw new BackupError('RESTORE_RUN', `restore ${plan.runId} has no steps`);
  return components;
}
