import { createHash } from 'node:crypto';
import { finished } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGzip, gunzip, gzip, type InputType, type ZlibOptions } from 'node:zlib';

import { freeMemory, pieceBytes } from '../model/memory.js';
import { formatName } from '../model/metadata.js';

/** Magic, deflate, no flags, no time, XFL 0, operating system unknown: the same for every member that holds a tar entry. */
export const gzipHeader = Buffer.from('1f8b08000000000000ff', 'hex');
/** CRC-32 and length of the uncompressed bytes. */
export const gzipTrailerBytes = 8;

/** The two zero blocks that end a tar file, as a member: always these bytes. */
export const endOfTarMember = Buffer.from('1f8b08000000000000ff63601805a360148c5400002eafb5ef00040000', 'hex');

/** With 9 in place of 8, deflate is a little faster and its output a little smaller. */
const memLevel = 9;

const gzipAsync = promisify<InputType, ZlibOptions, Buffer>(gzip);
// With `info` zlib answers with an object that its typings do not know.
const gunzipAsync = promisify(gunzip) as unknown as (
  input: Uint8Array,
  options: ZlibOptions & { info: true },
) => Promise<{ buffer: Buffer; engine: { bytesWritten: number } }>;

/**
 * One gzip member with the canonical header, in pieces of at most about 1 MiB. Their memory is the caller's alone; neighbours may share it.
 * What hardly compresses (media, data compressed or encrypted before) is stored as it is: deflate would spend more time on it than on
 * anything else. Runs in the libuv pool.
 */
export async function compressMember(raw: Uint8Array, level: number): Promise<readonly Buffer[]> {
  const store = await hardlyCompresses(raw);
  const chunkSize = Math.min(pieceBytes, raw.length + (raw.length >> 10) + 64);
  const compressor = createGzip({ level: store ? 0 : level, memLevel, chunkSize });
  const pieces: Buffer[] = [];
  compressor.on('data', (piece: Buffer) => pieces.push(piece));
  compressor.end(raw);
  await finished(compressor);
  if (pieces[0] !== undefined) gzipHeader.copy(pieces[0]);
  return pieces;
}

/** Judged by eight samples from all over, none of them at the very beginning, where a tar header is. Always false for what is quick to compress anyway. */
async function hardlyCompresses(raw: Uint8Array): Promise<boolean> {
  const samples = 8;
  const sampleBytes = 8 * 1024;
  const worthwhile = 16 * samples * sampleBytes;
  const mostSaved = 0.03;
  if (raw.length < worthwhile) return false;
  const distance = Math.floor(raw.length / samples);
  const sample = Buffer.concat(
    Array.from({ length: samples }, (_, index) => {
      const start = index * distance + (distance >> 1);
      return raw.subarray(start, start + sampleBytes);
    }),
  );
  // The memory level of what follows: deflate's state then has the same size, and each gets what another has given back.
  const compressed = await gzipAsync(sample, { level: 1, memLevel, chunkSize: 2 * sample.length });
  const hardly = compressed.length > sample.length * (1 - mostSaved);
  for (const used of [sample, compressed]) freeMemory(used);
  return hardly;
}

/**
 * What a member inflates to, which must be exactly `expectedBytes`; never allocates more. Throws an Error that says what is wrong.
 * Runs in the libuv pool.
 */
export async function inflateMember(stored: Uint8Array, expectedBytes: number): Promise<Buffer> {
  const buffer = await inflate(stored, {
    maxOutputLength: expectedBytes + 1,
    chunkSize: Math.max(64, expectedBytes + 1),
  });
  if (buffer.length !== expectedBytes)
    throw new Error(`it holds ${String(buffer.length)} bytes, not ${String(expectedBytes)}`);
  return buffer;
}

/** What a member of unknown size inflates to, at most `maximum` bytes. Throws an Error that says what is wrong. */
export async function inflateUpTo(stored: Uint8Array, maximum: number): Promise<Buffer> {
  return inflate(stored, { maxOutputLength: maximum, chunkSize: 64 * 1024 });
}

async function inflate(stored: Uint8Array, options: ZlibOptions): Promise<Buffer> {
  if (!gzipHeader.equals(stored.subarray(0, gzipHeader.length)))
    throw new Error('its gzip header is not the canonical one');
  const { buffer, engine } = await gunzipAsync(stored, { ...options, info: true });
  if (engine.bytesWritten !== stored.length) throw new Error('something follows its compressed data');
  return buffer;
}

export interface Footer {
  readonly offset: number;
  readonly length: number;
  /** Of the stored metadata member. */
  readonly sha256: string;
}

/** The archive's last member: empty, with the place of the metadata in its comment field. Always `footerBytes` long. */
export function footerMember(footer: Footer): Buffer {
  const place = `${digits(footer.offset)}+${digits(footer.length)}`;
  const comment = `${formatName} metadata@${place} sha256=${footer.sha256}\0`;
  const header = Buffer.from(gzipHeader);
  const commentFlag = 0x10;
  header[3] = commentFlag;
  const emptyDeflate = Buffer.from('0300', 'hex');
  return Buffer.concat([header, Buffer.from(comment, 'latin1'), emptyDeflate, Buffer.alloc(gzipTrailerBytes)]);
}

export const footerBytes = footerMember({ offset: 0, length: 0, sha256: '0'.repeat(64) }).length;

/** Undefined unless the bytes are exactly what `footerMember` writes. */
export function parseFooter(bytes: Buffer): Footer | undefined {
  const match = /metadata@(\d{16})\+(\d{16}) sha256=([0-9a-f]{64})/.exec(bytes.toString('latin1'));
  if (match === null) return undefined;
  const footer = { offset: Number(match[1]), length: Number(match[2]), sha256: String(match[3]) };
  if (!Number.isSafeInteger(footer.offset) || !Number.isSafeInteger(footer.length)) return undefined;
  return footerMember(footer).equals(bytes) ? footer : undefined;
}

function digits(value: number): string {
  return String(value).padStart(16, '0');
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
