import type { Readable } from 'node:stream';
import type { Format } from './format.js';

/** One stream of bytes from one host, to be saved under one name. */
export interface Artifact {
  /** `<component>/<host>/<artifact>`, made by `artifactPath`. */
  readonly path: string;
  /** The unescaped name, where it differs from the last piece of the path. */
  readonly original?: string;
  readonly format: Format;
  /** Inventory name of the host the bytes come from: it decides which host's slot the stream takes. */
  readonly host: string;
  /** Expected bytes, an estimate. */
  readonly size?: number;
  /** Seconds the stream may be silent while we want bytes; 120 unless set. */
  readonly quiet?: number;
  /** Seconds for which the host may be held by this stream (a lock, a freeze). It gets credit first and fails at its limit. */
  readonly hold?: number;
  /**
   * It is of use without the unit's other artifacts, and they without it (one database of a server): its failure makes the unit partial and
   * cancels nothing. `save` rejects all the same.
   */
  readonly alone?: boolean;
  /** Called once, when the stream has its slot and its buffers. The stream must error unless the command's exit gate has passed. */
  open(context: ArtifactOpen): Promise<Readable>;
}

export interface ArtifactOpen {
  readonly signal: AbortSignal;
  /** Something worth keeping in metadata that does not make the bytes wrong (a file that grew while tar read it). */
  warn(warning: Warning): void;
}

/** A warning that a user can act on; stored in metadata. */
export interface Warning {
  readonly code: string;
  readonly message: string;
}

/** What became of a saved artifact. Bytes and hash are those of the content, not of its compressed form. */
export interface SavedArtifact {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}
