import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { loadInventory } from './load-inventory.js';

let build: string;
let directory: string;

beforeEach(async () => {
  build = await mkdtemp(join(tmpdir(), 'lsbackup-load-'));
  directory = join(build, 'inventory');
  await mkdir(directory);
});

afterEach(async () => {
  await rm(build, { recursive: true, force: true });
});

async function put(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
}

describe('loadInventory of a directory that nobody named', () => {
  it.each<[string, string, string]>([
    ['addresses', 'web1 ansible_host=192.0.2.1\n', 'web1 ansible_host=192.0.2.2\n'],
    ['addresses in two grammars', 'web1 ansible_host=192.0.2.1\n', 'all: {hosts: {web1: {ansible_host: 192.0.2.2}}}\n'],
    ['ports', 'web1 ansible_port=22\n', 'web1 ansible_port=2222\n'],
    ['ports in the name', 'web1:22\n', 'web1:2222\n'],
  ])('refuses different %s of a host in two files', async (_, production, staging) => {
    await put({ production, staging });
    await expect(loadInventory({ source: build })).rejects.toMatchObject({
      code: 'INVENTORY_MISSING',
      message: `${directory} may hold several inventories, and lsbackup does not read them as one: web1 is in another place in ${directory}/staging:1 than in ${directory}/production:1`,
      hint: `Choose with -i: one of them, several with -i each, or -i ${directory} for all of them as one.`,
    });
    expect((await loadInventory({ inventory: [directory] })).hosts.size).toBe(1);
  });

  it('reads hosts in one file and groups in another', async () => {
    await put({
      '01-hosts': 'web1 ansible_host=192.0.2.1 ansible_port=22\nweb1 ansible_host=192.0.2.3\n',
      '02-groups.yml': 'web: {hosts: {web1: {ansible_port: "22"}, web2: {}}}\n',
    });
    const { hosts } = await loadInventory({ source: build });
    expect(hosts.get('web1')?.variables.get('ansible_host')?.value).toBe('192.0.2.3');
    expect([...hosts.keys()]).toEqual(['web1', 'web2']);
  });
});
