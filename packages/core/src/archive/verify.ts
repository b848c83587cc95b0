import { createHash, type Hash } from 'node:crypto';

import { abortError, asBackupError } from '../model/errors.js';
import type { ArtifactRecord } from '../model/metadata.js';
import type { Store } from '../stores/store.js';
import { CorruptEntry, type ArchiveFile } from './archive-file.js';
import { checksumLines, checksumsName, restoreTextName } from './checksums.js';
import { inOrder } from './in-order.js';
import { maximumPartBytes, maximumStoredPartBytes } from './limits.js';
import { locateDamage } from './locate-damage.js';
import { readRecords, type RecordedMember, type Records } from './members.js';
import { openArchiveFile, type OpenArchive } from './reader.js';
import { readText } from './read-table.js';
import { SequentialReader } from './sequential-reader.js';

const membersAhead = 4;

/** Something in the archive is not as it was written. */
export interface ArchiveProblem {
  /** Name of the entry, or `footer`, `end of tar`. */
  readonly entry: string;
  /** Path of the artifact it belongs to, if it does. */
  readonly artifact?: string;
  readonly message: string;
}

export interface VerifyOptions {
  readonly signal?: AbortSignal;
  readonly onProblem: (problem: ArchiveProblem) => void;
  /** Bytes of the archive read so far. */
  readonly onProgress?: (bytes: number) => void;
  /** Content of artifacts after its hash was found right: in order for each artifact, several may interleave. The buffer is not reused. */
  readonly onContent?: (artifact: string, piece: Buffer) => void;
}

export interface Verified {
  /** Undefined when the archive could not be opened. */
  readonly archive?: OpenArchive;
  readonly members: number;
  readonly bytes: number;
  readonly problems: number;
}

/**
 * Opens and verifies an archive; whatever is wrong with it is reported as a problem that names the entry.
 * Errors: ARCHIVE_MISSING, ARCHIVE_TOO_NEW, those of the store.
 */
export async function verifyArchive(
  store: Pick<Store, 'stat' | 'get'>,
  name: string,
  options: VerifyOptions,
): Promise<Verified> {
  let archive: OpenArchive;
  try {
    archive = await openArchiveFile(store, name, options);
  } catch (error) {
    const problem = asBackupError(error);
    if (problem.code !== 'ARCHIVE_CORRUPT') throw problem;
    const entry = problem instanceof CorruptEntry ? problem.entry : 'metadata.json';
    options.onProblem({ entry, message: problem.message });
    const located = await locateDamage(store, name, options.signal);
    if (located !== undefined) options.onProblem(located);
    return { members: 0, bytes: 0, problems: located === undefined ? 1 : 2 };
  }
  return { archive, ...(await verifyMembers(archive, options)) };
}

/**
 * Reads every byte of an opened archive: the recorded members lie one after another without a gap up to the metadata; of each the stored hash, the gzip
 * header, the tar header, size and hash of the content are right; artifacts add up; SHA256SUMS says what the records say.
 * Errors: those of the store, the abort reason. Damage is reported to `onProblem`.
 */
export async function verifyMembers(archive: OpenArchive, options: VerifyOptions): Promise<Omit<Verified, 'archive'>> {
  const run = new Verification(archive, options);
  return run.run();
}

class Verification {
  readonly #archive: OpenArchive;
  readonly #file: ArchiveFile;
  readonly #options: VerifyOptions;
  readonly #running = new Map<string, { readonly hash: Hash; bytes: number }>();
  readonly #damaged = new Set<string>();
  readonly #names = new Set<string>();
  #members = 0;
  #problems = 0;

  constructor(archive: OpenArchive, options: VerifyOptions) {
    this.#archive = archive;
    this.#file = archive.file;
    this.#options = options;
  }

  async run(): Promise<Omit<Verified, 'archive'>> {
    const records = await readRecords(this.#archive, this.#options.signal);
    for (const { entry, message } of records.problems) this.#report({ entry, message });
    this.#checkNames();
    for await (const step of inOrder(this.#inFile(records), membersAhead, (check) => check())) step();
    for (const record of this.#archive.metadata.artifacts) this.#checkWhole(record);
    if (records.problems.length === 0) await this.#checkSums(records);
    return { members: this.#members, bytes: this.#file.bytes, problems: this.#problems };
  }

  /** Reads the file from its begin to the metadata and yields the check of each member; what a check yields is done in order. */
  async *#inFile(records: Records): AsyncGenerator<() => Promise<() => void>> {
    const { signal } = this.#options;
    const { offset: end } = this.#archive.metadataMember;
    const reader = new SequentialReader(await this.#file.stream(0, end, signal));
    let position = 0;
    try {
      for (const member of records.inFileOrder()) {
        if (signal?.aborted === true) throw abortError(signal);
        this.#members += 1;
        if (member.offset < position || member.offset + member.length > end || tooLarge(member)) {
          this.#report(problemOf(member, 'its recorded place or size is not possible'));
          continue;
        }
        // Unread tables explain a gap, and have been reported.
        if (member.offset > position && records.problems.length === 0)
          this.#report(
            problemOf(member, `the ${String(member.offset - position)} bytes in front of it are in no record`),
          );
        await reader.digest(member.offset - position);
        position = member.offset + member.length;
        yield member.kind === 'data'
          ? this.#dataCheck(member, await reader.read(member.length))
          : this.#textCheck(member, await reader.digest(member.length));
        this.#options.onProgress?.(position);
      }
    } finally {
      await reader.close();
    }
    if (position < end && records.problems.length === 0)
      this.#report({
        entry: 'metadata.json',
        message: `the ${String(end - position)} bytes in front of it are in no record`,
      });
  }

  #textCheck(member: RecordedMember, sha256: string): () => Promise<() => void> {
    return () =>
      Promise.resolve(() => {
        if (sha256 !== member.sha256)
          this.#report(problemOf(member, 'its stored bytes do not match their recorded hash'));
      });
  }

  #dataCheck(member: RecordedMember & { readonly kind: 'data' }, stored: Buffer): () => Promise<() => void> {
    return () =>
      this.#file.checkEntry(member, stored).then(
        (content) => () => {
          if (!member.abandoned) this.#sound(member.artifact, content);
        },
        (error: unknown) => () => {
          if (!(error instanceof CorruptEntry)) throw error;
          this.#report(problemOf(member, error.problem));
        },
      );
  }

  #sound(artifact: string, content: Buffer): void {
    const running = this.#running.get(artifact) ?? { hash: createHash('sha256'), bytes: 0 };
    this.#running.set(artifact, running);
    running.hash.update(content);
    running.bytes += content.length;
    if (!this.#damaged.has(artifact)) this.#options.onContent?.(artifact, content);
  }

  #checkWhole({ path, bytes, sha256, parts, member }: ArtifactRecord): void {
    const running = this.#running.get(path);
    if (this.#damaged.has(path) || this.#damaged.has(member.name) || running === undefined) return;
    if (running.bytes !== bytes || running.hash.digest('hex') !== sha256)
      this.#report({
        entry: parts === 0 ? path : member.name,
        artifact: path,
        message: 'what its parts add up to is not the recorded size and hash',
      });
  }

  /** The records agree with themselves: names are what they must be, and each is there once. */
  #checkNames(): void {
    const { artifacts, members } = this.#archive.metadata;
    for (const { path, parts, member } of artifacts) {
      const name = parts === 0 ? path : `${path}.parts`;
      if (member.name !== name)
        this.#report({ entry: name, artifact: path, message: `metadata.json calls it ${member.name}` });
    }
    for (const name of [...artifacts.map(({ path }) => path), ...members.map((member) => member.name)]) {
      if (this.#names.has(name)) this.#report({ entry: name, message: 'metadata.json names it twice' });
      this.#names.add(name);
    }
    for (const name of [restoreTextName, checksumsName]) {
      if (!this.#names.has(name)) this.#report({ entry: name, message: 'it is missing' });
    }
  }

  async #checkSums(records: Records): Promise<void> {
    const { artifacts, members } = this.#archive.metadata;
    const digestOf = async (name: string): Promise<string | undefined> => {
      const member = members.find((each) => each.name === name);
      if (member === undefined) return undefined;
      const text = await readText(this.#file, member, { onLine: () => undefined, signal: this.#options.signal }).catch(
        (error: unknown) => {
          if (!(error instanceof CorruptEntry)) throw error;
          if (!this.#damaged.has(name)) this.#report({ entry: name, message: error.message });
          return undefined;
        },
      );
      return text?.sha256;
    };
    const restoreText = await digestOf(restoreTextName);
    const actual = await digestOf(checksumsName);
    if (restoreText === undefined || actual === undefined) return;
    const expected = createHash('sha256');
    const sums = artifacts
      .toSorted((a, b) => a.member.offset - b.member.offset)
      .map((record) => sumsOf(record, records));
    for (const line of checksumLines(sums, restoreText)) expected.update(line);
    if (expected.digest('hex') !== actual)
      this.#report({ entry: checksumsName, message: 'it does not list what the archive holds' });
  }

  #report(problem: ArchiveProblem): void {
    this.#problems += 1;
    this.#damaged.add(problem.artifact ?? problem.entry);
    this.#options.onProblem(problem);
  }
}

function sumsOf({ path, parts, sha256 }: ArtifactRecord, { tables }: Records) {
  const table = tables.get(path);
  return {
    path,
    parts,
    contentSha256: table?.contentSha256 ?? sha256,
    partSha256: (index: number) => table?.table.at(index).sha256 ?? '',
  };
}

function tooLarge(member: RecordedMember): boolean {
  return member.kind === 'data' && (member.bytes > maximumPartBytes || member.length > maximumStoredPartBytes);
}

function problemOf(member: RecordedMember, problem: string): ArchiveProblem {
  const artifact = member.kind === 'data' && !member.abandoned ? { artifact: member.artifact } : {};
  return { entry: member.name, ...artifact, message: `${member.name}: ${problem}` };
}
