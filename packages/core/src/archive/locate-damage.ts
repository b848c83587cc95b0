import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';

import { abortError, BackupError } from '../model/errors.js';
import { parseMetadata, type Member, type Metadata } from '../model/metadata.js';
import type { Store } from '../stores/store.js';
import { ArchiveFile, CorruptEntry } from './archive-file.js';
import { metadataName } from './checksums.js';
import { endOfTarMember, footerBytes, parseFooter, sha256Hex, type Footer } from './gzip.js';
import { maximumMetadataBytes, maximumStoredPartBytes } from './limits.js';
import { readRecords } from './members.js';
import { blockBytes, paddingAfter, sizeField } from './tar-header.js';

/** How far from the end a footer is looked for that something was added to. */
const searchBytes = 1024 * 1024;

export interface Located {
  readonly entry: string;
  readonly message: string;
}

/**
 * For an archive that cannot be opened: the entry at which it stops being what was written, as far as that can be found out. Reads up to there.
 * Errors: those of the store, the abort reason.
 */
export async function locateDamage(
  store: Pick<Store, 'stat' | 'get'>,
  name: string,
  signal?: AbortSignal,
): Promise<Located | undefined> {
  const entry = await store.stat(name);
  if (entry === undefined) return undefined;
  const file = new ArchiveFile(store, name, entry.bytes);
  const start = Math.max(0, file.bytes - searchBytes);
  const found = lastFooter(await file.read(start, file.bytes - start, signal));
  if (found === undefined) return lastEntry(file, signal);
  const end = start + found.end;
  if (end < file.bytes) return { entry: 'footer', message: `${String(file.bytes - end)} bytes follow the footer` };
  return firstMisplaced({ store, file }, { footer: found.footer, end }, signal);
}

function lastFooter(tail: Buffer): { footer: Footer; end: number } | undefined {
  const mark = tail.lastIndexOf('lsbackup-v1 metadata@', undefined, 'latin1');
  const gzipFixedHeader = 10;
  const begin = mark - gzipFixedHeader;
  const footer = mark < gzipFixedHeader ? undefined : parseFooter(tail.subarray(begin, begin + footerBytes));
  return footer === undefined ? undefined : { footer, end: begin + footerBytes };
}

/** With sound metadata at the end of a file of another length: the first member whose bytes are not at its recorded place. */
async function firstMisplaced(
  { store, file }: { store: Pick<Store, 'get'>; file: ArchiveFile },
  tail: { footer: Footer; end: number },
  signal: AbortSignal | undefined,
): Promise<Located | undefined> {
  const { footer, end } = tail;
  const offset = end - footerBytes - endOfTarMember.length - footer.length;
  const shift = offset - footer.offset;
  if (shift === 0 || offset < 0 || footer.length > maximumMetadataBytes) return undefined;
  const stored = await file.read(offset, footer.length, signal);
  if (sha256Hex(stored) !== footer.sha256) return undefined;
  const metadata = parseMetadata(
    (await file.inflateText(stored, metadataName, maximumMetadataBytes)).toString('utf8'),
    file.name,
  );
  const isAt = async (member: Member): Promise<boolean> => {
    const inside =
      member.offset >= 0 && member.offset + member.length <= file.bytes && member.length <= maximumStoredPartBytes;
    return inside && sha256Hex(await file.read(member.offset, member.length, signal)) === member.sha256;
  };
  // Tables behind the damage have moved with everything there; the rows in them still say where parts were.
  const moved = async <T extends Member>(member: T): Promise<T> =>
    (await isAt(member)) ? member : { ...member, offset: member.offset + shift };
  const readable: Metadata = { ...metadata, artifacts: [], members: [] };
  for (const artifact of metadata.artifacts)
    readable.artifacts.push({
      ...artifact,
      member: artifact.parts > 0 ? await moved(artifact.member) : artifact.member,
    });
  for (const member of metadata.members) readable.members.push(await moved(member));
  const asWritten = new ArchiveFile(store, file.name, Math.max(file.bytes, file.bytes - shift));
  const parts = await readRecords({ file: asWritten, metadata: readable }, signal);
  const recorded = [...metadata.artifacts.map(({ member }) => member), ...metadata.members];
  const rows = [...parts.inFileOrder()].filter((member) => member.kind === 'data');
  for (const member of [...recorded, ...rows].sort((a, b) => a.offset - b.offset)) {
    if (!(await isAt(member)))
      return {
        entry: member.name,
        message: `${member.name} is the first entry that is not at its recorded place: something is missing, repeated or swapped there`,
      };
  }
  return undefined;
}

/** Of a file without a footer: the entry it ends or breaks in, found by reading it from the begin as tar would. */
async function lastEntry(file: ArchiveFile, signal: AbortSignal | undefined): Promise<Located | undefined> {
  const walk = new TarWalk();
  try {
    await pipeline(await file.stream(0, file.bytes, signal), createGunzip(), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) walk.take(chunk);
    });
  } catch (error) {
    if (signal?.aborted === true) throw abortError(signal);
    if (error instanceof BackupError && !(error instanceof CorruptEntry)) throw error;
  }
  if (walk.name === '') return undefined;
  return {
    entry: walk.name,
    message: `the archive can be read up to ${walk.inside ? 'the middle of' : 'the end of'} ${walk.name}`,
  };
}

/** Names the entries of a tar stream as they pass. Holds one block. */
class TarWalk {
  name = '';
  #block = Buffer.alloc(0);
  #skip = 0;

  get inside(): boolean {
    return this.#skip > 0;
  }

  take(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      const skipped = Math.min(this.#skip, rest.length);
      this.#skip -= skipped;
      rest = rest.subarray(skipped);
      const more = rest.subarray(0, this.#skip > 0 ? 0 : blockBytes - this.#block.length);
      this.#block = Buffer.concat([this.#block, more]);
      rest = rest.subarray(more.length);
      if (this.#block.length === blockBytes) this.#header();
    }
  }

  #header(): void {
    const bytes = sizeField(this.#block) ?? 0;
    const field = (start: number, end: number): string =>
      this.#block.toString('latin1', start, end).replace(/\0.*$/s, '');
    const prefix = field(345, 500);
    if (this.#block[0] !== 0) this.name = prefix === '' ? field(0, 100) : `${prefix}/${field(0, 100)}`;
    this.#skip = bytes + paddingAfter(bytes);
    this.#block = Buffer.alloc(0);
  }
}
