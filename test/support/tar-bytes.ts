/** Tar streams made byte by byte, so that tests can say things no tar program would write. */

export interface HandMadeMember {
  /** One character per byte. */
  readonly name: string;
  /** The type flag; `0` unless set. */
  readonly type?: string;
  readonly linkName?: string;
  readonly content?: string | Buffer;
  /** What the header claims; the length of the content unless set. */
  readonly size?: number;
  readonly mode?: number;
  readonly mtime?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly prefix?: string;
  /** `ustar` (POSIX) unless set. */
  readonly magic?: 'ustar' | 'gnu' | 'none';
  /** Written as an `x` header in front. */
  readonly pax?: Readonly<Record<string, string>>;
}

const block = 512;
const magics = { ustar: 'ustar\x0000', gnu: 'ustar  \0', none: '\0\0\0\0\0\0\0\0' } as const;

/** The members and the end mark. */
export function tarBytes(...members: readonly HandMadeMember[]): Buffer {
  return Buffer.concat([...members.map(memberBytes), Buffer.alloc(2 * block)]);
}

/** One member: its PAX header where it has one, its header, its content, padded. */
export function memberBytes(member: HandMadeMember): Buffer {
  const content = typeof member.content === 'object' ? member.content : Buffer.from(member.content ?? '', 'latin1');
  const before =
    member.pax === undefined
      ? Buffer.alloc(0)
      : memberBytes({ name: 'PaxHeader', type: 'x', content: paxBytes(member.pax) });
  return Buffer.concat([before, headerBytes(member, content.length), padded(content)]);
}

export function headerBytes(member: HandMadeMember, length: number): Buffer {
  const header = Buffer.alloc(block);
  header.write(member.name.slice(0, 100), 0, 'latin1');
  header.write(octal(member.mode ?? 0o644, 8), 100, 'latin1');
  header.write(octal(member.uid ?? 0, 8), 108, 'latin1');
  header.write(octal(member.gid ?? 0, 8), 116, 'latin1');
  header.write(octal(member.size ?? length, 12), 124, 'latin1');
  header.write(octal(member.mtime ?? 1_700_000_000, 12), 136, 'latin1');
  header.write(member.type ?? '0', 156, 'latin1');
  header.write((member.linkName ?? '').slice(0, 100), 157, 'latin1');
  header.write(magics[member.magic ?? 'ustar'], 257, 'latin1');
  header.write(member.prefix ?? '', 345, 'latin1');
  return seal(header);
}

/** Writes the check sum of a changed header. */
export function seal(header: Buffer): Buffer {
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

export function paxBytes(records: Readonly<Record<string, string>>): Buffer {
  return Buffer.from(
    Object.entries(records)
      .map(([key, value]) => paxLine(key, value))
      .join(''),
    'latin1',
  );
}

function paxLine(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

function octal(value: number, width: number): string {
  return value.toString(8).padStart(width - 1, '0') + '\0';
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc((block - (content.length % block)) % block)]);
}
