import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { readSettings, requireInventory } from './settings.js';

let directory: string;
let config: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lsbackup-settings-'));
  config = join(directory, 'lsbackup.yml');
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('requireInventory', () => {
  it.each([
    ['the file alone', {}, { source: '/file/build', inventory: ['/file/hosts'] }],
    ['-b', { 'build-dir': '/b' }, { source: '/b' }],
    ['-i', { inventory: ['/i'] }, { inventory: ['/i'] }],
    ['both', { 'build-dir': '/b', inventory: ['/i'] }, { source: '/b', inventory: ['/i'] }],
  ])('takes nothing of the configuration file that is of another cluster: %s', async (_, flags, expected) => {
    await writeFile(config, 'build_dir: /file/build\ninventory: [/file/hosts]\n');
    expect(requireInventory(await readSettings({ ...flags, config }))).toEqual(expected);
  });
});
