/**
 * What a complete stream of some kind looks like. A check is fed every byte in order and ends the artifact when something
 * cannot be right: a stream that exits with status 0 and has no end mark of its own is still not a backup.
 */
export interface Format {
  /** Recorded in metadata, e.g. `tar`, `pg-custom`, `sql`, `json`, `bytes`. */
  readonly name: string;
  check(): FormatCheck;
}

export interface FormatCheck {
  /** Looks at the next bytes; keeps no reference to them. Throws BackupError FORMAT_INVALID. */
  write(chunk: Uint8Array): void;
  /** The stream has ended. Throws BackupError FORMAT_INVALID when its end mark is missing. */
  end(): void;
  /** After `end`: the text that says where in the stream what lies, of a format that has one. */
  catalogue?(): Catalogue | undefined;
}

export interface Catalogue {
  /** Of the whole text. */
  readonly sha256: string;
  /** The text (ASCII), the same each time; undefined when it was too much to keep. */
  readonly pieces: (() => Iterable<string>) | undefined;
}
