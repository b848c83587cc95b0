import { randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { compressMember, inflateMember } from './gzip.js';

const mebibyte = 1024 * 1024;
const text = (bytes: number) => Buffer.alloc(bytes, 'a line of text that comes again and again\n');

describe('compressMember', () => {
  it.each([
    ['random bytes', randomBytes(4 * mebibyte)],
    ['text', text(4 * mebibyte)],
    ['random bytes with text at the beginning', Buffer.concat([text(mebibyte), randomBytes(3 * mebibyte)])],
    ['random bytes, a small chunk', randomBytes(mebibyte)],
    ['random bytes, too few to judge', randomBytes(1000)],
    ['nothing', Buffer.alloc(0)],
  ])('comes back: %s', async (_what, raw) => {
    const member = Buffer.concat(await compressMember(raw, 5));
    expect(gunzipSync(member).equals(raw)).toBe(true);
    expect((await inflateMember(member, raw.length)).equals(raw)).toBe(true);
  });

  it('stores what does not compress, at a cost of less than a thousandth', async () => {
    const raw = randomBytes(4 * mebibyte);
    const member = Buffer.concat(await compressMember(raw, 5));
    expect(member.length).toBeLessThan(raw.length * 1.001);
    // Where the deflate data begins: a stored block (RFC 1951, 3.2.4) has the bits 00 for its type.
    expect((member[10] ?? 0xff) >> 1).toBe(0);
  });

  it('compresses a chunk of which a part is worth it', async () => {
    const raw = Buffer.concat([randomBytes(2 * mebibyte), text(mebibyte), randomBytes(mebibyte)]);
    const member = Buffer.concat(await compressMember(raw, 5));
    expect(member.length).toBeLessThan(3.1 * mebibyte);
  });
});
