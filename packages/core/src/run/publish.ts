import { openArchive } from '../archive/reader.js';
import { asBackupError, BackupError } from '../model/errors.js';
import type { Store, Upload } from '../stores/store.js';

/**
 * Commits, then reads the tail back: what the store shows under the name must be this run's archive.
 * Errors: the store's; ARCHIVE_CORRUPT; ABORTED when the run was cancelled before the commit.
 */
export async function publish(
  upload: Upload,
  run: { readonly target: Store; readonly runId: string; readonly signal: AbortSignal },
): Promise<void> {
  await upload.commit({ stillOwner: () => Promise.resolve(!run.signal.aborted) });
  const runId = await readBack(run.target, upload.name);
  if (runId !== run.runId)
    throw new BackupError(
      'ARCHIVE_CORRUPT',
      `${upload.name}: what was read back after publishing is not what was written`,
    );
}

async function readBack(target: Store, name: string): Promise<string> {
  try {
    return (await openArchive(target, name)).metadata.runId;
  } catch (error) {
    const { code, message, hint } = asBackupError(error);
    throw new BackupError(code, `${name} was published, but could not be read back: ${message}`, {
      hint,
      cause: error,
    });
  }
}
