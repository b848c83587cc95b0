import type { Artifact } from '../model/artifact.js';
import type { BackupContext } from './component.js';

/**
 * Saves an artifact without which the unit's others are of use, and answers whether that worked. When it did not, the engine has the failure
 * and the unit cannot end complete, so that the component goes on with the next. Rejects only when the unit was cancelled.
 */
export async function saveAlone(
  context: Pick<BackupContext<unknown>, 'save' | 'signal'>,
  artifact: Artifact,
): Promise<boolean> {
  try {
    await context.save({ ...artifact, alone: true });
    return true;
  } catch {
    context.signal.throwIfAborted();
    return false;
  }
}
