import { BackupError } from '@lsbackup/core/store';
import { createRunOutput, type RunOutput } from '../output/run-output.js';
import { BaseCommand } from './base-command.js';
import { asFailure, errorFields, errorText } from './failure.js';
import { listenForSignals } from './interrupt.js';

/** How long a run may take to clean up after a defect, which may be what keeps it from ending. */
const defectSeconds = 120;

/** How a run ended: the fields of its `summary` line, the same for people, and the exit status. */
export interface Outcome {
  readonly summary: Readonly<Record<string, unknown>> & { readonly status: string };
  readonly text: string;
  readonly exitStatus: number;
  /** Something was not done because the run was aborted. */
  readonly isStopped?: boolean;
}

/** `ofSignal`: the exit status that stands for the signal that came, if one did. */
export function exitStatusOf({ exitStatus, isStopped }: Outcome, ofSignal: number | undefined): number {
  return isStopped === true ? (ofSignal ?? exitStatus) : exitStatus;
}

/** A command that does something for a while: JSON lines with exactly one `summary` and one `exit` (docs/json.md), or text. */
export abstract class RunCommand extends BaseCommand {
  protected abstract perform(output: RunOutput, signal: AbortSignal): Promise<Outcome>;

  /** What a run that failed can still say: fields of its `summary` line and text for people. */
  protected failureSummary(): { readonly fields: Readonly<Record<string, unknown>>; readonly text: string } {
    return { fields: {}, text: '' };
  }

  override async run(): Promise<void> {
    const output = createRunOutput({ json: this.json, command: this.id ?? '' });
    const endNow = (error: BackupError, status: number): never => {
      this.reportFailure(output, error, status);
      process.exit(status);
    };
    const interrupt = listenForSignals({
      first: (name) =>
        output.note(`${name}: cleaning up; a second signal stops at once and leaves the rest to the next run`),
      second: (status) =>
        endNow(new BackupError('ABORTED', 'stopped by a second signal, before clean-up had ended'), status),
    });
    let defect: BackupError | undefined;
    const onDefect = (error: unknown): void => {
      const failure = asFailure(error);
      if (defect !== undefined) {
        output.note(errorText(failure, this.debugging));
        return;
      }
      defect = failure;
      interrupt.abort(failure);
      setTimeout(() => endNow(failure, 1), defectSeconds * 1000).unref();
    };
    process.on('uncaughtException', onDefect);
    try {
      const outcome = await this.perform(output, interrupt.signal);
      if (defect !== undefined) throw defect;
      const exitStatus = exitStatusOf(outcome, interrupt.exitStatus);
      output.finish({ ...outcome, exitStatus });
      process.exitCode = exitStatus;
    } catch (error) {
      const failure = defect ?? asFailure(error);
      const status = interrupt.exitStatus ?? (defect === undefined ? failure.exitStatus : 1);
      this.reportFailure(output, failure, status);
      process.exitCode = status;
    } finally {
      process.off('uncaughtException', onDefect);
      interrupt.stop();
    }
  }

  private reportFailure(output: RunOutput, error: BackupError, exitStatus: number): void {
    const status = exitStatus > 128 ? 'aborted' : 'failed';
    const { fields, text } = this.failureSummary();
    output.line('error', errorFields(error));
    output.finish({ summary: { ...fields, status, error: errorFields(error) }, text, exitStatus });
    this.notice(errorText(error, this.debugging));
  }
}
