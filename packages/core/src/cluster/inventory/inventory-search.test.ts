import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { searchInventory } from './inventory-search.js';

let build: string;

beforeEach(async () => {
  build = await mkdtemp(join(tmpdir(), 'lsbackup-search-'));
});

afterEach(async () => {
  await rm(build, { recursive: true, force: true });
});

async function put(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const file = join(build, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
}

const yaml = 'all:\n  hosts:\n    h:\n';
const groups = '# by role\n[web]\nh\n';

describe('searchInventory', () => {
  it.each<[string, Record<string, string>, string, string[]]>([
    ['inventory and hosts', { inventory: '', hosts: '' }, 'inventory', ['hosts']],
    ['inventory and YAML', { 'inventory/a': '', 'inventory.yml': '' }, 'inventory', ['inventory.yml']],
    ['another name', { 'hosts.ini': '', 'extra.ini': groups }, 'hosts.ini', ['extra.ini']],
    ['no extension', { hosts: '', '02-groups': groups }, 'hosts', ['02-groups']],
    ['YAML of another name', { 'hosts.yml': yaml, 'prod.yml': yaml }, 'hosts.yml', ['prod.yml']],
    ['a group of YAML', { hosts: '', 'web.yaml': '---\nweb:\n  children:\n    eu:\n' }, 'hosts', ['web.yaml']],
    ['a plugin', { hosts: '', 'aws_ec2.yml': 'plugin: amazon.aws.aws_ec2\n' }, 'hosts', ['aws_ec2.yml']],
    ['JSON', { hosts: '', 'prod.json': '{"_meta": {}}' }, 'hosts', ['prod.json']],
    ['TOML', { hosts: '', 'hosts.toml': '', 'prod.toml': '[web.hosts.h]\n' }, 'hosts', ['hosts.toml', 'prod.toml']],
    ['programs', { hosts: '', 'openstack_inventory.py': '' }, 'hosts', ['openstack_inventory.py']],
    ['directories', { hosts: '', 'inventories/prod/hosts': '' }, 'hosts', ['inventories']],
    ['a directory of hosts', { inventory: '', 'hosts/web': groups, 'hosts/lb1/etc/hosts': '' }, 'inventory', ['hosts']],
    ['nothing but TOML', { 'hosts.toml': '' }, 'hosts.toml', []],
  ])('%s: takes one and names the others', async (_, files, name, passedOver) => {
    await put(files);
    expect(await searchInventory(build, undefined)).toEqual({ read: [join(build, name)], passedOver });
  });

  it('takes what is configured, and names what that does not cover', async () => {
    await put({ inventory: '', 'inventories/prod/hosts': '', 'inventories/staging/hosts': '', hosts: '' });
    const read = [join(build, 'inventories/prod')];
    expect(await searchInventory(build, read)).toEqual({ read, passedOver: ['hosts', 'inventory'] });
  });

  it('takes nothing else of a build directory for an inventory', async () => {
    await put({
      inventory: '[haproxy]\nlb1\n',
      'manifest.yml': 'kind: lambdastack-cluster\nspecification:\n  name: c\n  hosts:\n    - a\n',
      'backup.yml': 'kind: configuration/backup\nspecification:\n  components:\n    rabbitmq:\n',
      'lsbackup.yml': 'target: /x\nhosts:\n  db1: {}\n',
      'site.yml': '- name: x\n  hosts: all\n  tasks: []\n- hosts:\n    - a\n',
      'docker-compose.yml': 'services:\n  web:\n    image: x\n',
      'values.json': '{"all_hosts": 1}',
      'group_vars/all.yml': '',
      'host_vars/h': '',
      'inventory_plugins/x.py': '',
      'ansible/roles/x/tasks/main.yml': '',
      'terraform/main.tf': '',
      'hosts/lb1/etc/haproxy.cfg': '',
      'inventory.tpl': '',
      'hosts.j2': '',
      'inventory.bak': '',
      'README-inventory.md': '',
      'pyproject.toml': '[tool.x]\n',
      'ansible.cfg': '[defaults]\ninventory = x\n',
      kubeconfig: 'apiVersion: v1\n',
      known_hosts: '',
      Makefile: 'all:\n\ttrue\n',
      empty: '',
    });
    expect(await searchInventory(build, undefined)).toEqual({ read: [join(build, 'inventory')], passedOver: [] });
  });

  it.each<[string, Record<string, string>, RegExp, RegExp]>([
    [
      'several of the usual names',
      { hosts: '', 'hosts.yml': '', 'inventory.json': '' },
      /^there is more than one inventory in \S+: hosts, hosts.yml, inventory.json$/,
      /-i/,
    ],
    ['an empty directory', {}, /nothing in it is called "inventory" or "hosts"$/, /-i/],
    ['a playbook and variables', { 'site.yml': '- hosts: a\n', 'group_vars/all': '' }, /nothing in it is called/, /-i/],
    [
      'a directory of inventories of another name',
      { '01-hosts': 'h\n', '02-groups': groups, 'group_vars/all.yml': '' },
      /^nothing in \S+ is called "inventory" or "hosts", but this may be an inventory: 01-hosts, 02-groups$/,
      /-i \S+lsbackup-search-\w+ for all files in it/,
    ],
    ['inventories of several clusters', { 'inventories/a/hosts': '' }, /may be an inventory: inventories$/, /-i/],
  ])('%s: INVENTORY_MISSING', async (_, files, message, hint) => {
    await put(files);
    await expect(searchInventory(build, undefined)).rejects.toMatchObject({
      code: 'INVENTORY_MISSING',
      exitStatus: 2,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
  });
});
