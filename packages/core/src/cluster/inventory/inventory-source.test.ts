import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { findInventory } from './inventory-source.js';

let build: string;

beforeEach(async () => {
  build = await mkdtemp(join(tmpdir(), 'lsbackup-source-'));
});

afterEach(async () => {
  await rm(build, { recursive: true, force: true });
});

async function put(...names: string[]): Promise<void> {
  for (const name of names) {
    const file = join(build, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, 'h\n');
  }
}

describe('findInventory', () => {
  it.each([
    'inventory',
    'inventory.ini',
    'inventory.yml',
    'inventory.yaml',
    'inventory.json',
    'hosts',
    'hosts.ini',
    'hosts.yml',
    'hosts.yaml',
    'hosts.json',
  ])('finds the file %s of a build directory', async (name) => {
    await put(name, 'group_vars/all.yml', 'site.yml', name.startsWith('hosts') ? 'x' : 'hosts/etc/passwd');
    const path = join(build, name);
    expect(await findInventory(build)).toEqual({ path, directory: build, files: [path] });
  });

  it('reads a directory in the order of Ansible, without what Ansible ignores', async () => {
    const read = [
      'inventory/10',
      'inventory/9.yml',
      'inventory/B',
      'inventory/a/b/deep',
      'inventory/a/x.ini',
      'inventory/b.toml',
      'inventory/é',
    ];
    const ignored = [
      'x.pyc',
      'x.pyo',
      'x.swp',
      'x.bak',
      'x~',
      'x.rpm',
      'x.md',
      'x.txt',
      'x.rst',
      'x.orig',
      'x.cfg',
      'x.retry',
      '.x',
    ];
    const directories = ['group_vars/all', 'host_vars/h', 'vars_plugins/p', 'a/group_vars/g', 'old.bak/x'];
    await put(...read, ...[...ignored, ...directories].map((name) => `inventory/${name}`));
    const path = join(build, 'inventory');
    const expected = { path, directory: build, files: read.map((name) => join(build, name)) };
    expect(await findInventory(build)).toEqual(expected);
    expect(await findInventory(path)).toEqual(expected);
  });

  it('takes a file of any name', async () => {
    await put('prod.txt');
    const path = join(build, 'prod.txt');
    expect(await findInventory(path)).toEqual({ path, directory: build, files: [path] });
  });

  it('names the candidates where there is more than one', async () => {
    await put('hosts', 'hosts.yml', 'inventory.json');
    await expect(findInventory(build)).rejects.toMatchObject({
      code: 'INVENTORY_MISSING',
      exitStatus: 2,
      message: `there is more than one inventory in ${build}: hosts, hosts.yml, inventory.json`,
    });
  });

  it.each([
    ['an empty build directory', [], 'there is no inventory in'],
    ['a build directory without one', ['site.yml', 'group_vars/all'], 'nothing in it is called "inventory" or "hosts"'],
    ['a directory of nothing but ignored files', ['inventory/README.md'], 'there is no inventory in'],
  ])('%s: INVENTORY_MISSING', async (_, names, message) => {
    await put(...names);
    await expect(findInventory(build)).rejects.toMatchObject({
      code: 'INVENTORY_MISSING',
      message: expect.stringContaining(message),
    });
  });

  it('refuses a link that leads nowhere, and one that leads back', async () => {
    await put('inventory/a');
    await symlink('/no/such/file', join(build, 'inventory/b'));
    await expect(findInventory(build)).rejects.toMatchObject({
      code: 'INVENTORY_MISSING',
      message: expect.stringContaining('no such file'),
    });
    await rm(join(build, 'inventory/b'));
    await symlink('.', join(build, 'inventory/b'));
    await expect(findInventory(build)).rejects.toMatchObject({ code: 'INVENTORY_MISSING' });
  });
});
