import type { VerifyResult } from '@lsbackup/core';
import type { BackupError } from '@lsbackup/core/store';
import { errorFields } from '../base/failure.js';
import type { Outcome } from '../base/run-command.js';
import { bytesText, counted, indented, printable } from './text.js';

/** One archive that was read: what was found, or why it could not be read as an archive at all. */
export type Verified =
  | { readonly name: string; readonly result: VerifyResult; readonly failure?: never }
  | { readonly name: string; readonly failure: BackupError; readonly result?: never };

/** Status 4 when one of them is damaged. */
export function verifyOutcome(verified: readonly Verified[]): Outcome {
  const intact = verified.every((each) => each.result?.intact === true);
  return {
    summary: { status: intact ? 'intact' : 'corrupt', archives: verified.map(archiveFields) },
    text: verified.map(archiveText).join('\n'),
    exitStatus: intact ? 0 : 4,
  };
}

function archiveFields({ name, result, failure }: Verified): object {
  if (failure !== undefined)
    return {
      archive: name,
      intact: false,
      status: null,
      bytes: null,
      artifacts: null,
      problems: [],
      error: errorFields(failure),
    };
  const { intact, status, bytes, artifacts, problems, unchecked } = result;
  return { archive: name, intact, status, bytes, artifacts, problems, unchecked, error: null };
}

function archiveText({ name, result, failure }: Verified): string {
  if (failure !== undefined) return printable(`DAMAGED ${name}: ${failure.message}`);
  if (!result.intact) {
    const problems = result.problems.map((problem) =>
      indented(printable(`${problem.entry} at byte ${problem.offset}: ${problem.what}`)),
    );
    return [printable(`DAMAGED ${name}`), ...problems].join('\n');
  }
  const lines = [printable(`Intact: ${name}, ${counted(result.artifacts, 'artifact')}, ${bytesText(result.bytes)}`)];
  if (result.status === 'partial')
    lines.push('  Note: the archive itself is PARTIAL; lsbackup show says what is missing.');
  if (result.unchecked.length > 0) lines.push(`  Formats checked by hash only: ${result.unchecked.join(', ')}`);
  return lines.join('\n');
}
