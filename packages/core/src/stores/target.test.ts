import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { localDriver } from './local.js';
import { memoryDriver } from './memory.js';
import { numberedName } from './naming.js';
import { openStore } from './target.js';

const drivers = [localDriver, memoryDriver];

describe('openStore', () => {
  it('takes a path, a path with a colon, a file URL and a URL object', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'lsbackup-target:'));
    const url = pathToFileURL(directory);
    for (const target of [directory, url.href, url])
      expect((await openStore(target, drivers)).description).toBe(directory);
    await rm(directory, { recursive: true });
  });

  it('takes a relative path', async () => {
    expect((await openStore('.', drivers)).description).toBe(process.cwd());
  });

  it('takes the scheme of any driver it was given', async () => {
    expect((await openStore('memory:', drivers)).description).toBe('memory');
  });

  it('a scheme without a driver names those there are', async () => {
    await expect(openStore('s3://bucket/prefix', drivers)).rejects.toMatchObject({
      code: 'TARGET_UNSUPPORTED',
      exitStatus: 2,
      hint: 'this program knows: a path, memory:',
    });
  });

  it.each([
    ['file://other-host/path', 'TARGET_UNSUPPORTED'],
    ['file:tmp', 'TARGET_UNSUPPORTED'],
    ['file:', 'TARGET_UNSUPPORTED'],
    ['file:./tmp', 'TARGET_UNSUPPORTED'],
    ['http://[bad', 'TARGET_UNSUPPORTED'],
    ['', 'USAGE'],
    ['/no/such/directory', 'TARGET_MISSING'],
  ])('refuses "%s" with %s', async (target, code) => {
    await expect(openStore(target, drivers)).rejects.toMatchObject({ code });
  });
});

describe('numberedName', () => {
  it.each([
    ['a.tar.gz', 'a_3.tar.gz'],
    ['a.b.tar.zst', 'a.b_3.tar.zst'],
    ['a.zip', 'a_3.zip'],
    ['plain', 'plain_3'],
  ])('%s -> %s', (name, expected) => {
    expect(numberedName(name, 3)).toBe(expected);
  });
});
