import { BackupError } from '../model/errors.js';

/** One stored part of an artifact. */
export interface Part {
  /** Of the content. */
  readonly bytes: number;
  readonly sha256: string;
  /** Where its member lies in the archive, and the hash of the member's bytes as they lie there. */
  readonly offset: number;
  readonly length: number;
  readonly storedSha256: string;
}

const numberBytes = 6;
const hashBytes = 32;
const rowBytes = 3 * numberBytes + 2 * hashBytes;
const rowsPerPage = 64;

/** Parts in order, 82 bytes each: an artifact of a TiB has 262,144. */
export class PartTable {
  readonly #pages: Buffer[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  append(part: Part): void {
    const row = this.#length % rowsPerPage;
    const lastPage = row === 0 ? undefined : this.#pages.at(-1);
    const page = lastPage ?? Buffer.allocUnsafeSlow(rowsPerPage * rowBytes);
    if (lastPage === undefined) this.#pages.push(page);
    const start = row * rowBytes;
    page.writeUIntBE(part.bytes, start, numberBytes);
    page.writeUIntBE(part.offset, start + numberBytes, numberBytes);
    page.writeUIntBE(part.length, start + 2 * numberBytes, numberBytes);
    page.write(part.sha256, start + 3 * numberBytes, 'hex');
    page.write(part.storedSha256, start + 3 * numberBytes + hashBytes, 'hex');
    this.#length += 1;
  }

  /** The part with this index, counted from 0. */
  at(index: number): Part {
    const page = this.#pages[Math.floor(index / rowsPerPage)];
    if (page === undefined || index >= this.#length) throw new RangeError(`there is no part ${String(index)}`);
    const start = (index % rowsPerPage) * rowBytes;
    const hashes = start + 3 * numberBytes;
    return {
      bytes: page.readUIntBE(start, numberBytes),
      offset: page.readUIntBE(start + numberBytes, numberBytes),
      length: page.readUIntBE(start + 2 * numberBytes, numberBytes),
      sha256: page.toString('hex', hashes, hashes + hashBytes),
      storedSha256: page.toString('hex', hashes + hashBytes, hashes + 2 * hashBytes),
    };
  }

  *[Symbol.iterator](): Generator<Part> {
    for (let index = 0; index < this.#length; index += 1) yield this.at(index);
  }
}

/** `NAME.part-000000001` for index 0. */
export function partName(path: string, index: number): string {
  return `${path}.part-${String(index + 1).padStart(9, '0')}`;
}

export function tableName(path: string): string {
  return `${path}.parts`;
}

/** Of the catalogue of a tar artifact. */
export function catalogueName(path: string): string {
  return `${path}.entries`;
}

/** The artifact whose catalogue a member of this name is, if it is one. */
export function pathOfCatalogue(name: string): string | undefined {
  const suffix = catalogueName('');
  return name.endsWith(suffix) ? name.slice(0, -suffix.length) : undefined;
}

export function failedName(path: string): string {
  return `${path}.FAILED`;
}

/** One line of a `.parts` table: name, bytes, SHA-256 of the content, then offset, length and SHA-256 of the stored member. */
export function partLine(path: string, index: number, part: Part): string {
  const fields = [partName(path, index), part.bytes, part.sha256, part.offset, part.length, part.storedSha256];
  return `${fields.join('\t')}\n`;
}

export function* partLines(path: string, table: PartTable): Generator<string> {
  let index = 0;
  for (const part of table) {
    yield partLine(path, index, part);
    index += 1;
  }
}

const lineFields = /^([^\t]+)\t(\d{1,15})\t([0-9a-f]{64})\t(\d{1,15})\t(\d{1,15})\t([0-9a-f]{64})$/;

/**
 * Adds the part that `line` (without its line feed) describes to `table`. It must be exactly the line that belongs there.
 * Throws BackupError ARCHIVE_CORRUPT.
 */
export function appendLine(table: PartTable, path: string, line: string): void {
  const fields = lineFields.exec(line);
  if (fields === null)
    throw new BackupError('ARCHIVE_CORRUPT', `row ${String(table.length + 1)} is not a row of a table of parts`);
  const [, , bytes, sha256, offset, length, storedSha256] = fields as unknown as readonly string[];
  const part: Part = {
    bytes: Number(bytes),
    sha256: String(sha256),
    offset: Number(offset),
    length: Number(length),
    storedSha256: String(storedSha256),
  };
  if (
    part.offset > 2 ** 48 - 1 ||
    part.length > 2 ** 48 - 1 ||
    part.bytes > 2 ** 48 - 1 ||
    `${line}\n` !== partLine(path, table.length, part)
  )
    throw new BackupError(
      'ARCHIVE_CORRUPT',
      `row ${String(table.length + 1)} is not the row of ${partName(path, table.length)}`,
    );
  table.append(part);
}
