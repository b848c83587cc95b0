import { BackupError } from '@lsbackup/core/store';
import { promptText } from './prompt.js';

/**
 * Asks the person at the terminal to type the names of the components, in any order. Answers the names. Errors: RESTORE_UNCONFIRMED when there is nobody to
 * ask, or something else was typed: nothing was changed.
 */
export async function confirmByName(
  what: string,
  components: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const names = components.join(' ');
  let answer: string;
  try {
    answer = await promptText(
      `To ${what} ${names}, type ${components.length === 1 ? 'its name' : 'their names'}`,
      signal,
    );
  } catch (cause) {
    if (!(cause instanceof BackupError) || cause.code !== 'USAGE') throw cause;
    throw unconfirmed(`there is no terminal to confirm at: ${names}`, cause);
  }
  const typed = new Set(answer.split(/[\s,]+/).filter(Boolean));
  if (typed.size === components.length && components.every((name) => typed.has(name))) return components;
  throw unconfirmed(`not confirmed: ${names}`);
}

function unconfirmed(message: string, cause?: unknown): BackupError {
  return new BackupError('RESTORE_UNCONFIRMED', message, {
    cause,
    hint: 'Nothing was changed. Add --yes to do it without being asked, or --dry-run to see the plan only.',
  });
}
