import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { findInventory } from './inventory-source.js';
import type { InventoryChoice } from './inventory-source.js';
import { loadInventory } from './load-inventory.js';

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

const file = (path: string) => ({ path, files: [path], variablesDirectory: dirname(path) });

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
    await put(name, 'group_vars/all.yml', 'site.yml', 'etc/passwd');
    const sources = [file(join(build, name))];
    expect(await findInventory({ source: build })).toMatchObject({ directory: build, sources, warnings: [] });
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
    const directories = ['group_vars/all', 'host_vars/h', 'vars_plugins/p', 'old.bak/x'];
    await put(...read, ...[...ignored, ...directories].map((name) => `inventory/${name}`));
    const path = join(build, 'inventory');
    const sources = [{ path, files: read.map((name) => join(build, name)), variablesDirectory: path }];
    const expected = { directory: build, sources, warnings: [] };
    expect(await findInventory({ inventory: [path] })).toMatchObject(expected);
    await writeFile(join(build, 'ansible.cfg'), '[defaults]\ninventory = inventory\n');
    expect(await findInventory({ source: build })).toMatchObject(expected);
  });

  it('reads a directory that it finds where no other may be another cluster', async () => {
    await put('inventory/10', 'inventory/9.yml', 'inventory/group_vars/all', 'inventory/old/group_vars/all');
    const path = join(build, 'inventory');
    const files = [join(path, '10'), join(path, '9.yml')];
    const expected = { directory: build, sources: [{ path, files, variablesDirectory: path }] };
    expect(await findInventory({ source: build })).toMatchObject(expected);
    expect(await findInventory({ source: path })).toMatchObject(expected);
  });

  it('says of the files of a directory that nobody named that they are read as one', async () => {
    await put('inventory/production', 'inventory/staging');
    const path = join(build, 'inventory');
    const expected = [
      `${path}: its files are read as one inventory: production, staging; choose with -i, or say so with -i ${path}`,
    ];
    expect((await findInventory({ source: build })).warnings).toEqual(expected);
    expect((await findInventory({ source: path })).warnings).toEqual(expected);
    expect((await findInventory({ inventory: [path] })).warnings).toEqual([]);
    await writeFile(join(build, 'ansible.cfg'), '[defaults]\ninventory = inventory\n');
    expect((await findInventory({ source: build })).warnings).toEqual([]);
  });

  it('reads the only directory of a directory that it finds, with the variables there', async () => {
    await put('inventory/mine/hosts.yaml', 'inventory/mine/group_vars/all.yml', 'inventory/empty/group_vars/all');
    const path = join(build, 'inventory/mine');
    const sources = [{ path, files: [join(path, 'hosts.yaml')], variablesDirectory: path }];
    expect(await findInventory({ source: build })).toMatchObject({ directory: build, sources, warnings: [] });
    expect(await findInventory({ source: join(build, 'inventory') })).toMatchObject({ sources, warnings: [] });
    await put('inventory/group_vars/all');
    const { warnings } = await findInventory({ source: build });
    expect(warnings).toEqual([expect.stringMatching(`^${join(build, 'inventory/group_vars')} is not read: .*-i`)]);
  });

  it.each([
    ['two directories', ['production/hosts', 'staging/hosts'], 'production/, staging/'],
    ['a directory and an example', ['local/hosts.ini', 'mycluster/hosts.yaml'], 'local/, mycluster/'],
    ['files and a directory', ['hosts', 'old/a/hosts', 'group_vars/all'], 'hosts, old/'],
    ['two directories in one', ['a/b/hosts', 'a/c/hosts'], 'b/, c/'],
  ])('refuses %s in a directory that it finds', async (_, names, listed) => {
    await put(...names.map((name) => `inventory/${name}`));
    for (const source of [build, join(build, 'inventory')])
      await expect(findInventory({ source })).rejects.toMatchObject({
        code: 'INVENTORY_MISSING',
        message: expect.stringMatching(`^${build}/inventory.* may hold several inventories, .*: ${listed}$`),
        hint: expect.stringContaining('-i'),
      });
  });

  it('runs scripts in the build directory, but one that is given where lsbackup is called', async () => {
    const script = join(build, 'inventory');
    await writeFile(script, '#!/bin/sh\necho "{\\"g\\": [\\"$(pwd)\\"]}"\n', { mode: 0o755 });
    const hosts = async (choice: InventoryChoice) => [...(await loadInventory(choice)).hosts.keys()];
    expect(await hosts({ source: build })).toEqual([build]);
    expect(await hosts({ source: script })).toEqual([build]);
    await writeFile(join(build, 'ansible.cfg'), '[defaults]\ninventory = inventory\n');
    expect(await hosts({ source: build })).toEqual([build]);
    expect(await hosts({ inventory: [script] })).toEqual([process.cwd()]);
    expect(await hosts({ source: build, inventory: [script] })).toEqual([process.cwd()]);
  });

  it('says of variables below a directory of inventories that they are not read', async () => {
    await put('inventory/mycluster/hosts.yaml', 'inventory/mycluster/group_vars/all.yml', 'inventory/group_vars/all');
    const { sources, warnings } = await findInventory({ inventory: [join(build, 'inventory')] });
    expect(sources[0]?.files).toEqual([join(build, 'inventory/mycluster/hosts.yaml')]);
    expect(warnings).toEqual([
      expect.stringMatching(`^${join(build, 'inventory/mycluster/group_vars')} is not read, .*-i`),
    ]);
  });

  it('says of variables beside playbooks that they are not read', async () => {
    await put('inventory/hosts', 'group_vars/all.yml', 'host_vars/h', 'other/hosts');
    const expected = [expect.stringMatching(`^${build}: group_vars and host_vars there are not read`)];
    expect((await findInventory({ source: build })).warnings).toEqual(expected);
    const inventory = [join(build, 'other/hosts')];
    expect((await findInventory({ source: build, inventory })).warnings).toEqual(expected);
    expect((await findInventory({ inventory })).warnings).toEqual([]);
  });

  it('takes a file of any name', async () => {
    await put('prod.txt');
    const path = join(build, 'prod.txt');
    const expected = { directory: build, sources: [file(path)], warnings: [] };
    expect(await findInventory({ source: path })).toMatchObject(expected);
    expect(await findInventory({ inventory: [path] })).toMatchObject(expected);
  });

  it('takes what is given, in its order, and looks for nothing', async () => {
    await put('build/inventory', 'build/hosts', 'prod/02-groups', 'prod/01-hosts', 'prod/group_vars/all', 'other');
    const [first, second] = [join(build, 'other'), join(build, 'prod')];
    const files = [join(second, '01-hosts'), join(second, '02-groups')];
    const sources = [file(first), { path: second, files, variablesDirectory: second }];
    const found = await findInventory({ source: join(build, 'build'), inventory: [first, second] });
    expect(found).toMatchObject({ directory: join(build, 'build'), sources, warnings: [] });
    expect(await findInventory({ inventory: [first, second] })).toMatchObject({
      directory: build,
      sources,
      warnings: [],
    });
    expect(await findInventory({ inventory: [second] })).toMatchObject({ directory: second });
  });

  it.each([
    ['a file beside it that is no build directory', { source: 'a', inventory: ['b'] }, /\/a is no build directory/],
    ['a list of host names', { inventory: ['h1,h2'] }, /h1,h2, and a list of host names/],
    ['what is not there', { inventory: ['c'] }, /cannot read .*\/c: no such file/],
    ['nothing at all', {}, /no inventory is given/],
  ])('%s: INVENTORY_MISSING', async (_, choice, message) => {
    await put('a', 'b');
    const inBuild = (path: string): string => (path.includes(',') ? path : join(build, path));
    const given = {
      ...('source' in choice && { source: inBuild(choice.source) }),
      ...('inventory' in choice && { inventory: choice.inventory.map(inBuild) }),
    };
    await expect(findInventory(given)).rejects.toMatchObject({
      code: 'INVENTORY_MISSING',
      message: expect.stringMatching(message),
      hint: expect.any(String),
    });
  });

  it('refuses a link that leads nowhere, and one that leads back', async () => {
    await put('inventory/a');
    await symlink('/no/such/file', join(build, 'inventory/b'));
    await expect(findInventory({ source: build })).rejects.toMatchObject({
      code: 'INVENTORY_MISSING',
      message: expect.stringContaining('no such file'),
    });
    await rm(join(build, 'inventory/b'));
    await symlink('.', join(build, 'inventory/b'));
    await expect(findInventory({ source: build })).rejects.toMatchObject({ code: 'INVENTORY_MISSING' });
  });
});
