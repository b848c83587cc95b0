import { BackupError } from '../model/errors.js';
import { bytesOfText } from '../model/byte-names.js';
import { matchesPath } from './patterns.js';
import { hardLinkTarget, refuseSparse, surveyTar } from './tar-survey.js';
import type { TarNode } from './tar-survey.js';
import type { TarMember } from '../formats/tar-member.js';

/** What of a tar will be written; every member of it is known, and it is refused if anything in it is hostile. */
export interface UnpackPlan {
  /** Of the files to be written. */
  readonly bytes: number;
  readonly wanted: (path: string) => boolean;
  readonly hardLinkTarget: (path: string) => string;
  /** What the tar makes, by path. */
  readonly nodes: ReadonlyMap<string, TarNode>;
  /** Paths that the patterns mean, without those that hard links bring along. */
  readonly chosen: ReadonlySet<string>;
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

/** Most members of one tar unless somebody says otherwise. */
export const defaultEntries = 1_000_000;

/** Longest path Linux takes, bytes (PATH_MAX without the final NUL). */
const longestPath = 4095;

/** Looks at every member that `feed` adds and decides what to write. Errors: those of `surveyTar`, `refuseSparse` and `feed`, with the artifact named. */
export async function planUnpack(
  feed: (add: (member: TarMember) => void) => Promise<void>,
  options: UnpackPlanOptions,
): Promise<UnpackPlan> {
  const pathBytes = longestPath - Buffer.byteLength(options.root) - 1;
  const nodes = await named(options.artifact, () => surveyTar(feed, { entries: options.entries, pathBytes }));
  const hardLinks = new Map<string, string>();
  for (const [path, node] of nodes) if (node.kind === 'hardlink') hardLinks.set(path, hardLinkTarget(nodes, path));
  const targetOf = (path: string): string => hardLinks.get(path) ?? path;
  const { chosen, matched } = choose(nodes.keys(), options.files ?? []);
  const brought = new Set([...chosen].map(targetOf));
  const wanted = (path: string): boolean => options.files === undefined || chosen.has(path) || brought.has(path);
  await named(options.artifact, () => refuseSparse(nodes, wanted));
  return { bytes: bytesOf(nodes, wanted), wanted, hardLinkTarget: targetOf, nodes, chosen, matched };
}

/** A hard link that is chosen without the name that has its content brings that name along: the caller of this adds it. */
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
