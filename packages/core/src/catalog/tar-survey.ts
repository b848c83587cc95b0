import { BackupError } from '../model/errors.js';
import { printable } from '../model/byte-names.js';
import type { TarMember } from '../formats/tar-member.js';

/** What stands at a path once the whole tar is unpacked. */
export type TarNode =
  | { readonly kind: 'directory'; readonly explicit: boolean }
  | { readonly kind: 'file'; readonly size: number }
  | { readonly kind: 'sparse' }
  | { readonly kind: 'symlink'; readonly target: string }
  | { readonly kind: 'hardlink'; readonly target: string };

export interface SurveyLimits {
  /** Members and the directories they imply. */
  readonly entries: number;
  /** Bytes a whole path may have below the place it is unpacked to. */
  readonly pathBytes: number;
}

/** Longest name of one file on every common Unix file system, bytes. */
const longestPiece = 255;
/** Longest target of a symbolic link on Linux, bytes. */
const longestTarget = 4095;
/** GNU tar lets every hard link lead to the first name of the file, so a chain has one step. */
const longestChain = 16;
/** Names are held in memory: this is what they may have on average when there are as many as allowed. */
const averageNameBytes = 256;

/**
 * The tree that the members make which `feed` adds, by path (bytes, one character per byte; the root itself is not in it). Nothing is written. Memory grows
 * with the number of members, some 200 bytes for each, never with their size.
 *
 * Symbolic links may lead anywhere, as those of a host do; nothing may be written through one.
 *
 * Errors: ARCHIVE_HOSTILE for absolute names, `..`, NUL, names that occur twice, members below a file or a link, hard links that leave the
 * root, too many members; EXTRACT_UNSUPPORTED for paths that are too long; what `feed` throws.
 */
export async function surveyTar(
  feed: (add: (member: TarMember) => void) => Promise<void>,
  limits: SurveyLimits,
): Promise<ReadonlyMap<string, TarNode>> {
  const nodes = new Map<string, TarNode>();
  let nameBytes = 0;
  await feed((entry) => {
    const path = memberPath(entry.name);
    if (path === '') {
      if (entry.kind !== 'directory') throw hostile(entry.name, `is a ${entry.kind} in the place of the root`);
      return;
    }
    checkLength(path, limits);
    implyParents(nodes, path);
    const known = nodes.get(path);
    const directoryAgain = known?.kind === 'directory' && !known.explicit && entry.kind === 'directory';
    if (known !== undefined && !directoryAgain) throw hostile(path, 'occurs twice');
    nodes.set(path, toNode(entry));
    nameBytes += path.length + entry.linkName.length;
    if (nodes.size > limits.entries || nameBytes > limits.entries * averageNameBytes) throw tooMany(limits);
  });
  followHardLinks(nodes);
  return nodes;
}

/**
 * The path a member's name stands for, relative to the root: without `.` pieces, doubled and trailing slashes; empty for the root
 * itself. Errors: ARCHIVE_HOSTILE for names that are empty, absolute, or hold `..` or NUL.
 */
export function memberPath(name: string): string {
  if (name === '') throw hostile(name, 'is an empty name');
  if (name.startsWith('/')) throw hostile(name, 'is an absolute name');
  if (name.includes('\0')) throw hostile(name, 'holds a NUL byte');
  const pieces = name.split('/').filter((piece) => piece !== '' && piece !== '.');
  if (pieces.includes('..')) throw hostile(name, 'leaves the directory it is unpacked to');
  return pieces.join('/');
}

/** The path that holds the content of a hard link: the end of the chain of links. Only for a tree that `surveyTar` has passed. */
export function hardLinkTarget(nodes: ReadonlyMap<string, TarNode>, path: string): string {
  let end = path;
  for (let node = nodes.get(end), steps = 0; node?.kind === 'hardlink'; node = nodes.get(end), steps++) {
    if (steps > longestChain) throw hostile(path, 'is a hard link to itself, or to a long chain of hard links');
    end = node.target;
  }
  return end;
}

function toNode(entry: TarMember): TarNode {
  switch (entry.kind) {
    case 'directory':
      return explicitDirectory;
    case 'file':
      return { kind: 'file', size: entry.size };
    case 'sparse':
      return sparseNode;
    case 'hardlink':
      return { kind: 'hardlink', target: hardLinkPath(entry) };
    case 'symlink':
      return { kind: 'symlink', target: symlinkTarget(entry) };
  }
}

const sparseNode: TarNode = { kind: 'sparse' };
const explicitDirectory: TarNode = { kind: 'directory', explicit: true };
const impliedDirectory: TarNode = { kind: 'directory', explicit: false };

function hardLinkPath(entry: TarMember): string {
  try {
    return memberPath(entry.linkName);
  } catch (cause) {
    throw new BackupError(
      'ARCHIVE_HOSTILE',
      `member ${printable(entry.name)} is a hard link to ${printable(entry.linkName)}, outside this tar`,
      {
        cause,
      },
    );
  }
}

function symlinkTarget(entry: TarMember): string {
  const target = entry.linkName;
  if (target === '' || target.includes('\0')) throw hostile(entry.name, 'is a symbolic link without a usable target');
  if (target.length > longestTarget) throw tooLong(entry.name);
  return target;
}

function implyParents(nodes: Map<string, TarNode>, path: string): void {
  for (let slash = path.lastIndexOf('/'); slash !== -1; slash = path.lastIndexOf('/', slash - 1)) {
    const parent = path.slice(0, slash);
    const node = nodes.get(parent);
    if (node?.kind === 'directory') return;
    if (node !== undefined)
      throw hostile(path, `would be written through ${printable(parent)}, which is a ${node.kind}`);
    nodes.set(parent, impliedDirectory);
  }
}

function checkLength(path: string, limits: SurveyLimits): void {
  if (path.length > limits.pathBytes || path.split('/').some((piece) => piece.length > longestPiece))
    throw tooLong(path);
}

/** Every hard link leads to a file or symbolic link of this tar. */
function followHardLinks(nodes: ReadonlyMap<string, TarNode>): void {
  for (const [path, node] of nodes) {
    if (node.kind !== 'hardlink') continue;
    const target = nodes.get(hardLinkTarget(nodes, path));
    if (target === undefined)
      throw hostile(path, `is a hard link to ${printable(node.target)}, which is not in this tar`);
    if (target.kind === 'directory') throw hostile(path, 'is a hard link to a directory');
  }
}

/** Errors: EXTRACT_UNSUPPORTED for a sparse file that is wanted. */
export function refuseSparse(nodes: ReadonlyMap<string, TarNode>, wanted: (path: string) => boolean): void {
  for (const [path, node] of nodes) if (node.kind === 'sparse' && wanted(path)) throw sparseFile(path);
}

export function sparseFile(path: string): BackupError {
  return new BackupError('EXTRACT_UNSUPPORTED', `${printable(path)} is a sparse file, which is not unpacked here`, {
    hint: 'extract the artifact as it is and unpack it with GNU tar',
  });
}

function tooLong(name: string): BackupError {
  return new BackupError(
    'EXTRACT_UNSUPPORTED',
    `${printable(name)} has a name or target longer than a file system takes here`,
    {
      hint: 'extract to a directory with a shorter name, or extract the artifact as it is and unpack it with tar',
    },
  );
}

function tooMany(limits: SurveyLimits): BackupError {
  return new BackupError(
    'ARCHIVE_HOSTILE',
    `there are more members than the limit of ${limits.entries}, or their names are too long for that many`,
    {
      hint: 'raise the limit when this many are expected, or extract the artifact as it is and unpack it with tar',
    },
  );
}

function hostile(name: string, what: string): BackupError {
  return new BackupError('ARCHIVE_HOSTILE', `member ${name === '' ? '(no name)' : printable(name)} ${what}`);
}
