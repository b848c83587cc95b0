import { BackupError } from '../model/errors.js';

/** Bytes in one block of a tar stream. */
export const blockSize = 512;

/** Bytes that fill the last block of a content. */
export function paddingOf(size: number): number {
  return (blockSize - (size % blockSize)) % blockSize;
}

/** Keys and values of PAX records. Values are bytes, one character per byte: file names need not be UTF-8. */
export type PaxRecords = ReadonlyMap<string, string>;

/**
 * One header block as it is written, before PAX records or GNU long names are applied. Names are bytes, one character per byte. Layout: POSIX
 * ustar and the GNU tar manual, "Basic Tar Format".
 */
export interface TarHeader {
  readonly name: string;
  readonly linkName: string;
  readonly mode: number;
  /** -1 where the field holds no number that an owner can have. */
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** One character; the oldest form of a regular file, NUL, is given as `0`. */
  readonly type: string;
}

/** Decodes one header block. Errors: ARCHIVE_CORRUPT. */
export function parseHeader(block: Buffer): TarHeader {
  checkSum(block);
  const prefix = isPosix(block) ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  const type = String.fromCharCode(block[156] ?? 0);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    linkName: text(block, 157, 100),
    mode: number(block, 100, 8, 'mode'),
    uid: owner(numberIn(block, 108, 8)),
    gid: owner(numberIn(block, 116, 8)),
    size: number(block, 124, 12, 'size'),
    mtime: number(block, 136, 12, 'time'),
    type: type === '\0' ? '0' : type,
  };
}

/** Decodes the body of an `x` or `g` header: lines of `LENGTH KEY=VALUE`, the length counting the whole line. Errors: ARCHIVE_CORRUPT. */
export function parsePax(body: Buffer): PaxRecords {
  const records = new Map<string, string>();
  let rest = body.toString('latin1');
  while (rest !== '') {
    const length = Number(/^([1-9]\d{0,9}) /.exec(rest)?.[1] ?? 0);
    const line = rest.slice(0, length);
    const space = line.indexOf(' ');
    const equals = line.indexOf('=');
    if (length === 0 || line.length < length || !line.endsWith('\n') || equals <= space + 1)
      throw new BackupError('ARCHIVE_CORRUPT', 'a PAX record is malformed');
    records.set(line.slice(space + 1, equals), line.slice(equals + 1, -1));
    rest = rest.slice(length);
  }
  return records;
}

/** A decimal size or time from a PAX record. Errors: ARCHIVE_CORRUPT. */
export function paxNumber(value: string, key: string): number {
  const result = /^-?\d{1,16}(\.\d*)?$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isNaN(result) || (key === 'size' && !(Number.isSafeInteger(result) && result >= 0)))
    throw new BackupError('ARCHIVE_CORRUPT', `a PAX record has an impossible ${key}`);
  return result;
}

/** The number of an owner from a PAX record, -1 when it is none. */
export function paxOwner(value: string): number {
  return owner(/^\d{1,10}$/.test(value) ? Number(value) : Number.NaN);
}

/** The last of 32 bits is no owner: system calls take it for "leave it as it is". */
function owner(number: number): number {
  return Number.isInteger(number) && number >= 0 && number < 0xffffffff ? number : -1;
}

/** The sum of all bytes, those of the field itself counted as spaces. Some old programs added signed bytes. */
function checkSum(block: Buffer): void {
  let unsigned = 0;
  let signed = 0;
  for (let index = 0; index < blockSize; index++) {
    const byte = index >= 148 && index < 156 ? 0x20 : (block[index] ?? 0);
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const recorded = number(block, 148, 8, 'check sum');
  if (recorded !== unsigned && recorded !== signed)
    throw new BackupError('ARCHIVE_CORRUPT', 'this is not a tar header: its check sum is wrong');
}

/** Only POSIX headers have a name prefix; GNU's (`ustar` and two spaces) keep other things there. */
function isPosix(block: Buffer): boolean {
  return block.toString('latin1', 257, 263) === 'ustar\0';
}

function text(block: Buffer, start: number, length: number): string {
  const end = block.subarray(start, start + length).indexOf(0);
  return block.toString('latin1', start, end === -1 ? start + length : start + end);
}

function number(block: Buffer, start: number, length: number, what: string): number {
  const result = numberIn(block, start, length);
  if (!Number.isSafeInteger(result) || (result < 0 && what !== 'time'))
    throw new BackupError('ARCHIVE_CORRUPT', `this is not a tar header: its ${what} is impossible`);
  return result;
}

/** Octal digits, or GNU's base 256 when the first bit is set (negative when the second one is too); NaN when it is neither. */
function numberIn(block: Buffer, start: number, length: number): number {
  const field = block.subarray(start, start + length);
  return ((field[0] ?? 0) & 0x80) === 0 ? octal(field) : base256(field);
}

function octal(field: Buffer): number {
  const digits = /^ *([0-7]*)[ \0]*$/.exec(field.toString('latin1'))?.[1];
  return digits === undefined ? Number.NaN : Number.parseInt(`0${digits}`, 8);
}

function base256(field: Buffer): number {
  const value = BigInt.asIntN(field.length * 8 - 1, BigInt(`0x${field.toString('hex')}`));
  return Number(value);
}
