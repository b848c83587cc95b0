import type { Archive } from '../archive/archive.js';
import type { ArtifactRecord } from '../model/metadata.js';
import type { RestoreEvent } from './api.js';

const millisecondsBetween = 250;

/** Reads every byte of these artifacts, and of nothing else. Errors: ARCHIVE_CORRUPT, those of the store. Nothing was touched then. */
export async function verifyNeeded(
  archive: Archive,
  artifacts: readonly ArtifactRecord[],
  { signal, emit }: { readonly signal: AbortSignal; readonly emit: (event: RestoreEvent) => void },
): Promise<void> {
  const total = artifacts.reduce((sum, { bytes }) => sum + bytes, 0);
  let bytes = 0;
  let last = 0;
  for (const { path } of artifacts) {
    for await (const piece of await archive.read(path, { signal })) {
      bytes += (piece as Buffer).length;
      if (performance.now() - last < millisecondsBetween) continue;
      last = performance.now();
      emit({ type: 'progress', phase: 'verify', bytes, total });
    }
  }
  emit({ type: 'progress', phase: 'verify', bytes, total });
}
