import type { Archive } from '../archive/archive.js';
import type { Metadata } from '../model/metadata.js';

export interface ArchiveDescription {
  readonly name: string;
  /** Of the archive as it is stored. */
  readonly bytes: number;
  /** Of all artifacts' contents together. */
  readonly contentBytes: number;
  readonly metadata: Metadata;
}

/** What there is to say about an opened archive, ready for JSON. */
export function describeArchive(archive: Archive): ArchiveDescription {
  const { name, bytes, metadata } = archive;
  return { name, bytes, contentBytes: contentBytes(metadata), metadata };
}

/** Bytes of all artifacts' contents together. */
export function contentBytes(metadata: Metadata): number {
  return metadata.artifacts.reduce((total, artifact) => total + artifact.bytes, 0);
}
