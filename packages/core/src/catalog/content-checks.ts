import { bytesFormat } from '../formats/bytes.js';
import { jsonFormat } from '../formats/json.js';
import { sqlFormat } from '../formats/sql.js';
import { tarFormat } from '../formats/tar.js';
import { BackupError } from '../model/errors.js';
import type { Format, FormatCheck } from '../model/format.js';
import type { ArtifactRecord } from '../model/metadata.js';

const sharedFormats: readonly Format[] = [bytesFormat, jsonFormat, sqlFormat, tarFormat()];

interface Running {
  readonly check: FormatCheck;
  bytes: number;
}

/**
 * The format checks of backup time, run again over artifacts whose content arrives piece by piece, several in turn. Holds one
 * check for each artifact that has begun and not ended.
 */
export class ContentChecks {
  /** Names of formats that nobody gave a checker for; such artifacts are known by their hashes only. */
  readonly unchecked: readonly string[];
  readonly #formats: ReadonlyMap<string, Format>;
  readonly #artifacts: ReadonlyMap<string, ArtifactRecord>;
  readonly #running = new Map<string, Running>();
  readonly #invalid = new Map<string, string>();
  readonly #catalogues = new Map<string, string | undefined>();

  /** `formats` adds to those that every component shares, and wins where the name is the same. */
  constructor(artifacts: readonly ArtifactRecord[], formats: readonly Format[]) {
    this.#formats = new Map([...sharedFormats, ...formats].map((format) => [format.name, format]));
    this.#artifacts = new Map(artifacts.map((artifact) => [artifact.path, artifact]));
    const names = new Set(artifacts.map((artifact) => artifact.format));
    this.unchecked = [...names].filter((name) => !this.#formats.has(name));
  }

  /** What was wrong with each artifact that is not what its format says, by path. */
  get invalid(): ReadonlyMap<string, string> {
    return this.#invalid;
  }

  /** SHA-256 of the catalogue that each artifact should have which is as its format says; undefined for those that have none. */
  get catalogues(): ReadonlyMap<string, string | undefined> {
    return this.#catalogues;
  }

  /** The next piece of an artifact. The last one, by the recorded length, ends the check. */
  write(path: string, piece: Uint8Array): void {
    const artifact = this.#artifacts.get(path);
    const running = artifact === undefined ? undefined : (this.#running.get(path) ?? this.#begin(artifact));
    if (artifact === undefined || running === undefined) return;
    running.bytes += piece.length;
    const ended = running.bytes >= artifact.bytes;
    try {
      running.check.write(piece);
      if (ended) {
        running.check.end();
        this.#catalogues.set(path, running.check.catalogue?.()?.sha256);
      }
    } catch (error) {
      if (!(error instanceof BackupError) || error.code !== 'FORMAT_INVALID') throw error;
      this.#invalid.set(path, error.message);
    }
    if (ended || this.#invalid.has(path)) this.#running.delete(path);
  }

  #begin(artifact: ArtifactRecord): Running | undefined {
    const format = this.#formats.get(artifact.format);
    if (format === undefined || this.#invalid.has(artifact.path)) return undefined;
    const running = { check: format.check(), bytes: 0 };
    this.#running.set(artifact.path, running);
    return running;
  }
}
