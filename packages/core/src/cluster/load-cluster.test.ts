import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Secret } from '../model/secret.js';
import { loadCluster } from './load-cluster.js';

const user = { name: 'me', homeDirectory: '/home/me' };
const sample =
  '[haproxy]\nlb1 ansible_host=10.0.0.1 id=12345678901234567890\n[top:children]\nhaproxy\n[all:vars]\nlsbackup_x=1\n';

let build: string;

beforeEach(async () => {
  build = await mkdtemp(join(tmpdir(), 'lsbackup-build-'));
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

const load = (source = build) => loadCluster({ source, user });

describe('loadCluster', () => {
  it('finds the inventory of a build directory and names the cluster after it', async () => {
    const file = await put('inventory', sample);
    const cluster = await load();
    expect(cluster).toMatchObject({ name: basename(build), inventoryFile: file });
    expect(cluster.inventorySha256).toBe(createHash('sha256').update(sample).digest('hex'));
    expect(cluster.hosts).toEqual([
      {
        name: 'lb1',
        groups: ['haproxy', 'top'],
        variables: { ansible_host: '10.0.0.1', id: '12345678901234567890', lsbackup_x: 1 },
        connection: expect.objectContaining({ address: '10.0.0.1' }),
      },
    ]);
    expect(Object.fromEntries(cluster.groups)).toEqual({ all: ['lb1'], ungrouped: [], haproxy: ['lb1'], top: ['lb1'] });
  });

  it('takes a file of any name, and a name for the cluster', async () => {
    const file = await put('my-hosts.ini', 'b\n[g]\na\nb2\n[h]\na\n');
    const cluster = await loadCluster({ source: file, user, name: 'prod' });
    expect(cluster.name).toBe('prod');
    expect(cluster.hosts.map((host) => [host.name, host.groups])).toEqual([
      ['b', []],
      ['a', ['g', 'h']],
      ['b2', ['g']],
    ]);
    expect(Object.fromEntries(cluster.groups)).toEqual({
      all: ['b', 'a', 'b2'],
      ungrouped: ['b'],
      g: ['a', 'b2'],
      h: ['a'],
    });
    expect((await load(file)).name).toBe(basename(build));
  });

  it('has the warnings of the inventory', async () => {
    await put('inventory', '[web]\nweb\n');
    expect((await load()).warnings).toEqual([expect.stringContaining('"web" is both a host and a group')]);
  });

  it('knows which groups name hosts, and what is above them', async () => {
    await put(
      'inventory',
      'alone\n[eu]\na\n[proxies:children]\neu\nus\n[us]\nb\n[top:children]\nproxies\n[other]\na\n',
    );
    expect([...(await load()).namingGroups].map(([group, above]) => [group, [...above].sort()])).toEqual([
      ['ungrouped', []],
      ['eu', ['proxies', 'top']],
      ['us', ['proxies', 'top']],
      ['other', []],
    ]);
  });

  it('is not misled by names that mean something to JavaScript', async () => {
    await put('inventory', '[__proto__]\nconstructor __proto__=1 toString=2\n');
    const [host] = (await load()).hosts;
    expect(host?.groups).toEqual(['__proto__']);
    expect(Object.entries(host?.variables ?? {})).toEqual([
      ['__proto__', 1],
      ['toString', 2],
    ]);
  });

  it.each([
    ['a directory that is not there', 'nope', /cannot read .*nope: no such file or directory \(ENOENT\)/],
    ['a directory without an inventory', '.', /nothing in it is called "inventory" or "hosts"/],
  ])('%s: INVENTORY_MISSING', async (_, name, message) => {
    await expect(load(join(build, name))).rejects.toMatchObject({
      code: 'INVENTORY_MISSING',
      exitStatus: 2,
      message: expect.stringMatching(message),
    });
  });

  it('a directory that may not be looked into is not taken for one without an inventory', async () => {
    await put('inventory', sample);
    const isRoot = process.geteuid?.() === 0;
    await chmod(build, isRoot ? 0o700 : 0);
    if (isRoot) process.seteuid?.(65_534);
    try {
      await expect(load()).rejects.toMatchObject({
        code: 'INVENTORY_MISSING',
        message: `cannot read ${build}: permission denied (EACCES)`,
        hint: expect.stringContaining('permission'),
      });
    } finally {
      if (isRoot) process.seteuid?.(0);
      await chmod(build, 0o700);
    }
  });

  it('refuses a TOML inventory, whatever its content', async () => {
    const file = await put('hosts.toml', '[web]\n');
    await expect(load(file)).rejects.toMatchObject({
      code: 'INVENTORY_UNSUPPORTED',
      exitStatus: 2,
      message: expect.stringContaining(`${file} is a TOML inventory`),
    });
  });

  it('asks for the password of an inventory that is encrypted as a whole', async () => {
    const file = await put('inventory', '$ANSIBLE_VAULT;1.1;AES256\n6162\n');
    await expect(load(file)).rejects.toMatchObject({ message: expect.stringContaining(`${file}:1: `) });
  });

  it('refuses what is no regular file', async () => {
    await symlink('/dev/zero', join(build, 'inventory'));
    await expect(load()).rejects.toMatchObject({ code: 'INVENTORY_UNSUPPORTED' });
  });

  it('passes over what Ansible would not read either', async () => {
    await put('inventory', sample);
    await put('group_vars/other.yml', 'x: 1\n');
    await put('group_vars/haproxy.txt', 'x');
    await put('host_vars', 'a file');
    await put('ansible/group_vars/all.yml', 'x: 1\n');
    expect((await load()).hosts).toHaveLength(1);
  });

  it('says where the text is not UTF-8, except in comments', async () => {
    await put(
      'inventory',
      Buffer.concat([Buffer.from('# caf'), Buffer.of(0xe9), Buffer.from('\n[web]\nh x='), Buffer.of(0xe9)]),
    );
    await expect(load()).rejects.toMatchObject({
      code: 'INVENTORY_SYNTAX',
      message: expect.stringMatching(/inventory:3: .*UTF-8/),
    });
  });

  it('refuses an inventory without hosts', async () => {
    await put('inventory', '[web]\n');
    await expect(load()).rejects.toMatchObject({
      code: 'INVENTORY_SYNTAX',
      message: expect.stringContaining('no host'),
    });
  });

  it('has each host with its own refusal', async () => {
    await put(
      'inventory',
      "a\nb ansible_connection=winrm\nc ansible_ssh_common_args='-Z'\nd ansible_connection=local\n",
    );
    const { hosts } = await load();
    expect(hosts.map(({ name, refusal }) => [name, refusal?.code, refusal?.host])).toEqual([
      ['a', undefined, undefined],
      ['b', 'INVENTORY_UNSUPPORTED', 'b'],
      ['c', 'INVENTORY_SYNTAX', 'c'],
      ['d', undefined, undefined],
    ]);
  });

  it("reads the user's configuration of ssh unless told otherwise", async () => {
    await put('inventory', 'web1\n');
    const own = await put('.ssh/config', 'Host web1\nHostName 10.0.0.1\n', 0o600);
    const here = { name: 'me', homeDirectory: build };
    const system = join(build, 'none');
    const [host] = (await loadCluster({ source: build, user: here })).hosts;
    expect(host?.connection.address).toBe('10.0.0.1');
    const [plain] = (await loadCluster({ source: build, user: here, sshConfig: { user: system, system } })).hosts;
    expect(plain?.connection.address).toBe('web1');
    await writeFile(own, 'Host\n');
    const [refused] = (await loadCluster({ source: build, user: here })).hosts;
    expect(refused?.refusal).toMatchObject({
      code: 'CONFIG_INVALID',
      host: 'web1',
      message: `${own}:1: nothing follows Host`,
    });
  });

  it('uses the passwords that were asked for where the inventory has none', async () => {
    await put('inventory', 'a\nb ansible_password=own ansible_become_pass=own\n');
    const asked = { password: new Secret('asked'), becomePassword: new Secret('asked') };
    const { hosts } = await loadCluster({ source: build, user, ...asked });
    const shown = hosts.map(({ connection }) =>
      [connection.password, connection.become?.password].map((each) => each?.reveal()),
    );
    expect(shown).toEqual([
      ['asked', 'asked'],
      ['own', 'own'],
    ]);
  });
});
