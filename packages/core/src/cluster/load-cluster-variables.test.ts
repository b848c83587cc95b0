import { createHash } from 'node:crypto';
import { chmod, cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Secret } from '../model/secret.js';
import { inventoryJson, inventoryList } from './inventory/inventory-list.js';
import { loadInventory } from './inventory/load-inventory.js';
import { loadCluster } from './load-cluster.js';

const user = { name: 'me', homeDirectory: '/home/me' };
/** `10.1.2.3` and `sésame{{ x }}`, made by `ansible-vault encrypt_string` with the passwords below. */
const vaultedAddress = `!vault |
  $ANSIBLE_VAULT;1.2;AES256;prod
  32333763383334663630303039303932613333393764656431663537353162626531326335393937
  3930306465333031303766653065313233633630616531620a643733373861336464383236646363
  36666261643362643463356239666530393261303434386263613136313862376233623237346430
  6363636566393939640a643264616565636461613230393163386638306564313862643164646434
  6234
`;
const vaultedText = `!vault |
  $ANSIBLE_VAULT;1.1;AES256
  37383863373636623636313165313765646134656436376533643564663364613466356164653739
  6130656666633432626261626339666330353334336238330a376465623538386231353631663134
  36303635366263383861316262373635613165393761363733366361323463646162313832653363
  6432376333303533650a343462336439383332633233633263396630323530363330623466623861
  3331
`;
const vaultSecrets = [
  { id: undefined, password: new Secret('correct horse') },
  { id: 'prod', password: new Secret('battery') },
];

let build: string;

beforeEach(async () => {
  build = await mkdtemp(join(tmpdir(), 'lsbackup-variables-'));
});

afterEach(async () => {
  await rm(build, { recursive: true, force: true });
});

async function put(name: string, content: string): Promise<void> {
  const file = join(build, name);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
}

async function firstHost(secrets?: typeof vaultSecrets) {
  const [host] = (await loadCluster({ source: build, user, ...(secrets && { vaultSecrets: secrets }) })).hosts;
  if (host === undefined) throw new Error('no host');
  return host;
}

/** Why the cluster, or its first host, is refused. */
const failure = (secrets?: typeof vaultSecrets): Promise<unknown> =>
  firstHost(secrets).then(
    ({ refusal }) => refusal,
    (error: unknown) => error,
  );

describe('variables beside the inventory', () => {
  it('reach the host, and are part of what the hash is of', async () => {
    await put('inventory', '[web]\nlb1 x=1\n');
    await put('group_vars/web.yml', 'ansible_host: 10.0.0.1\nansible_port: 2222\n');
    await put('host_vars/lb1/main.yml', 'x: 2\n');
    expect(await firstHost()).toMatchObject({
      variables: { ansible_host: '10.0.0.1', ansible_port: 2222, x: 2 },
      connection: { address: '10.0.0.1', port: 2222 },
    });
    const { inventorySha256 } = await loadCluster({ source: build, user });
    const text = '[web]\nlb1 x=1\nansible_host: 10.0.0.1\nansible_port: 2222\nx: 2\n';
    expect(inventorySha256).toBe(createHash('sha256').update(text).digest('hex'));
  });

  it('know the file and line that set them', async () => {
    await put('inventory', '[web]\nlb1 a=1\n');
    await put('group_vars/all/x.yml', '---\n# note\nb: 1\nc:\n  d: 1\n');
    const { hosts } = await loadInventory({ source: build });
    const file = join(build, 'group_vars/all/x.yml');
    expect(Object.fromEntries(hosts.get('lb1')?.variables ?? [])).toMatchObject({
      a: { value: 1, file: join(build, 'inventory'), line: 2 },
      b: { value: 1, file, line: 3 },
      c: { value: { d: 1 }, file, line: 4 },
    });
  });

  it('are those of the inventory, not of the working directory', async () => {
    await put('elsewhere/inventory', 'lb1\n');
    await put('group_vars/all.yml', 'x: 1\n');
    const before = process.cwd();
    process.chdir(build);
    try {
      const cluster = await loadCluster({ source: 'elsewhere', user });
      expect(cluster.hosts[0]?.variables).toEqual({});
    } finally {
      process.chdir(before);
    }
  });

  it('name file and line of a value that makes no sense', async () => {
    await put('inventory', 'lb1\n');
    await put('group_vars/all.yml', '---\nansible_port: ssh\n');
    expect(await failure()).toMatchObject({
      code: 'INVENTORY_SYNTAX',
      message: `${join(build, 'group_vars/all.yml')}:2: host lb1: ansible_port is no whole number`,
    });
  });

  it.each<[string, () => Promise<void>, RegExp]>([
    ['a device', () => symlink('/dev/zero', join(build, 'group_vars/all')), /group_vars\/all is neither a file nor/],
    [
      'directories without end',
      () => mkdir(join(build, 'group_vars/all')).then(() => symlink('.', join(build, 'group_vars/all/more'))),
      /directories deep/,
    ],
    ['a file that is too large', () => put('group_vars/all', '#'.repeat(16 * 1024 * 1024 + 1)), /larger than 16 MiB/],
  ])('%s is refused', async (_, make, message) => {
    await put('inventory', 'lb1\n');
    await mkdir(join(build, 'group_vars'));
    await make();
    expect(await failure()).toMatchObject({ code: 'INVENTORY_UNSUPPORTED', message: expect.stringMatching(message) });
  });

  it('that may not be read are not taken for none', async () => {
    await put('inventory', 'lb1\n');
    await put('group_vars/all.yml', 'x: 1\n');
    const isRoot = process.geteuid?.() === 0;
    await chmod(build, 0o755);
    for (const name of ['group_vars/all.yml', 'group_vars']) {
      await chmod(join(build, name), isRoot ? 0o700 : 0);
      if (isRoot) process.seteuid?.(65_534);
      try {
        expect(await failure()).toMatchObject({
          code: 'INVENTORY_UNSUPPORTED',
          message: expect.stringMatching(/group_vars.* permission denied \(EACCES\)/),
        });
      } finally {
        if (isRoot) process.seteuid?.(0);
        await chmod(join(build, name), 0o755);
      }
    }
  });
});

describe('encrypted variables', () => {
  it('need no password while nobody needs them', async () => {
    await put('inventory', '[web]\nlb1\n');
    await put('group_vars/web.yml', `application: ${vaultedText}nested: [{x: ${JSON.stringify('y')}}]\n`);
    await put('group_vars/unused.yml', '$ANSIBLE_VAULT;1.1;AES256\n61\n');
    await put('vault/kubernetes-secrets.yml', '$ANSIBLE_VAULT;1.1;AES256\n61\n');
    expect((await firstHost()).variables).toEqual({ nested: [{ x: 'y' }] });
  });

  it('are decrypted where the connection or a component needs them, and nowhere else', async () => {
    await put('inventory', '[web]\nlb1\n');
    await put(
      'group_vars/web.yml',
      `address: ${vaultedAddress}ansible_host: "{{ address }}"\nlsbackup_x_password: "{{ text }}"\nlsbackup_y: ["{{ address }}", {z: "{{ text }}"}]\n` +
        `text: ${vaultedText}other: "{{ text }}"\nlist: [1, "a"]\n`,
    );
    const host = await firstHost(vaultSecrets);
    expect(host.connection.address).toBe('10.1.2.3');
    expect(host.variables).toEqual({
      ansible_host: '{{ address }}',
      lsbackup_x_password: 'sésame{{ x }}',
      lsbackup_y: ['10.1.2.3', { z: 'sésame{{ x }}' }],
      other: '{{ text }}',
      list: [1, 'a'],
    });
  });

  it('name file, line and variable when the password is missing', async () => {
    await put('inventory', '[web]\nlb1\n');
    await put('group_vars/web.yml', `x: 1\naddress: ${vaultedAddress}ansible_host: "{{ address }}"\n`);
    const start = `${join(build, 'group_vars/web.yml')}:2: address: encrypted by ansible-vault with vault id "prod"`;
    expect(await failure()).toMatchObject({ code: 'VAULT_PASSWORD', message: expect.stringContaining(start) });
    expect(await failure(vaultSecrets.slice(0, 1))).toMatchObject({
      code: 'VAULT_PASSWORD',
      message: expect.stringContaining('wrong vault password'),
    });
  });

  it('in a file that is encrypted as a whole are listed as secrets', async () => {
    const sample = join(import.meta.dirname, '../../../../test/inventory/corpus/valid/vault-files');
    await cp(sample, build, { recursive: true });
    const text = inventoryJson(inventoryList(await loadInventory({ source: build, vaultSecrets })));
    expect(text).toContain('"vault_y": "[secret]"');
    expect(text).toContain('"y": "{{ vault_y }}"');
    expect((await firstHost(vaultSecrets)).variables).toEqual({ y: '{{ vault_y }}' });
  });
});

describe('references', () => {
  it('in connection variables are resolved from all the variables of the host', async () => {
    await put('inventory', '[web]\nlb1.example.com\n[db]\ndb1 net=10.9\n');
    await put(
      'group_vars/all.yml',
      'net: "10.0"\nip: "{{ net }}.0.7"\nansible_host: "{{ ip }}"\nansible_user: "{{ inventory_hostname_short }}-admin"\nport: 2200\nansible_port: "{{ port }}"\nroot: false\nansible_become: "{{ root }}"\n',
    );
    const { hosts } = await loadCluster({ source: build, user });
    expect(hosts.map(({ connection }) => connection)).toMatchObject([
      { address: '10.0.0.7', user: 'lb1-admin', port: 2200, become: undefined },
      { address: '10.9.0.7', user: 'db1-admin', port: 2200, become: undefined },
    ]);
  });

  it('know the directory and the file of the inventory that names the host', async () => {
    await put('inventory/1', 'lb1\n');
    await put(
      'inventory/2',
      'lb1 ansible_user="{{ inventory_file }}" ansible_private_key_file="{{ inventory_dir }}/key"\n',
    );
    expect((await firstHost()).connection).toMatchObject({
      user: join(build, 'inventory/1'),
      identityFiles: [join(build, 'inventory/key')],
    });
  });

  it('to nothing leave the setting to a weaker variable', async () => {
    await put('inventory', 'lb1 ansible_ssh_host="{{ empty }}" ansible_host=10.0.0.1\n');
    await put('group_vars/all.yml', 'empty: null\n');
    expect((await firstHost()).connection.address).toBe('10.0.0.1');
  });

  it.each([
    ['"{{ ip | default(1) }}"', 'ansible_host is a template that uses a filter'],
    ['"{{ hostvars[inventory_hostname].ip }}"', 'ansible_host is a template that reads the variables of another host'],
    ['"{{ missing }}"', 'ansible_host is a template that refers to "missing", which the inventory does not set'],
    ['"{{ ansible_host }}"', 'refers to itself'],
    [
      '"{{ circle }}"',
      'BUILD/group_vars/all.yml:2), which is a template that refers to itself: circle > round > circle',
    ],
    [
      '"{{ filtered }}"',
      'ansible_host refers to "filtered" (BUILD/group_vars/all.yml:4), which is a template that uses a filter',
    ],
    ['!unsafe "{{ ip }}"', undefined],
  ])('ansible_host: %s', async (value, message) => {
    await put('inventory', 'lb1\n');
    await put(
      'group_vars/all.yml',
      `circle: "{{ round }}"\nround: "{{ circle }}"\nip: 10.0.0.1\nfiltered: "{{ ip | upper }}"\nansible_host: ${value}\n`,
    );
    // Not resolved, and no name that ssh would take.
    if (message === undefined) expect(await failure()).toMatchObject({ code: 'INVENTORY_SYNTAX' });
    else {
      expect(await failure()).toMatchObject({
        code: 'INVENTORY_UNSUPPORTED',
        host: 'lb1',
        message: expect.stringContaining(message.replace('BUILD', build)),
      });
    }
  });

  it('in options that are more than references are refused', async () => {
    await put('inventory', 'lb1 lsbackup_x="{{ a | b }}"\n');
    expect(await failure()).toMatchObject({
      code: 'INVENTORY_UNSUPPORTED',
      message: `${join(build, 'inventory')}:1: host lb1: lsbackup_x is a template that uses a filter`,
    });
    await put('inventory', 'lb1 lsbackup_x="{{ list }}" list="[[\'{{ lsbackup_x }}\']]"\n');
    expect(await failure()).toMatchObject({ message: expect.stringContaining('lsbackup_x is nested too deep') });
  });
});
