import type { TarKind, TarMember } from './tar-member.js';

/** A member of a tar stream, and where it lies in it: from its first header block to the end of its padding. */
export interface PlacedMember extends TarMember {
  readonly offset: number;
  readonly length: number;
}

const letters = { file: '0', hardlink: '1', symlink: '2', directory: '5', sparse: 'S' } as const satisfies Record<
  TarKind,
  string
>;
const kinds: ReadonlyMap<string, TarKind> = new Map(
  (Object.keys(letters) as TarKind[]).map((kind) => [letters[kind], kind]),
);

/** One line of a catalogue (docs/format.md): offset, length, type, mode, owner, group, time, size, name, target. */
export function entryLine(member: PlacedMember): string {
  const { offset, length, kind, mode, uid, gid, mtime, size, name, linkName } = member;
  const fields = [offset, length, letters[kind], (mode & 0o7777).toString(8), uid, gid, Math.floor(mtime), size];
  return `${fields.join('\t')}\t${escaped(name)}\t${escaped(isLink(kind) ? linkName : '')}\n`;
}

const lineFields =
  /^(\d{1,15})\t(\d{1,15})\t([0125S])\t([0-7]{1,4})\t(-1|\d{1,10})\t(-1|\d{1,10})\t(-?\d{1,16})\t(\d{1,15})\t([!-~]*)\t([!-~]*)$/;

/** The member that a line (without its line feed) describes; undefined when it is not written as `entryLine` does. */
export function parseEntryLine(line: string): PlacedMember | undefined {
  const [, offset, length, type = '', mode = '', uid, gid, mtime, size, name = '', linkName = ''] =
    lineFields.exec(line) ?? [];
  const kind = kinds.get(type);
  const member = kind && {
    kind,
    offset: Number(offset),
    length: Number(length),
    mode: Number.parseInt(mode, 8),
    uid: Number(uid),
    gid: Number(gid),
    mtime: Number(mtime),
    size: Number(size),
    name: unescaped(name),
    linkName: unescaped(linkName),
  };
  return member !== undefined && entryLine(member) === `${line}\n` ? member : undefined;
}

/** What the catalogue says of a target: that of a link. Other headers may carry one that means nothing. */
function isLink(kind: TarKind): boolean {
  return kind === 'symlink' || kind === 'hardlink';
}

function escaped(name: string): string {
  return name.replace(/[^!-~]|%/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

function unescaped(name: string): string {
  return name.replace(/%([0-9A-F]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}
