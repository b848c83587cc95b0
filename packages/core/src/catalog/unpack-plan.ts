import { BackupError } from '../model/errors.js';
import { bytesOfText } from './byte-names.js';
import { matchesPath } from './patterns.js';
import { hardLinkTarget, refuseEscapes, surveyTar } from './tar-survey.js';
import type { TarNode } from './tar-survey.js';
import type { TarEntry } from './tar-reader.js';

/** What of a tar will be written; it has been read to its end and refused if anything in it is hostile. */
export interface UnpackPlan {
  /** Of the files to be written. */
  readonly bytes: number;
  readonly wanted: (path: string) => boolean;
  readonly hardLinkTarget: (path: string) => string;
  /** Those of the patterns that mean a member of this tar. */
  readonly matched: ReadonlySet<string>;
}

export interface UnpackPlanOptions {
  readonly files?: readonly string[];
  readonly entries: number;
  /** Absolute path of the directory it will be written to. */
  readonly root: string;
  /** For messages. */
  readonly artifact: string;
}

/** Longest path Linux takes, bytes (PATH_MAX without the final NUL). */
const longestPath = 4095;

/** Reads a tar to its end and decides what to write. Errors: those of `surveyTar`, `refuseEscapes` and the reader, with the artifact named. */
export async function planUnpack(entries: AsyncIterable<TarEntry>, options: UnpackPlanOptions): Promise<UnpackPlan> {
  const pathBytes = longestPath - Buffer.byteLength(options.root) - 1;
  const nodes = await named(options.artifact, () => surveyTar(entries, { entries: options.entries, pathBytes }));
  const hardLinks = new Map<string, string>();
  for (const [path, node] of nodes) if (node.kind === 'hardlink') hardLinks.set(path, hardLinkTarget(nodes, path));
  const targetOf = (path: string): string => hardLinks.get(path) ?? path;
  const { chosen, matched } = choose(nodes.keys(), options.files ?? []);
  for (const path of [...chosen]) chosen.add(targetOf(path));
  const wanted = (path: string): boolean => options.files === undefined || chosen.has(path);
  await named(options.artifact, () => refuseEscapes(nodes, wanted));
  return { bytes: bytesOf(nodes, wanted), wanted, hardLinkTarget: targetOf, matched };
}

/** A hard link that is chosen without the name that has its content brings that name along: that is what the caller of this adds. */
function choose(
  paths: Iterable<string>,
  files: readonly string[],
): { readonly chosen: Set<string>; readonly matched: Set<string> } {
  const patterns = files.map((text) => ({ text, bytes: bytesOfText(text) }));
  const chosen = new Set<string>();
  const matched = new Set<string>();
  for (const path of paths)
    for (const pattern of patterns)
      if (matchesPath(pattern.bytes, path)) {
        chosen.add(path);
        matched.add(pattern.text);
      }
  return { chosen, matched };
}

function bytesOf(nodes: ReadonlyMap<string, TarNode>, wanted: (path: string) => boolean): number {
  let bytes = 0;
  for (const [path, node] of nodes) if (node.kind === 'file' && wanted(path)) bytes += node.size;
  return bytes;
}

async function named<T>(artifact: string, action: () => T | Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    throw new BackupError(error.code, `${artifact}: ${error.message}`, {
      hint: error.hint,
      retryable: error.retryable,
      cause: error,
    });
  }
}
