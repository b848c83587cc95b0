import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { vaultPasswordsOf } from './inventory/inventory-source.js';
import type { InventoryChoice } from './inventory/inventory-source.js';
import { loadCluster } from './load-cluster.js';

const user = { name: 'me', homeDirectory: '/home/me' };
const sshConfig = { user: '/nowhere/config', system: '/nowhere/ssh_config' };

let build: string;

beforeEach(async () => {
  build = await mkdtemp(join(tmpdir(), 'lsbackup-build-'));
});

afterEach(async () => {
  await rm(build, { recursive: true, force: true });
});

async function put(name: string, ...lines: readonly string[]): Promise<void> {
  const file = join(build, name);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${lines.join('\n')}\n`);
}

async function reached(): Promise<Awaited<ReturnType<typeof loadCluster>>['hosts'][number]> {
  const [host] = (await loadCluster({ source: build, user, sshConfig })).hosts;
  if (host === undefined) throw new Error('there is no host');
  return host;
}

describe('a cluster whose build directory has an ansible.cfg', () => {
  it('is reached as that says, where no variable says anything else', async () => {
    await put(
      'inventory',
      'h1',
      'h2 ansible_user=alice ansible_port=23 ansible_host_key_checking=yes ansible_ssh_args=',
    );
    await put('ansible.cfg', '[defaults]', 'remote_user=bob', 'remote_port=2222', 'private_key_file=keys/id', 'host_key_checking=False', 'timeout=7', '[ssh_connection]', 'ssh_args=-C -o ServerAliveInterval=9', '[privilege_escalation]', 'become=False', 'become_method=su'); // prettier-ignore
    const { hosts, warnings } = await loadCluster({ source: build, user, sshConfig });
    expect(warnings).toEqual([]);
    expect(hosts.map(({ connection }) => connection)).toMatchObject([
      {
        user: 'bob',
        port: 2222,
        identityFiles: [join(build, 'keys/id')],
        connectSeconds: 7,
        keepAliveSeconds: 9,
        hostKeys: { strict: 'no' },
        become: { method: 'su' },
      },
      { user: 'alice', port: 23, connectSeconds: 7, keepAliveSeconds: undefined, hostKeys: { strict: 'yes' } },
    ]);
  });

  it.each([
    ['transport = local', [], { connection: { transport: 'local' } }],
    ['transport = winrm', [], { refusal: { code: 'INVENTORY_UNSUPPORTED', message: /ansible.cfg:2: host h1: .*winrm/ } }],
    ['transport = paramiko', ['[ssh_connection]', 'ssh_args = -F /no/such', 'host_key_checking = no'], { connection: { hostKeys: { strict: 'yes' } } }],
    ['transport = smart', ['[ssh_connection]', 'ssh_executable = /opt/wrapper'], { refusal: { message: /ansible.cfg:4: host h1: .*ansible_ssh_executable/ } }],
    ['remote_user = bob', ['[ssh_connection]', 'ssh_common_args = other-host'], { refusal: { message: /ansible.cfg:4: host h1: / } }],
  ] as const)('%s %j', async (line, more, expected) => {
    await put('inventory', 'h1');
    await put('ansible.cfg', '[defaults]', line, ...more);
    const host = await reached();
    if ('refusal' in expected) expect(host.refusal?.message).toMatch(expected.refusal.message);
    else expect(host).toMatchObject(expected);
    expect(host.refusal === undefined).toBe(!('refusal' in expected));
  }); // prettier-ignore

  it('has the inventory that it says, with a warning about what it passes over', async () => {
    await put('inventory', 'wrong');
    await put('inventories/prod/hosts', 'right');
    await put('inventories/more', 'h2');
    await put('ansible.cfg', '[defaults]', 'inventory = inventories/prod, inventories/more');
    const cluster = await loadCluster({ source: build, user, sshConfig });
    expect(cluster.hosts.map(({ name }) => name)).toEqual(['right', 'h2']);
    expect(cluster.inventoryFile).toBe(`${join(build, 'inventories/prod')}, ${join(build, 'inventories/more')}`);
    expect(cluster.warnings).toEqual([
      `${build}: only inventories/prod, inventories/more is read, and not inventory, which may be part of the inventory too; choose with -i`,
    ]);
    const given = await loadCluster({ source: build, inventory: [join(build, 'inventory')], user, sshConfig });
    expect(given).toMatchObject({ hosts: [{ name: 'wrong' }], warnings: [] });
  });

  it('is refused where another inventory may be meant, but not where one is given', async () => {
    await put('inventory', 'wrong');
    await put('ansible.cfg', '[defaults]', 'inventory = {{CWD}}/hosts');
    await expect(loadCluster({ source: build, user, sshConfig })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    const given = await loadCluster({ source: build, inventory: [join(build, 'inventory')], user, sshConfig });
    expect(given.hosts).toMatchObject([{ name: 'wrong' }]);
    const ansibleDefaults = [join(build, 'user.cfg')];
    await put('user.cfg', '[defaults]', 'inventory = ~/hosts');
    await rm(join(build, 'ansible.cfg'));
    expect((await loadCluster({ source: build, user, sshConfig, ansibleDefaults })).hosts).toHaveLength(1);
  });

  it('has the inventory of the environment where none is given, with a warning about its own', async () => {
    await put('inventory', 'own');
    await put('ansible.cfg', '[defaults]', 'inventory = {{CWD}}/x');
    await put('prod', 'right');
    const options = { source: build, ansibleInventory: [join(build, 'prod')], user, sshConfig };
    expect(await loadCluster(options)).toMatchObject({
      hosts: [{ name: 'right' }],
      warnings: [
        `${build}: only prod is read, as ANSIBLE_INVENTORY says, and not inventory, which may be part of the inventory too; choose with -i`,
      ],
    });
    const given = await loadCluster({ ...options, inventory: [join(build, 'inventory')] });
    expect(given).toMatchObject({ hosts: [{ name: 'own' }], warnings: [] });
  });

  it('has no warning where all of the build directory is read', async () => {
    await put('hosts', 'h1');
    await put('inventories/more', 'h2');
    expect(await loadCluster({ source: build, ansibleInventory: [build], user, sshConfig })).toMatchObject({
      hosts: [{ name: 'h1' }, { name: 'h2' }],
      warnings: [],
    });
    for (const value of ['', '.']) {
      await put('ansible.cfg', '[defaults]', `inventory = ${value}`);
      expect(await loadCluster({ source: build, user, sshConfig })).toMatchObject({ warnings: [] });
    }
  });

  it('refuses an empty path of the environment only where that counts', async () => {
    await put('inventory', 'h1');
    const options = { source: build, ansibleInventory: [''], user, sshConfig };
    await expect(loadCluster(options)).rejects.toMatchObject({
      code: 'INVENTORY_MISSING',
      message: 'ANSIBLE_INVENTORY has an empty path, which is the working directory for Ansible',
    });
    const inventory = join(build, 'inventory');
    for (const choice of [{ source: inventory }, { inventory: [inventory] }])
      expect((await loadCluster({ ...options, ...choice })).hosts).toHaveLength(1);
  });

  it('has a warning where the inventory that is named elsewhere is of another directory', async () => {
    await put('inventory', 'own');
    await put('other/hosts', 'theirs');
    await put('own/hosts', 'right');
    const [source, other] = [join(build, 'own'), join(build, 'other/hosts')];
    const warnings = async (choice: InventoryChoice) =>
      (await loadCluster({ source, user, sshConfig, ...choice })).warnings;
    const end = `not of ${source}; unset it or choose with -i`;
    expect(await warnings({ ansibleInventory: [other] })).toEqual([
      `the hosts are those of ${other}, as ANSIBLE_INVENTORY says, ${end}`,
    ]);
    expect(await warnings({ ansibleInventory: [join(source, 'hosts'), other] })).toEqual([
      `the hosts are those of ${source}/hosts, ${other}, as ANSIBLE_INVENTORY says, ${end.replace('of', 'only of')}`,
    ]);
    expect(await warnings({ ansibleInventory: [source] })).toEqual([]);
    await put('ansible.cfg', '[defaults]', 'inventory = other/hosts');
    const ansibleConfig = join(build, 'ansible.cfg');
    expect(await warnings({ ansibleConfig })).toEqual([
      `the hosts are those of ${other}, as ${ansibleConfig}:2 (ANSIBLE_CONFIG) says, ${end}`,
    ]);
    expect(await warnings({ source: build, ansibleConfig })).toEqual([
      expect.stringContaining('only other/hosts is read'),
    ]);
  });

  it('has a warning that names variables of the environment that Ansible follows', async () => {
    await put('inventory', 'h1');
    const ansibleVariables = {
      ANSIBLE_REMOTE_USER: 'bob',
      ANSIBLE_SSH_ARGS: '',
      ANSIBLE_HASH_BEHAVIOUR: 'merge',
      ANSIBLE_SUDO_PASS: 'S3cret',
      ANSIBLE_BECOME_USER: 'root',
      ANSIBLE_VARS_PLUGINS: '',
      ANSIBLE_VAULT_PASSWORD_FILE: 'x',
      ANSIBLE_FORKS: '5',
      ANSIBLE_TRANSPORT: undefined,
      PATH: '/bin',
    };
    const { warnings } = await loadCluster({ source: build, ansibleVariables, user, sshConfig });
    expect(warnings).toEqual([
      'environment variables that Ansible follows and lsbackup does not are set: ANSIBLE_HASH_BEHAVIOUR, ANSIBLE_REMOTE_USER, ' +
        'ANSIBLE_SSH_ARGS, ANSIBLE_SUDO_PASS; put what they say into ansible.cfg or the inventory',
    ]);
  });

  it('says where vault passwords are', async () => {
    await put('ansible.cfg', '[defaults]', 'vault_password_file = vp', 'vault_identity_list = dev@x');
    expect(await vaultPasswordsOf({ source: build })).toEqual({
      file: join(build, 'vp'),
      ids: [`dev@${join(build, 'x')}`],
    });
    expect(await vaultPasswordsOf({ source: build, ansibleConfig: '/no/such' })).toEqual(
      await vaultPasswordsOf({ source: build }),
    );
  });
});
