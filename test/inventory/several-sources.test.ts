import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { inventoryJson, inventoryList } from '../../packages/core/src/cluster/inventory/inventory-list.js';
import { loadInventory } from '../../packages/core/src/cluster/inventory/load-inventory.js';
import { listWithProgram } from './ansible.js';
import { outcomeOfAnsible, parseExactly } from './compare.js';

const files: Readonly<Record<string, string>> = {
  'a/hosts.ini': '[deep]\nh1 x=a own=a\n[top:children]\ndeep\n[deep:vars]\ny=a\n',
  'a/more.yml': 'other:\n  hosts:\n    h3: {x: more}\n    h1:\n',
  'a/group_vars/all.yml': 'w: a-all\n',
  'a/group_vars/deep.yml': 'v: a-deep\nu: a-deep\n',
  'a/group_vars/other.yml': 'v: a-other\n',
  'a/host_vars/h1.yml': 't: a-h1\ns: a-h1\n',
  'b/hosts': '[deep]\nh2\nh1 x=b\n[top:children]\ndeep\n[top:vars]\ny=b\nz=b\n',
  'b/group_vars/all.yml': 'w: b-all\nu: b-all\n',
  'b/group_vars/top.yml': 'v: b-top\n',
  'b/host_vars/h1.yml': 't: b-h1\n',
  'several/01-hosts': 'h1\n',
  'several/02-groups.yml': 'late:\n  hosts: {h1: }\n',
  'several/group_vars/late': 'v: late\n',
};

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lsbackup-several-'));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), text);
  }
});
afterAll(() => rm(directory, { recursive: true }));

describe('several inventories, against ansible-inventory --list', () => {
  it.each([
    [['a/hosts.ini', 'b/hosts']],
    [['b/hosts', 'a/hosts.ini']],
    [['a/hosts.ini', 'b/hosts', 'a/more.yml']],
    [['several', 'a/more.yml']],
    [['b/hosts', 'several', 'a/hosts.ini']],
    [['a/hosts.ini', 'a/hosts.ini']],
  ])(
    '%j',
    async (names) => {
      const inventory = names.map((name) => join(directory, name));
      const [first = '', ...others] = inventory;
      const answer = await listWithProgram(first, ...others.flatMap((path) => ['-i', path]));
      const list = parseExactly(inventoryJson(inventoryList(await loadInventory({ inventory }))));
      expect({ list }).toEqual(outcomeOfAnsible(answer));
    },
    60_000,
  );
});
