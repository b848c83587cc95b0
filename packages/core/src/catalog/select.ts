import { BackupError } from '../model/errors.js';
import type { ArtifactRecord, Metadata } from '../model/metadata.js';
import { matchesPath } from './patterns.js';

/**
 * The artifacts that `patterns` mean, in the archive's order; all of them without patterns. A pattern is a path
 * (`postgresql/db1/globals.sql`), the beginning of one (`postgresql`, `postgresql/db1`), or either with `*` in it.
 *
 * Errors: ARTIFACT_MISSING when a pattern means nothing, so that a spelling mistake is never an empty success.
 */
export function selectArtifacts(metadata: Metadata, patterns: readonly string[] = []): readonly ArtifactRecord[] {
  if (patterns.length === 0) return metadata.artifacts;
  for (const pattern of patterns)
    if (!metadata.artifacts.some((artifact) => matchesPath(pattern, artifact.path))) throw missing(metadata, pattern);
  return metadata.artifacts.filter((artifact) => patterns.some((pattern) => matchesPath(pattern, artifact.path)));
}

function missing(metadata: Metadata, pattern: string): BackupError {
  const failed = metadata.failed.find((record) => matchesPath(pattern, record.path));
  if (failed !== undefined)
    return new BackupError('ARTIFACT_MISSING', `${failed.path} was not backed up in this run: ${failed.reason}`);
  return new BackupError('ARTIFACT_MISSING', `no artifact of this archive is called ${pattern}`, {
    hint: 'lsbackup show lists them',
  });
}
