/** Tar headers of the only kind an archive has: regular files, mode 0600, owner 0:0 (POSIX ustar, with a pax `path` record for long names). */

export const blockBytes = 512;
const modeField = '0000600';
const nameBytes = 100;
const prefixBytes = 155;
/** Eleven octal digits: what a ustar size field can say. */
export const maximumEntryBytes = 0o77777777777;
/** More than any header of ours: a path has at most three pieces of 200 bytes and a suffix. */
export const maximumHeaderBytes = 4096;

export interface TarEntry {
  readonly name: string;
  readonly bytes: number;
  /** Seconds since the epoch. */
  readonly modified: number;
}

/**
 * The header blocks of one entry, byte for byte reproducible. A name that fits ustar's name and prefix fields is written there (busybox knows no pax paths),
 * any other in a pax header in front. Throws RangeError for a size or name that does not fit.
 */
export function tarHeader(entry: TarEntry): Buffer {
  if (entry.bytes > maximumEntryBytes) throw new RangeError(`${entry.name} has too many bytes for one tar entry`);
  const split = splitName(entry.name);
  if (split !== undefined) return ustarBlock({ ...entry, ...split, type: '0' });
  const record = paxRecord('path', entry.name);
  const header = Buffer.concat([
    ustarBlock({ name: 'PaxHeader', prefix: '', bytes: record.length, modified: entry.modified, type: 'x' }),
    record,
    Buffer.alloc(paddingAfter(record.length)),
    ustarBlock({ ...entry, name: entry.name.slice(-nameBytes), prefix: '', type: '0' }),
  ]);
  if (header.length > maximumHeaderBytes) throw new RangeError(`the name ${entry.name} is too long`);
  return header;
}

/** Length of the header blocks of an entry with this name. */
export function headerBytesOf(name: string): number {
  return tarHeader({ name, bytes: 0, modified: 0 }).length;
}

/** Zero bytes between the end of an entry's data and the next block. */
export function paddingAfter(bytes: number): number {
  return (blockBytes - (bytes % blockBytes)) % blockBytes;
}

/** Header, data and padding of one entry: what its member inflates to. */
export function entryBytes(headerBytes: number, bytes: number): number {
  return headerBytes + bytes + paddingAfter(bytes);
}

/** The modification time in a header block, undefined when it is not eleven octal digits. */
export function modifiedField(block: Buffer): number | undefined {
  return octalField(block, 136);
}

/** The size in a header block, undefined when it is not eleven octal digits. */
export function sizeField(block: Buffer): number | undefined {
  return octalField(block, 124);
}

function octalField(block: Buffer, offset: number): number | undefined {
  const text = block.toString('latin1', offset, offset + 11);
  return /^[0-7]{11}$/.test(text) ? Number.parseInt(text, 8) : undefined;
}

function splitName(name: string): { name: string; prefix: string } | undefined {
  if (name.length <= nameBytes) return { name, prefix: '' };
  const slash = name.indexOf('/', name.length - nameBytes - 1);
  if (slash <= 0 || slash > prefixBytes) return undefined;
  return { name: name.slice(slash + 1), prefix: name.slice(0, slash) };
}

/** `LENGTH key=value\n`, where LENGTH counts itself. */
function paxRecord(key: string, value: string): Buffer {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.from(`${String(length)}${rest}`, 'latin1');
}

interface UstarFields extends TarEntry {
  readonly prefix: string;
  readonly type: '0' | 'x';
}

function ustarBlock(fields: UstarFields): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.write(fields.name, 0, nameBytes, 'latin1');
  block.write(modeField, 100, 'latin1');
  block.write('0000000', 108, 'latin1');
  block.write('0000000', 116, 'latin1');
  block.write(octal(fields.bytes), 124, 'latin1');
  block.write(octal(fields.modified), 136, 'latin1');
  block.write(fields.type, 156, 'latin1');
  block.write('ustar\u000000', 257, 'latin1');
  block.write(fields.prefix, 345, prefixBytes, 'latin1');
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function octal(value: number): string {
  return value.toString(8).padStart(11, '0');
}
