import { printable } from '../model/byte-names.js';
import { BackupError } from '../model/errors.js';
import { parsePax, paxNumber, paxOwner } from './tar-header.js';
import type { PaxRecords, TarHeader } from './tar-header.js';

/** What a member of a tar stream is. Anything else is refused. */
export type TarKind = 'file' | 'directory' | 'symlink' | 'hardlink' | 'sparse';

/** One member, as its headers describe it. Names are bytes, one character per byte, exactly as they stand there: nothing is cleaned or checked. */
export interface TarMember {
  readonly kind: TarKind;
  readonly name: string;
  /** Of a symbolic or hard link. */
  readonly linkName: string;
  /** As recorded, all twelve bits. */
  readonly mode: number;
  /** Of the owner, -1 where none is recorded that can be. */
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970, with a fraction. */
  readonly mtime: number;
  /** Bytes of content in the stream. */
  readonly size: number;
}

/** Longest header that describes the next member: names, and the extended attributes of one file. */
export const longestExtension = 1024 * 1024;

/** What stood in front of a member's own header. */
export interface Extensions {
  readonly pax?: PaxRecords;
  readonly name?: string;
  readonly linkName?: string;
}

const kinds: ReadonlyMap<string, TarKind> = new Map([
  ['0', 'file'],
  ['7', 'file'],
  ['1', 'hardlink'],
  ['2', 'symlink'],
  ['5', 'directory'],
  ['S', 'sparse'],
]);
const forbidden: ReadonlyMap<string, string> = new Map([
  ['3', 'a character device'],
  ['4', 'a block device'],
  ['6', 'a FIFO'],
]);

/** Whether a header of this type describes the member that follows (PAX, GNU's long names). */
export function isExtension(type: string): boolean {
  return 'xgLK'.includes(type);
}

/** The extensions with one more header, whose content is `body`. Errors: ARCHIVE_CORRUPT, ARCHIVE_HOSTILE (two of a kind, a global one that renames). */
export function extendedBy(extensions: Extensions, type: string, body: Buffer): Extensions {
  if (type === 'g') {
    checkGlobal(parsePax(body));
    return extensions;
  }
  const key = type === 'x' ? 'pax' : type === 'L' ? 'name' : 'linkName';
  if (extensions[key] !== undefined) throw ambiguous('has two headers of one kind');
  if (type === 'x') return { ...extensions, pax: parsePax(body) };
  const end = body.indexOf(0);
  return { ...extensions, [key]: body.toString('latin1', 0, end === -1 ? body.length : end) };
}

/** A global header may carry comments and the like; one that renames or resizes members has no honest use here. */
function checkGlobal(records: PaxRecords): void {
  for (const key of records.keys())
    if (['path', 'linkpath', 'size'].includes(key) || key.startsWith('GNU.sparse.'))
      throw new BackupError('ARCHIVE_HOSTILE', `a global header sets ${key} for every member`);
}

/**
 * The member that a header and what stood in front of it describe. Where two readers could understand them differently they are refused.
 * Errors: ARCHIVE_CORRUPT, ARCHIVE_HOSTILE (devices, ambiguities), EXTRACT_UNSUPPORTED (GNU dump and volume members).
 */
export function tarMember(header: TarHeader, { pax, name: longName, linkName }: Extensions): TarMember {
  if (longName !== undefined && pax?.has('path') === true) throw ambiguous('has two long names');
  if (linkName !== undefined && pax?.has('linkpath') === true) throw ambiguous('has two link names');
  const path = pax?.get('path') ?? longName ?? header.name;
  const isSparse = [...(pax?.keys() ?? [])].some((key) => key.startsWith('GNU.sparse.'));
  const name = isSparse ? (pax?.get('GNU.sparse.name') ?? path) : path;
  const kind = isSparse ? 'sparse' : kindOf(header.type, name);
  const size = given(pax, 'size', (value) => paxNumber(value, 'size')) ?? header.size;
  if (kind !== 'file' && kind !== 'sparse' && size !== 0)
    throw ambiguous(`(${printable(name)}) is a ${kind} with content`);
  return {
    kind,
    name,
    linkName: pax?.get('linkpath') ?? linkName ?? header.linkName,
    mode: header.mode,
    uid: given(pax, 'uid', paxOwner) ?? header.uid,
    gid: given(pax, 'gid', paxOwner) ?? header.gid,
    mtime: given(pax, 'mtime', (value) => paxNumber(value, 'mtime')) ?? header.mtime,
    size,
  };
}

function given(pax: PaxRecords | undefined, key: string, parse: (value: string) => number): number | undefined {
  const value = pax?.get(key);
  return value === undefined ? undefined : parse(value);
}

function kindOf(type: string, name: string): TarKind {
  const why = forbidden.get(type);
  if (why !== undefined)
    throw new BackupError('ARCHIVE_HOSTILE', `${printable(name)} is ${why}; those are never unpacked`);
  const kind = kinds.get(type);
  if (kind === undefined)
    throw new BackupError(
      'EXTRACT_UNSUPPORTED',
      `${printable(name)} is a member of type ${printable(type)}, which is not unpacked here`,
      { hint: 'extract the artifact as it is and unpack it with GNU tar' },
    );
  return kind === 'file' && name.endsWith('/') ? 'directory' : kind;
}

function ambiguous(what: string): BackupError {
  return new BackupError('ARCHIVE_HOSTILE', `a member ${what}: readers of tar disagree on what that means`);
}
