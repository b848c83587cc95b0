import type { VerifyResult } from '@lsbackup/core';
import { type BackupError, exitStatuses } from '@lsbackup/core/store';
import { errorFields, errorText } from '../base/failure.js';
import type { Outcome } from '../base/run-command.js';
import { bytesText, counted, indented, printable } from './text.js';

/** One archive that was read: what was found, or why this version cannot read it. */
export type Verified =
  | { readonly name: string; readonly result: VerifyResult; readonly failure?: never }
  | { readonly name: string; readonly failure: BackupError; readonly result?: never };

/** Status 4 when one of them is damaged, else that of the first that could not be read. */
export function verifyOutcome(verified: readonly Verified[]): Outcome {
  const corrupt = verified.some(({ result }) => result?.intact === false);
  const failure = verified.find((each) => each.failure !== undefined)?.failure;
  return {
    summary: {
      status: corrupt ? 'corrupt' : failure === undefined ? 'intact' : 'failed',
      archives: verified.map(archiveFields),
    },
    text: verified.map(archiveText).join('\n'),
    exitStatus: corrupt ? exitStatuses.corrupt : (failure?.exitStatus ?? exitStatuses.complete),
  };
}

function archiveFields({ name, result, failure }: Verified): object {
  if (failure !== undefined) {
    const nothing = { intact: false, status: null, bytes: null, artifacts: null, problems: [], unchecked: [] };
    return { archive: name, ...nothing, error: errorFields(failure) };
  }
  const { intact, status, bytes, artifacts, unchecked } = result;
  const problems = result.problems.map(({ entry, offset, what }) => ({ entry, offset: offset ?? null, what }));
  return { archive: name, intact, status, bytes, artifacts, problems, unchecked, error: null };
}

function archiveText({ name, result, failure }: Verified): string {
  if (failure !== undefined) return `NOT CHECKED ${name}: ${errorText(failure)}`;
  if (!result.intact) return printable([`DAMAGED ${name}`, ...result.problems.map(problemText)].join('\n'));
  const lines = [`Intact: ${name}, ${counted(result.artifacts, 'artifact')}, ${bytesText(result.bytes)}`];
  if (result.status === 'partial')
    lines.push('  Note: the backup itself is PARTIAL; lsbackup show says what is missing.');
  if (result.unchecked.length > 0) lines.push(`  Formats checked by hash only: ${result.unchecked.join(', ')}`);
  return printable(lines.join('\n'));
}

function problemText({ entry, offset, what }: VerifyResult['problems'][number]): string {
  return indented(`${entry}${offset === undefined ? '' : ` at byte ${offset}`}: ${what}`);
}
