import { Command } from '@oclif/core/command';
import type { BackupError } from '@lsbackup/core/store';
import { standardError, standardOutput } from '../output/standard-streams.js';
import { asFailure, errorFields, errorText, wantsJson } from './failure.js';
import { listenForSignals, type Interrupt } from './interrupt.js';

/** What every command shares: signals, and one clear error with the exit status of its code. */
export abstract class BaseCommand extends Command {
  /** True as soon as the arguments say so, also when they cannot be parsed. */
  protected get json(): boolean {
    return wantsJson(this.argv);
  }

  protected get debugging(): boolean {
    const argv = this.argv.join(' ');
    return /--log-level[ =](debug|trace)\b/.test(argv);
  }

  /** Prints one JSON document. */
  protected printDocument(document: unknown): void {
    standardOutput.write(`${JSON.stringify(document, null, 2)}\n`);
  }

  protected print(text: string): void {
    standardOutput.write(`${text}\n`);
  }

  protected notice(text: string): void {
    standardError.write(`${text}\n`);
  }
}

/** A command that answers a question: one JSON document with `--json`, text without. */
export abstract class QueryCommand extends BaseCommand {
  /** Prints the answer and returns the exit status. */
  protected abstract answer(signal: AbortSignal): Promise<number>;

  override async run(): Promise<void> {
    const interrupt: Interrupt = listenForSignals({
      first: () => undefined,
      second: (status) => process.exit(status),
    });
    const onDefect = (error: unknown): never => {
      this.reportFailure(asFailure(error));
      process.exit(1);
    };
    process.on('uncaughtException', onDefect);
    try {
      process.exitCode = await this.answer(interrupt.signal);
    } catch (error) {
      const failure = asFailure(error);
      this.reportFailure(failure);
      process.exitCode = interrupt.exitStatus ?? failure.exitStatus;
    } finally {
      process.off('uncaughtException', onDefect);
      interrupt.stop();
    }
  }

  private reportFailure(failure: BackupError): void {
    this.notice(errorText(failure, this.debugging));
    if (this.json) this.printDocument({ error: errorFields(failure) });
  }
}
