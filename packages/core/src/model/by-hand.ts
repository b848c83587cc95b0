import type { ArtifactRecord, UnitRecord } from './metadata.js';

/** One archived unit, as whoever writes the commands for it by hand gets it. */
export interface ByHandRequest {
  readonly unit: UnitRecord;
  /** Those that are in the archive, by path. */
  readonly artifacts: readonly ArtifactRecord[];
}

/** One numbered section of RESTORE.txt: a piece of a service that is put back by hand. */
export interface ByHand {
  /** Inventory name of the host on which it is done. */
  readonly host: string;
  /** What is put back, a few words. */
  readonly title: string;
  /** Paths of the artifacts it needs. Each is checked before the commands run. */
  readonly artifacts: readonly string[];
  /** What to know before, one paragraph each. */
  readonly notes: readonly string[];
  /**
   * Lines of POSIX sh, for root, after `set -eu` and `umask 077`. `artifact PATH` writes an artifact to standard output; `replace_files PATH` unpacks
   * one that is a tar of files over `/` and saves what it replaces, which `old_files_back` puts back. Text that comes from a host goes through `shellWord`.
   */
  readonly commands: readonly string[];
}

/** Anything that could be no text on a screen, or move what stands after it. */
const control = /\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}/u;

/**
 * Any text as one word of sh on one line without control characters. A line break is the variable `newline` of RESTORE.txt, because the shell
 * drops those at the end of what a command prints.
 */
export function shellWord(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  const pieces = text.match(/\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}|'+|(?:(?!\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp})[^'])+/gu) ?? [];
  return pieces.map(shellPiece).join('') || "''";
}

function shellPiece(piece: string): string {
  if (piece === '\n') return '"$newline"';
  if (piece.startsWith("'")) return `"${piece}"`;
  if (!control.test(piece)) return `'${piece}'`;
  const octal = [...Buffer.from(piece)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`);
  return `"$(printf '${octal.join('')}')"`;
}

/** Any text for people to read, on one line without control characters. */
export function plainText(text: string): string {
  return text.replaceAll(new RegExp(control, 'gu'), '?');
}
