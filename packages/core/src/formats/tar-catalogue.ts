import { createHash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';

import { BackupError } from '../model/errors.js';
import type { Catalogue } from '../model/format.js';
import { entryLine } from './tar-entries.js';
import { parseHeader } from './tar-header.js';
import { extendedBy, isExtension, longestExtension, tarMember, type Extensions } from './tar-member.js';

const blockCharacters = 128 * 1024;
/** More than the line of any file that can be unpacked has: a path has at most 4,095 bytes. */
const longestLine = 64 * 1024;
/** Of compressed lines, some million of them; a catalogue that would be larger is not kept. */
const defaultMostKept = 16 * 1024 * 1024;

/**
 * Makes the catalogue of a tar stream (docs/format.md) while its headers pass. Lines are compressed as they come. A stream with something that
 * `extract` would refuse to read gets none: what is refused is then found by reading it.
 */
export class TarCatalogue {
  readonly #mostKept: number;
  readonly #hash = createHash('sha256');
  #extensions: Extensions = {};
  #lines = '';
  #blocks: Buffer[] | undefined = [];
  #kept = 0;
  #refused = false;

  /** `mostKept` is of bytes. */
  constructor(mostKept = defaultMostKept) {
    this.#mostKept = mostKept;
  }

  /** A header that describes the next member, and its content; without content where that is too long to be looked at. */
  extension(type: string, body: Buffer | undefined): void {
    this.#attempt(() => {
      if (!isExtension(type) || body === undefined || body.length > longestExtension) this.#refused = true;
      else this.#extensions = extendedBy(this.#extensions, type, body);
    });
  }

  /** A member whose headers begin at `offset`; the next one's begin `length` bytes later. */
  member(header: Uint8Array, offset: number, length: number): void {
    this.#attempt(() => {
      const member = tarMember(parseHeader(Buffer.from(header)), this.#extensions);
      this.#extensions = {};
      const line = entryLine({ ...member, offset, length });
      if (line.length > longestLine) this.#refused = true;
      else this.#lines += line;
      if (this.#lines.length >= blockCharacters) this.#compress();
    });
  }

  /** After the stream's end. */
  end(): Catalogue | undefined {
    if (this.#refused || Object.keys(this.#extensions).length > 0) return undefined;
    this.#compress();
    const blocks = this.#blocks;
    return {
      sha256: this.#hash.copy().digest('hex'),
      pieces:
        blocks &&
        function* () {
          for (const block of blocks) yield inflateRawSync(block).toString('latin1');
        },
    };
  }

  #attempt(look: () => void): void {
    if (this.#refused) return;
    try {
      look();
    } catch (error) {
      if (!(error instanceof BackupError)) throw error;
      this.#refused = true;
    }
    if (this.#refused) this.#blocks = undefined;
  }

  #compress(): void {
    const lines = Buffer.from(this.#lines, 'latin1');
    this.#lines = '';
    this.#hash.update(lines);
    if (this.#blocks === undefined) return;
    const block = deflateRawSync(lines);
    this.#kept += block.length;
    if (this.#kept > this.#mostKept) this.#blocks = undefined;
    else this.#blocks.push(block);
  }
}
