import { gzipSync } from 'node:zlib';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import type { Metadata } from '../model/metadata.js';
import type { WrittenArtifact } from './archive.js';
import { endOfTarMember, footerBytes, footerMember, gzipHeader, inflateUpTo, parseFooter, sha256Hex } from './gzip.js';
import { partLine } from './part-table.js';
import { openArchive } from './reader.js';
import { archiveName, metadataOf, problemsOf, storeOf } from './sample.test-support.js';
import { headerBytesOf, paddingAfter, tarHeader } from './tar-header.js';

const modified = 1_714_979_289;

function entry(name: string, content: Buffer, claims: { bytes?: number; name?: string } = {}): Buffer {
  const header = tarHeader({ name: claims.name ?? name, bytes: claims.bytes ?? content.length, modified });
  return member(Buffer.concat([header, content, Buffer.alloc(paddingAfter(content.length))]));
}

function member(raw: Buffer): Buffer {
  const bytes = gzipSync(raw);
  gzipHeader.copy(bytes);
  return bytes;
}

/** An archive of these members whose records are all true, as somebody who wants harm would make it. */
function archiveOf(
  members: readonly Buffer[],
  artifacts: readonly WrittenArtifact[],
  change: Partial<Metadata> = {},
): Buffer {
  const body = Buffer.concat(members);
  const metadata = entry('metadata.json', Buffer.from(JSON.stringify({ ...metadataOf(artifacts, []), ...change })));
  const footer = footerMember({ offset: body.length, length: metadata.length, sha256: sha256Hex(metadata) });
  return Buffer.concat([body, metadata, endOfTarMember, footer]);
}

function artifactOf(stored: Buffer, content: Buffer, change: Partial<WrittenArtifact> = {}): WrittenArtifact {
  const place = { name: 'c/h/a', offset: 0, length: stored.length, sha256: sha256Hex(stored) };
  return { path: 'c/h/a', bytes: content.length, sha256: sha256Hex(content), parts: 0, member: place, ...change };
}

async function readAll(bytes: Buffer): Promise<Buffer> {
  const archive = await openArchive(storeOf(bytes), archiveName);
  return buffer(await archive.read('c/h/a'));
}

const content = Buffer.from('content');

describe('openArchive', () => {
  it('reads an archive that another writer made', async () => {
    const stored = entry('c/h/a', content);
    expect(await readAll(archiveOf([stored], [artifactOf(stored, content)]))).toEqual(content);
  });

  it('says what is missing', async () => {
    const bytes = archiveOf([], []);
    await expect(openArchive(storeOf(bytes), 'other.tar.gz')).rejects.toMatchObject({ code: 'ARCHIVE_MISSING' });
    await expect(openArchive(storeOf(bytes), `./backups/${archiveName}`)).rejects.toMatchObject({
      code: 'ARCHIVE_MISSING',
      hint: expect.stringContaining(`the name alone, ${archiveName}`),
    });
    await expect(readAll(bytes)).rejects.toMatchObject({ code: 'ARTIFACT_MISSING' });
  });

  it('refuses an archive that requires what it does not know', async () => {
    const bytes = archiveOf([], [], { requires: ['encryption'] });
    await expect(openArchive(storeOf(bytes), archiveName)).rejects.toMatchObject({ code: 'ARCHIVE_TOO_NEW' });
  });

  it('refuses names that are too long for any entry, of an artifact and of a failed one', async () => {
    const stored = entry('c/h/a', content);
    const long = `c/h/${'x'.repeat(5000)}`;
    const member = { name: `${long}.FAILED`, offset: 0, length: stored.length, sha256: sha256Hex(stored) };
    for (const bytes of [
      archiveOf([stored], [artifactOf(stored, content, { path: long })]),
      archiveOf([stored], [artifactOf(stored, content, { path: long, parts: 1 })]),
      archiveOf([stored], [artifactOf(stored, content)], { members: [member] }),
    ]) {
      await expect(openArchive(storeOf(bytes), archiveName)).rejects.toMatchObject({ code: 'ARCHIVE_CORRUPT' });
      expect((await problemsOf(bytes))[0]).toMatchObject({ entry: 'metadata.json' });
    }
  });

  it.each<[string, Buffer, Partial<WrittenArtifact>]>([
    ['inflates to more than is recorded', member(Buffer.alloc(20_000_000)), {}],
    ['inflates to less than is recorded', entry('c/h/a', content), { bytes: 5000 }],
    ['claims a size that no entry may have', entry('c/h/a', content), { bytes: 2 ** 40 }],
    ['has the header of another entry', entry('c/h/a', content, { name: 'c/h/b' }), {}],
    ['has a header with another size', entry('c/h/a', content, { bytes: 6 }), {}],
    ['is followed by something', Buffer.concat([entry('c/h/a', content), Buffer.from('more')]), {}],
    ['is two gzip members', Buffer.concat([entry('c/h/a', content), member(Buffer.alloc(1))]), {}],
    ['has another gzip header', gzipSync(content), {}],
    ['has other content', entry('c/h/a', Buffer.from('CONTENT')), {}],
    [
      'lies outside the file',
      entry('c/h/a', content),
      { member: { name: 'c/h/a', offset: 1e9, length: 100, sha256: '0'.repeat(64) } },
    ],
  ])('refuses an entry that %s', async (_what, stored, change) => {
    const bytes = archiveOf([stored], [artifactOf(stored, content, change)]);
    await expect(readAll(bytes)).rejects.toMatchObject({
      code: 'ARCHIVE_CORRUPT',
      message: expect.stringContaining('c/h/a') as unknown,
    });
    expect((await problemsOf(bytes)).map((problem) => problem.entry)).toContain('c/h/a');
  });

  it.each<[string, (row: string) => string]>([
    ['no rows', () => ''],
    ['a row too many', (row) => row + row.replace('000001', '000002')],
    ['a row of another part', (row) => row.replace('000001', '000002')],
    ['a row of another artifact', (row) => row.replace('c/h/a', 'c/h/b')],
    ['a row that is cut', (row) => row.slice(0, -10)],
    ['a size with leading zeros', (row) => row.replace('\t7\t', '\t07\t')],
    ['a place outside the file', (row) => row.replace('\t0\t', '\t123456789012\t')],
  ])('refuses a table with %s', async (_what, change) => {
    const part = entry('c/h/a.part-000000001', content);
    const row = partLine('c/h/a', 0, {
      bytes: 7,
      sha256: sha256Hex(content),
      offset: 0,
      length: part.length,
      storedSha256: sha256Hex(part),
    });
    const build = (text: string): Buffer => {
      const table = entry('c/h/a.parts', Buffer.from(text));
      const place = { name: 'c/h/a.parts', offset: part.length, length: table.length, sha256: sha256Hex(table) };
      return archiveOf([part, table], [artifactOf(part, content, { parts: 1, member: place })]);
    };
    expect(await readAll(build(row))).toEqual(content);
    await expect(readAll(build(change(row)))).rejects.toMatchObject({
      code: 'ARCHIVE_CORRUPT',
      message: expect.stringContaining('c/h/a.parts') as unknown,
    });
  });
});

describe('the parts of the format that are constant', () => {
  it('the end-of-tar member is 1,024 zero bytes', async () => {
    expect(await inflateUpTo(endOfTarMember, 2000)).toEqual(Buffer.alloc(1024));
  });

  it('a footer is 147 bytes and reads back; no other bytes do', () => {
    const place = fc.record({ offset: fc.nat({ max: 2 ** 48 }), length: fc.nat({ max: 2 ** 31 }) });
    fc.assert(
      fc.property(place, fc.nat({ max: footerBytes * 8 - 1 }), ({ offset, length }, bit) => {
        const footer = { offset, length, sha256: sha256Hex(Buffer.from(String(offset))) };
        const bytes = footerMember(footer);
        expect(bytes.length).toBe(147);
        expect(parseFooter(bytes)).toEqual(footer);
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(parseFooter(bytes)).not.toEqual(footer);
      }),
    );
  });

  it('every name has one header, whose size and checksum tar accepts', () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[a-z]{1,200}$/), { minLength: 1, maxLength: 3 }),
        fc.nat({ max: 1e9 }),
        (pieces, bytes) => {
          const name = pieces.join('/');
          const header = tarHeader({ name, bytes, modified });
          expect(header.length).toBe(headerBytesOf(name));
          const last = header.subarray(-512);
          const sum = [...last].reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0);
          expect(Number.parseInt(last.toString('latin1', 148, 154), 8)).toBe(sum);
          expect(header.length === 512 || header.includes(` path=${name}\n`)).toBe(true);
        },
      ),
    );
  });
});
