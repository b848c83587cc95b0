import { BackupError } from '../model/errors.js';
import { parseMetadata, type ArtifactRecord, type Member, type Metadata } from '../model/metadata.js';
import type { Store } from '../stores/store.js';
import type { Archive } from './archive.js';
import { metadataName } from './checksums.js';
import { endOfTarMember, footerBytes, parseFooter, sha256Hex } from './gzip.js';
import { ArchiveFile } from './archive-file.js';
import { maximumMetadataBytes } from './limits.js';
import { catalogueName } from './part-table.js';
import { readArtifact } from './read-artifact.js';
import { readText } from './read-table.js';

/** One ranged read of this much holds the metadata of most archives. */
const tailBytes = 64 * 1024;

/** An opened archive, with what the functions of this room need to read it. */
export interface OpenArchive extends Archive {
  readonly file: ArchiveFile;
  /** Where the metadata's member lies: the recorded members end there. */
  readonly metadataMember: { readonly offset: number; readonly length: number; readonly sha256: string };
}

export interface OpenOptions {
  readonly signal?: AbortSignal;
}

/**
 * Opens an archive: one or two ranged reads of its tail. Footer, end-of-tar member, the metadata's hash and its form have been checked.
 * Errors: ARCHIVE_MISSING; ARCHIVE_CORRUPT with what is wrong; ARCHIVE_TOO_NEW; those of the store.
 */
export async function openArchive(
  store: Pick<Store, 'stat' | 'get'>,
  name: string,
  options: OpenOptions = {},
): Promise<Archive> {
  return openArchiveFile(store, name, options);
}

/** The same for the rooms of this package that check an archive: with its file, and where the metadata lies in it. */
export async function openArchiveFile(
  store: Pick<Store, 'stat' | 'get'>,
  name: string,
  options: OpenOptions = {},
): Promise<OpenArchive> {
  const entry = await store.stat(name);
  if (entry === undefined)
    throw new BackupError('ARCHIVE_MISSING', `there is no archive ${name}`, { hint: missingHint(name) });
  const file = new ArchiveFile(store, name, entry.bytes);
  const tailStart = Math.max(0, entry.bytes - tailBytes);
  const tail = await file.read(tailStart, entry.bytes - tailStart, options.signal);
  const metadataMember = metadataPlace(file, tail);
  const inTail = metadataMember.offset >= tailStart;
  const stored = inTail
    ? tail.subarray(metadataMember.offset - tailStart, metadataMember.offset - tailStart + metadataMember.length)
    : await file.read(metadataMember.offset, metadataMember.length, options.signal);
  const metadata = await parseStored(file, stored, metadataMember.sha256);
  const readCatalogue: Archive['readCatalogue'] = (path, options) => {
    const member = catalogueOf(metadata, path);
    if (member === undefined) throw new BackupError('ARTIFACT_MISSING', `there is no catalogue of ${path} in ${name}`);
    return readText(file, member, options);
  };
  return {
    name,
    bytes: entry.bytes,
    metadata,
    file,
    metadataMember,
    hasCatalogue: (path) => catalogueOf(metadata, path) !== undefined,
    readCatalogue: (path, options) => Promise.resolve().then(() => readCatalogue(path, options)),
    read: (path, options = {}) =>
      Promise.resolve().then(() => readArtifact(file, recordOf(metadata, path, name), options)),
  };
}

/** A name has no slashes; whoever completes it with a shell gives the path of the file. */
function missingHint(name: string): string {
  const [, alone] = /\/([^/]+)$/.exec(name) ?? [];
  return alone === undefined
    ? 'list the archives of the target to see which there are'
    : `give the name alone, ${alone}, and the directory it is in as the target (-t)`;
}

/** Reads the footer and checks that metadata, end-of-tar member and footer are the whole end of the file. */
function metadataPlace(file: ArchiveFile, tail: Buffer): { offset: number; length: number; sha256: string } {
  const footer = tail.length < footerBytes ? undefined : parseFooter(tail.subarray(tail.length - footerBytes));
  if (footer === undefined)
    throw file.corrupt('footer', 'it is not at the end of the file: the archive is cut, damaged or was added to');
  const end = footer.offset + footer.length + endOfTarMember.length + footerBytes;
  if (end !== file.bytes)
    throw file.corrupt(
      'footer',
      `the file has ${String(file.bytes)} bytes, its footer says ${String(end)}: something is missing or was added`,
    );
  const endOfTar = tail.length - footerBytes - endOfTarMember.length;
  if (endOfTar < 0 || !endOfTarMember.equals(tail.subarray(endOfTar, tail.length - footerBytes)))
    throw file.corrupt('end of tar', 'the member in front of the footer is not the end of a tar file');
  if (footer.length > maximumMetadataBytes) throw file.corrupt(metadataName, 'it is too large');
  return footer;
}

async function parseStored(file: ArchiveFile, stored: Buffer, sha256: string): Promise<Metadata> {
  if (sha256Hex(stored) !== sha256) throw file.corrupt(metadataName, 'its bytes do not match the hash in the footer');
  const content = await file.inflateText(stored, metadataName, maximumMetadataBytes);
  return parseMetadata(content.toString('utf8'), file.name);
}

function catalogueOf(metadata: Metadata, path: string): Member | undefined {
  const name = catalogueName(path);
  return metadata.members.find((member) => member.name === name);
}

function recordOf(metadata: Metadata, path: string, archive: string): ArtifactRecord {
  const record = metadata.artifacts.find((each) => each.path === path);
  if (record === undefined) throw new BackupError('ARTIFACT_MISSING', `there is no artifact ${path} in ${archive}`);
  return record;
}
