import { partName, tableName } from './part-table.js';

/** What SHA256SUMS says of one artifact. */
export interface Sums {
  readonly path: string;
  readonly parts: number;
  /** Of the only entry, or of the table's content. */
  readonly contentSha256: string;
  /** SHA-256 of the content of the part with this index. */
  partSha256(index: number): string;
}

export const checksumsName = 'SHA256SUMS';
export const restoreTextName = 'RESTORE.txt';
export const metadataName = 'metadata.json';

/**
 * The lines of SHA256SUMS: artifacts in the order in which they were completed, of each its parts in order and its table, or its only entry;
 * RESTORE.txt last.
 */
export function* checksumLines(artifacts: Iterable<Sums>, restoreTextSha256: string): Generator<string> {
  for (const artifact of artifacts) {
    for (let index = 0; index < artifact.parts; index += 1)
      yield checksumLine(artifact.partSha256(index), partName(artifact.path, index));
    yield checksumLine(artifact.contentSha256, artifact.parts > 0 ? tableName(artifact.path) : artifact.path);
  }
  yield checksumLine(restoreTextSha256, restoreTextName);
}

function checksumLine(sha256: string, name: string): string {
  return `${sha256}  ${name}\n`;
}
