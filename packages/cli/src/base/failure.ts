import { inspect } from 'node:util';
import { asBackupError, BackupError } from '@lsbackup/core/store';
import { standardError, standardOutput } from '../output/standard-streams.js';
import { printable } from '../report/text.js';

/** What went wrong, in words every command uses. oclif's own errors (an unknown flag, a missing value) are usage errors. */
export function asFailure(error: unknown): BackupError {
  if (error instanceof BackupError) return error;
  if (isUsageError(error))
    return new BackupError('USAGE', firstParagraph(error.message), { hint: usageHint, cause: error });
  return asBackupError(error);
}

const usageHint = 'see lsbackup --help, or lsbackup COMMAND --help';

/** oclif marks the errors it means for users with `oclif`, and its parser's with `parse`. */
function isUsageError(error: unknown): error is Error {
  return error instanceof Error && ('oclif' in error || 'parse' in error);
}

/** Without the pointer to the help that oclif's parser appends: the hint says it. */
function firstParagraph(message: string): string {
  return message.replace(/\n*See more help with --help\s*$/, '').trim();
}

/** One error for people: what happened, where, and what to do next. With `debug` also the stack and its causes. */
export function errorText(error: BackupError, debug = false): string {
  const where = [error.component, error.host]
    .filter((part) => part !== undefined && !error.message.includes(part))
    .join(' on ');
  const lines = [`Error: ${where === '' ? '' : `${where}: `}${error.message} [${error.code}]`];
  if (error.hint !== undefined) lines.push(`  ${error.hint}`);
  const text = printable(lines.join('\n'));
  return debug ? `${text}\n${printable(inspect(error))}` : text;
}

/** The same for programs (docs/json.md). */
export function errorFields(error: BackupError): Record<string, unknown> {
  return {
    code: error.code,
    message: error.message,
    host: error.host ?? null,
    component: error.component ?? null,
    hint: error.hint ?? null,
    retryable: error.retryable,
  };
}

/** Reports what happened before a command ran, and returns the exit status. */
export function reportEarlyFailure(error: unknown, argv: readonly string[]): number {
  const unknown = error instanceof Error && /^command (.*) not found\.?$/i.exec(error.message);
  const failure = unknown
    ? new BackupError('USAGE', `unknown command "${unknown[1]}"`, {
        hint: 'lsbackup --help lists the commands',
        cause: error,
      })
    : asFailure(error);
  standardError.write(`${errorText(failure)}\n`);
  if (wantsJson(argv)) standardOutput.write(`${JSON.stringify({ error: errorFields(failure) })}\n`);
  return failure.exitStatus;
}

/** Whether `--json` was asked for, also when the command line as a whole cannot be parsed. */
export function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end === -1 ? undefined : end).includes('--json');
}
