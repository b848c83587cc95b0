import { pathOfCatalogue } from '../archive/part-table.js';
import { openArchiveFile } from '../archive/reader.js';
import type { OpenArchive } from '../archive/reader.js';
import { verifyArchive as verifyStored, verifyMembers } from '../archive/verify.js';
import type { ArchiveProblem } from '../archive/verify.js';
import { BackupError } from '../model/errors.js';
import type { Format } from '../model/format.js';
import type { RunStatus } from '../model/metadata.js';
import type { Store } from '../stores/store.js';
import { ContentChecks } from './content-checks.js';

export interface VerifyOptions {
  readonly signal?: AbortSignal;
  /** Checkers of formats that one component has for itself; the shared ones are known. */
  readonly formats?: readonly Format[];
  /** Bytes of the archive read so far. */
  readonly onProgress?: (progress: { readonly bytes: number; readonly total: number }) => void;
}

export interface VerifyProblem {
  /** Name of the entry, or `footer`, `end of tar`. */
  readonly entry: string;
  /** Where the entry lies in the archive, where that is known. */
  readonly offset?: number;
  readonly what: string;
}

export interface VerifyResult {
  readonly name: string;
  /** Of the archive as it is stored. */
  readonly bytes: number;
  /** Null, like the status, when the metadata cannot be read. */
  readonly runId: string | null;
  /** Of the run: an archive can be intact and its backup partial. */
  readonly status: RunStatus | null;
  readonly intact: boolean;
  readonly problems: readonly VerifyProblem[];
  /** Those the metadata lists. */
  readonly artifacts: number;
  /** Names of formats without a checker: those artifacts were compared with their hashes only. */
  readonly unchecked: readonly string[];
}

/**
 * Reads an archive whole, once, in flat memory: every member against its recorded hash and place, every artifact
 * against its format's own rules, as at backup time. What is wrong is in the result, the entry named; also when footer or metadata are gone.
 *
 * Errors: ARCHIVE_MISSING, ARCHIVE_TOO_NEW, those of the store, the abort reason.
 */
export async function verifyArchive(store: Store, name: string, options: VerifyOptions = {}): Promise<VerifyResult> {
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  const total = (await store.stat(name))?.bytes ?? 0;
  const archive = await openWhole(store, name, signal);
  const checks = new ContentChecks(archive?.metadata.artifacts ?? [], options.formats ?? []);
  const found: ArchiveProblem[] = [];
  const watch = {
    ...signal,
    onProblem: (problem: ArchiveProblem) => void found.push(problem),
    onContent: (artifact: string, piece: Buffer) => checks.write(artifact, piece),
    onProgress: (bytes: number) => options.onProgress?.({ bytes, total }),
  };
  await (archive === undefined ? verifyStored(store, name, watch) : verifyMembers(archive, watch));
  for (const [entry, message] of checks.invalid) found.push({ entry, message });
  if (archive !== undefined) await checkCatalogues(archive, checks.catalogues, { found, ...signal });
  return {
    name,
    bytes: archive?.bytes ?? total,
    runId: archive?.metadata.runId ?? null,
    status: archive?.metadata.status ?? null,
    intact: archive !== undefined && found.length === 0,
    problems: found.map((problem) => describeProblem(problem, { name, archive })),
    artifacts: archive?.metadata.artifacts.length ?? 0,
    unchecked: checks.unchecked,
  };
}

/** Each catalogue says what its tar holds. One that is damaged, or whose tar is, has been reported. */
async function checkCatalogues(
  archive: OpenArchive,
  expected: ReadonlyMap<string, string | undefined>,
  { found, signal }: { readonly found: ArchiveProblem[]; readonly signal?: AbortSignal },
): Promise<void> {
  const reported = new Set(found.map(({ entry }) => entry));
  const paths = new Set(archive.metadata.artifacts.map(({ path }) => path));
  for (const { name } of archive.metadata.members) {
    const path = pathOfCatalogue(name);
    if (path === undefined || reported.has(name)) continue;
    const report = (message: string): void => void found.push({ entry: name, message });
    if (!paths.has(path)) report('it is the catalogue of no artifact');
    if (!expected.has(path)) continue;
    try {
      const { sha256 } = await archive.readCatalogue(path, { onLine: () => undefined, signal });
      if (sha256 !== expected.get(path)) report('it does not list what the tar holds');
    } catch (error) {
      if (!(error instanceof BackupError) || error.code !== 'ARCHIVE_CORRUPT') throw error;
      report(error.message);
    }
  }
}

async function openWhole(
  store: Store,
  name: string,
  signal: { signal?: AbortSignal },
): Promise<OpenArchive | undefined> {
  try {
    return await openArchiveFile(store, name, signal);
  } catch (error) {
    if (error instanceof BackupError && error.code === 'ARCHIVE_CORRUPT') return undefined;
    throw error;
  }
}

/** With the offset where the metadata lists the member; that of a part is in its table only. */
function describeProblem(
  { entry, message }: ArchiveProblem,
  { name, archive }: { name: string; archive: OpenArchive | undefined },
): VerifyProblem {
  const { artifacts = [], members = [] } = archive?.metadata ?? {};
  const member = [...members, ...artifacts.map((artifact) => artifact.member)].find((each) => each.name === entry);
  const known = [`${name}: `, `${entry}: `];
  const what = known.reduce((text, prefix) => (text.startsWith(prefix) ? text.slice(prefix.length) : text), message);
  return { entry, ...(member === undefined ? {} : { offset: member.offset }), what };
}
