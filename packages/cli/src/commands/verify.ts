import { Flags } from '@oclif/core';
import type { VerifyResult } from '@lsbackup/core';
import { BackupError, type Store } from '@lsbackup/core/store';
import { openTarget } from '../base/environment.js';
import { asFailure, errorFields } from '../base/failure.js';
import { archiveArgument, configFlags, outputFlags, targetFlag } from '../base/flags.js';
import { passedOverText } from '../base/passed-over.js';
import { RunCommand, type Outcome } from '../base/run-command.js';
import { readSettings, requireTarget } from '../config/settings.js';
import type { RunOutput } from '../output/run-output.js';
import { createByteProgress } from '../report/byte-progress.js';
import { verifyOutcome, type Verified } from '../report/verify-summary.js';

export class Verify extends RunCommand {
  static override summary = 'Read an archive whole and check every byte of it.';
  static override description =
    'Exit status: 0 intact (also of a partial archive, with a notice), 4 corruption found, 10 there is no such archive.';
  static override examples = ['<%= config.bin %> verify -t /target', '<%= config.bin %> verify -t /target --all'];
  static override args = archiveArgument;
  static override flags = {
    ...targetFlag,
    all: Flags.boolean({ summary: 'Every archive of the target.' }),
    ...configFlags,
    ...outputFlags,
  };

  protected async perform(output: RunOutput, signal: AbortSignal): Promise<Outcome> {
    const { args, flags } = await this.parse(Verify);
    if (flags.all && args.archive !== undefined)
      throw new BackupError('USAGE', '--all and the name of an archive exclude each other');
    const settings = await readSettings(flags);
    await using target = await openTarget(requireTarget(settings), signal);
    const names = flags.all
      ? await allNames(target, signal)
      : [await this.chooseName(target, args.archive, { output, signal })];
    const verified: Verified[] = [];
    for (const name of names) verified.push(await this.verifyOne(target, name, { output, signal, several: flags.all }));
    return verifyOutcome(verified);
  }

  private async chooseName(target: Store, name: string | undefined, run: Context): Promise<string> {
    if (name !== undefined) return name;
    const { newestComplete } = await import('@lsbackup/core');
    const { archive, passedOver } = await newestComplete(target, { signal: run.signal });
    const note = passedOverText(archive.name, passedOver);
    if (note !== undefined) run.output.note(note);
    return archive.name;
  }

  /** Among several, one that this version cannot read must not hide the others; what stops them all (a signal) is thrown. */
  private async verifyOne(target: Store, name: string, run: Context & { several: boolean }): Promise<Verified> {
    const { output, signal } = run;
    const { builtInComponents, verifyArchive } = await import('@lsbackup/core');
    const progress = createByteProgress(output, name);
    try {
      const formats = builtInComponents.flatMap((component) => component.formats ?? []);
      const result = await verifyArchive(target, name, { signal, formats, onProgress: progress.update });
      for (const problem of result.problems) output.line('error', errorFields(corruption(name, problem)));
      return { name, result };
    } catch (error) {
      const failure = asFailure(error);
      if (!run.several || !failure.code.startsWith('ARCHIVE_')) throw failure;
      output.line('error', errorFields(failure));
      return { name, failure };
    } finally {
      progress.end();
    }
  }
}

interface Context {
  readonly output: RunOutput;
  readonly signal: AbortSignal;
}

function corruption(name: string, { entry, what }: VerifyResult['problems'][number]): BackupError {
  return new BackupError('ARCHIVE_CORRUPT', `${name}: ${entry}: ${what}`);
}

async function allNames(target: Store, signal: AbortSignal): Promise<string[]> {
  const { listArchives } = await import('@lsbackup/core');
  const names: string[] = [];
  for await (const archive of listArchives(target, { signal })) names.push(archive.name);
  if (names.length === 0) throw new BackupError('ARCHIVE_MISSING', `there are no archives in ${target.description}`);
  return names;
}
