import { statfs } from 'node:fs/promises';
import { join } from 'node:path';

import type { Archive, ByteRange } from '../archive/archive.js';
import { asBackupError, BackupError } from '../model/errors.js';
import type { ArtifactRecord } from '../model/metadata.js';
import { artifactContent, writeArtifactFile } from './artifact-file.js';
import { destinationOf, openStaging } from './staging.js';
import type { Staging } from './staging.js';
import { selectArtifacts } from './select.js';
import { defaultEntries, planUnpack } from './unpack-plan.js';
import type { UnpackPlan } from './unpack-plan.js';
import { cataloguedTar, wholeTar } from './tar-source.js';
import type { TarContent, TarSource } from './tar-source.js';
import { writeTree } from './tree-writer.js';
import type { WrittenTree } from './tree-writer.js';

export interface ExtractOptions {
  /** A directory that is empty or not there yet. */
  readonly into: string;
  /** Which artifacts, as for `selectArtifacts`; all unless set. */
  readonly artifacts?: readonly string[];
  /** Also unpacks the artifacts that are tar streams. */
  readonly unpack?: boolean;
  /** Unpacks only these files: paths inside the tar, directories, or `*` patterns. The artifacts chosen must all be tar streams. */
  readonly files?: readonly string[];
  /** Gives what is unpacked the numbers of owner and group that the tar has; only root can. */
  readonly owners?: boolean;
  readonly signal?: AbortSignal;
  readonly limits?: {
    /** Most members of one tar, the directories they imply included; 1,000,000 unless set. Each takes some 200 bytes of memory. */
    readonly entries?: number;
  };
  /**
   * Bytes of content read so far. What is unpacked is read twice, checked first and written then; `files` are read once, and alone, where the
   * artifact has a catalogue: the total grows when it is known how much they are.
   */
  readonly onProgress?: (progress: { readonly bytes: number; readonly total: number }) => void;
}

export interface ExtractResult {
  readonly into: string;
  readonly artifacts: readonly ExtractedArtifact[];
}

export interface ExtractedArtifact {
  readonly path: string;
  /** Absolute path of the file, or of the directory a tar was unpacked to. */
  readonly to: string;
  /** Of the artifact's content. */
  readonly bytes: number;
  /** Members written; 1 for an artifact written as it is. */
  readonly files: number;
}

/** One artifact on its way out. `plan` is there when it is unpacked. */
interface Job {
  readonly artifact: ArtifactRecord;
  /** Its catalogue tells where the files lie that are wanted. */
  readonly catalogued: boolean;
  /** `<component>/<host>/<artifact>`, without `.tar` when it is unpacked. */
  readonly relative: string;
  readonly unpack: boolean;
  readonly plan?: UnpackPlan;
}

/**
 * Writes artifacts, their parts joined, to `into/<component>/<host>/<artifact>` (files 0600, directories 0700), or the files inside tar
 * artifacts to `into/<component>/<host>/<artifact without .tar>/`. Everything is checked before the first byte is written: a hostile
 * member, an artifact that does not exist or a disk that is too small leaves `into` as it was. Everything is written below a dot-name and renamed
 * at the end, so what stands under its own name is whole; a failed or aborted call removes what it wrote.
 *
 * Errors: ARTIFACT_MISSING (also a file that is in no chosen tar), OPTION_INVALID (`files` with an artifact that is no tar, `owners` without being
 * root), EXTRACT_EXISTS,
 * ARCHIVE_HOSTILE, ARCHIVE_CORRUPT, EXTRACT_UNSUPPORTED, TARGET_NO_SPACE, TARGET_READ_ONLY, TARGET_IO, the abort reason, what the store throws.
 */
export async function extractArtifacts(archive: Archive, options: ExtractOptions): Promise<ExtractResult> {
  if (options.owners === true && process.getuid?.() !== 0)
    throw new BackupError('OPTION_INVALID', 'only root can give files to their owners', {
      hint: 'run it as root, or extract without owners: everything then belongs to you',
    });
  const jobs = chooseJobs(archive, options);
  const staging = await openStaging(options.into);
  try {
    return await new Extraction(archive, options, staging).run(jobs);
  } catch (error) {
    await discardAfter(staging, error);
    throw error;
  }
}

async function discardAfter(staging: Staging, error: unknown): Promise<void> {
  try {
    await staging.discard();
  } catch (cause) {
    const first = asBackupError(error);
    const both = new AggregateError([error, cause], 'extracting failed, and so did removing what was written');
    throw new BackupError(first.code, first.message, {
      hint: `remove ${staging.temporary}, which could not be removed`,
      cause: both,
    });
  }
}

function chooseJobs(archive: Archive, options: ExtractOptions): readonly Job[] {
  const taken = new Set<string>();
  return selectArtifacts(archive.metadata, options.artifacts).map((artifact) => {
    const isTar = artifact.format === 'tar';
    if (options.files !== undefined && !isTar)
      throw new BackupError('OPTION_INVALID', `${artifact.path} is not a tar, so no files can be taken out of it`, {
        hint: 'name the tar artifact to look in',
      });
    const unpack = isTar && (options.unpack === true || options.files !== undefined);
    const relative = destinationOf(artifact.path, unpack);
    if (taken.has(relative)) throw new BackupError('ARCHIVE_HOSTILE', `two artifacts would be written to ${relative}`);
    taken.add(relative);
    const catalogued = options.files !== undefined && archive.hasCatalogue(artifact.path);
    return { artifact, catalogued, relative, unpack };
  });
}

class Extraction {
  readonly #archive: Archive;
  readonly #options: ExtractOptions;
  readonly #staging: Staging;
  readonly #trees: WrittenTree[] = [];
  #read = 0;
  #total = 0;

  constructor(archive: Archive, options: ExtractOptions, staging: Staging) {
    this.#archive = archive;
    this.#options = options;
    this.#staging = staging;
  }

  async run(jobs: readonly Job[]): Promise<ExtractResult> {
    this.#total = sum(jobs.map((job) => job.artifact.bytes * (job.catalogued ? 0 : job.unpack ? 2 : 1)));
    const planned: Job[] = [];
    for (const job of jobs) planned.push(job.unpack ? { ...job, plan: await this.#plan(job) } : job);
    this.#requireFiles(planned);
    await this.#requireSpace(planned);
    const written: ExtractedArtifact[] = [];
    for (const job of planned) written.push(await this.#write(job));
    for (const tree of this.#trees) await tree.finish();
    await this.#staging.publish();
    return { into: this.#staging.into, artifacts: written };
  }

  async #plan(job: Job): Promise<UnpackPlan> {
    return planUnpack((add) => this.#source(job).survey(add), {
      ...(this.#options.files === undefined ? {} : { files: this.#options.files }),
      entries: this.#options.limits?.entries ?? defaultEntries,
      root: join(this.#staging.temporary, job.relative),
      artifact: job.artifact.path,
    });
  }

  async #write(job: Job): Promise<ExtractedArtifact> {
    const to = join(this.#staging.into, job.relative);
    const { path, bytes } = job.artifact;
    if (job.plan === undefined) {
      await writeArtifactFile(await this.#staging.parent(job.relative), this.#content(job));
      return { path, to, bytes, files: 1 };
    }
    const { wanted, hardLinkTarget } = job.plan;
    const tree = await writeTree(await this.#staging.directory(job.relative), this.#source(job).entries(wanted), {
      wanted,
      hardLinkTarget,
      owners: this.#options.owners === true,
      signal: this.#options.signal,
    });
    this.#trees.push(tree);
    return { path, to, bytes, files: tree.files };
  }

  #source(job: Job): TarSource {
    const content: TarContent = {
      archive: this.#archive,
      artifact: job.artifact,
      signal: this.#options.signal,
      read: (ranges) => {
        this.#total += sum((ranges ?? []).map(({ start, end }) => end - start));
        return this.#content(job, ranges);
      },
    };
    return job.catalogued ? cataloguedTar(content) : wholeTar(content);
  }

  async *#content(job: Job, ranges?: readonly ByteRange[]): AsyncGenerator<Buffer, void, undefined> {
    const { signal } = this.#options;
    for await (const piece of artifactContent(this.#archive, job.artifact, { signal, ranges })) {
      this.#read += piece.length;
      this.#options.onProgress?.({ bytes: this.#read, total: this.#total });
      yield piece;
    }
  }

  #requireFiles(jobs: readonly Job[]): void {
    for (const pattern of this.#options.files ?? [])
      if (!jobs.some((job) => job.plan?.matched.has(pattern) === true))
        throw new BackupError(
          'ARTIFACT_MISSING',
          `no file in ${jobs.map((job) => job.artifact.path).join(', ')} is called ${pattern}`,
        );
  }

  async #requireSpace(jobs: readonly Job[]): Promise<void> {
    const needed = sum(jobs.map((job) => job.plan?.bytes ?? job.artifact.bytes));
    const { blocks, bavail, bsize } = await statfs(this.#staging.existing);
    // Without a size, as many file systems in user space are, nothing is known of what is free.
    if (blocks === 0) return;
    if (needed > bavail * bsize)
      throw new BackupError(
        'TARGET_NO_SPACE',
        `${needed} bytes are to be written, ${bavail * bsize} are free at ${this.#staging.existing}`,
        {
          hint: 'choose fewer artifacts or another directory',
        },
      );
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
