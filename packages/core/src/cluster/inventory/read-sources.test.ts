import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { loadInventory } from './load-inventory.js';

let build: string;

beforeEach(async () => {
  build = await mkdtemp(join(tmpdir(), 'lsbackup-sources-'));
});

afterEach(async () => {
  await rm(build, { recursive: true, force: true });
});

async function put(name: string, content: string | Uint8Array, mode = 0o644): Promise<string> {
  const file = join(build, name);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  await chmod(file, mode);
  return file;
}

describe('several sources', () => {
  it('are one inventory, in which variables know their file and the hash is over all that was read', async () => {
    const ini = await put('inventory/1', '[g]\nh a=1 b=1\n');
    const script = await put(
      'inventory/2.sh',
      '#!/bin/sh\necho \'{"_meta": {"hostvars": {"h": {"b": 2}}}, "g": ["h"]}\'\n',
      0o755,
    );
    const yaml = await put('inventory/3.yml', 'g:\n  vars: {c: 3}\n');
    const inventory = await loadInventory({ source: build });
    expect(inventory).toMatchObject({ file: join(build, 'inventory'), directory: build });
    expect(Object.fromEntries(inventory.hosts.get('h')?.variables ?? [])).toEqual({
      a: { value: 1, file: ini, line: 2 },
      b: { value: 2, file: `${script} --list`, line: 1 },
      c: { value: 3, file: yaml, line: 2 },
    });
    const read = '[g]\nh a=1 b=1\n{"_meta": {"hostvars": {"h": {"b": 2}}}, "g": ["h"]}\ng:\n  vars: {c: 3}\n';
    expect(inventory.sha256).toBe(createHash('sha256').update(read).digest('hex'));
  });

  it('a cycle over two files is at fault where it is closed', async () => {
    await put('inventory/1', '[a:children]\nb\n[b]\n');
    const second = await put('inventory/2', '[b:children]\na\n');
    await expect(loadInventory({ source: build })).rejects.toMatchObject({
      code: 'INVENTORY_SYNTAX',
      message: expect.stringMatching(new RegExp(`^${second}:2: groups are children of each other`)),
    });
  });

  it('one that is broken is refused, with its name', async () => {
    await put('inventory/1', 'h\n');
    const second = await put('inventory/2.yml', 'g:\n\thosts:\n');
    await expect(loadInventory({ source: build })).rejects.toMatchObject({
      code: 'INVENTORY_SYNTAX',
      message: expect.stringContaining(`${second}:2: a tab`),
    });
  });
});

describe('which grammar a file has', () => {
  it.each([
    ['YAML without an extension', 'inventory', 'all: {hosts: {h: }}\n'],
    ['JSON without an extension', 'inventory', '{"all": {"hosts": {"h": {}}}}\n'],
    ['INI without an extension', 'inventory', '[g]\nh\n'],
    ['INI that is called YAML', 'inventory.yml', '[g]\nh x=1\n'],
    ['INI that YAML takes for text', 'inventory', 'h\n'],
  ])('%s', async (_, name, content) => {
    await put(name, content);
    expect([...(await loadInventory({ source: build })).hosts.keys()]).toEqual(['h']);
  });

  it('INI that is executable by accident is not run', async () => {
    await put('inventory', `touch x=${build}/ran\n`, 0o755);
    expect([...(await loadInventory({ source: build })).hosts.keys()]).toEqual(['touch']);
  });

  it('a script that is not executable is not run', async () => {
    await put('inventory', '#!/bin/sh\nh\n');
    expect([...(await loadInventory({ source: build })).hosts.keys()]).toEqual(['h']);
  });

  it.each([
    ['a YAML file by its name', 'inventory.yml', '- hosts: all\n', '1: .*is a mapping of groups, and this is none'],
    ['a YAML file by its name', 'inventory.yml', 'g:\n  hosts: {\n', '3: .*the file ends'],
    ['a YAML file by its first line', 'inventory', '---\ng:\n  hosts: [\n', '4: .*the file ends'],
    ['an INI file', 'inventory', '[g]\nh x\n', '2: .*word 2 is not name=value'],
  ])('the fault is that of %s', async (_, name, content, message) => {
    const file = await put(name, content);
    await expect(loadInventory({ source: build })).rejects.toMatchObject({
      code: 'INVENTORY_SYNTAX',
      message: expect.stringMatching(new RegExp(`^${file}:${message}`)),
    });
  });

  it.each([
    ['a TOML inventory', 'hosts.toml', '[web.hosts]\n', 'is a TOML inventory (inventory plugin "toml")'],
    ['a configuration of a plugin', 'x.yml', 'plugin: ansible.builtin.constructed\n', 'configures an inventory plugin'],
  ])('%s is refused', async (_, name, content, message) => {
    const file = await put(name, content);
    await expect(loadInventory({ source: file })).rejects.toMatchObject({
      code: 'INVENTORY_UNSUPPORTED',
      exitStatus: 2,
      message: expect.stringContaining(message),
    });
  });

  it.each<[string, string, Buffer, string]>([
    ['INI after a byte order mark', 'hosts.ini', Buffer.from('\ufeff[g]\nh\n'), 'begins with a byte order mark'],
    ['a host after one', 'hosts', Buffer.from('\ufeffh\n'), 'begins with a byte order mark'],
    ['INI in UTF-16', 'hosts', Buffer.from('\ufeff[g]\nh\n', 'utf16le'), 'is UTF-16 text'],
    ['YAML in UTF-16', 'hosts.yml', Buffer.from('\ufeffall:\n', 'utf16le').swap16(), 'is UTF-16 text'],
    ['variables in UTF-16', 'group_vars/all', Buffer.from('\ufeffa: b\n', 'utf16le'), 'is UTF-16 text'],
  ])('%s: one sentence, with what to do', async (_, name, content, message) => {
    const file = await put(name, content);
    if (name.includes('/')) await put('hosts', 'h\n');
    await expect(loadInventory({ source: build })).rejects.toMatchObject({
      code: 'INVENTORY_SYNTAX',
      message: expect.stringMatching(new RegExp(`^${file}:1: the file ${message}`)),
      hint: 'Save the file as UTF-8 without a byte order mark.',
    });
  });

  it('YAML may begin with a byte order mark', async () => {
    await put('hosts.yml', '\ufeffall:\n  hosts:\n    h:\n');
    expect([...(await loadInventory({ source: build })).hosts.keys()]).toEqual(['h']);
  });

  it('what is no regular file is not read', async () => {
    await symlink('/dev/zero', join(build, 'inventory'));
    await expect(loadInventory({ source: build })).rejects.toMatchObject({ code: 'INVENTORY_UNSUPPORTED' });
  });
});
