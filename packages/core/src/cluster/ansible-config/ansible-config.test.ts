import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { readAnsibleConfig } from './ansible-config.js';

let build: string;
let file: string;

beforeEach(async () => {
  build = await mkdtemp(join(tmpdir(), 'lsbackup-config-'));
  file = join(build, 'ansible.cfg');
});

afterEach(async () => {
  await rm(build, { recursive: true, force: true });
});

const nothing = { inventory: undefined, vaultPasswordFile: undefined, vaultIds: [], warnings: [] };
const settings = (values: ReadonlyMap<string, { readonly value: string }>) =>
  Object.fromEntries([...values].map(([name, { value }]) => [name, value]));

describe('readAnsibleConfig', () => {
  it('gives what `ansible-config dump` shows of the same file', async () => {
    await writeFile(
      file,
      [
        '[defaults]',
        'Remote_User = "bob" ; comment',
        'timeout: 33',
        'inventory = inv/a, b ,/c',
        'private_key_file = keys/id',
        'vault_password_file = vp',
        'vault_identity_list = dev@x, prod@prompt,~/y',
        'host_key_checking = no',
        'remote_port = 2222',
        '[ssh_connection]',
        'ssh_args = -o ControlMaster=auto',
        '  -o ProxyJump=%h',
        'timeout = 44',
        'host_key_checking = yes',
        `ssh_common_args = '-o A="b c"'`,
        '[privilege_escalation]',
        'become = False',
        'become_method = su',
      ].join('\n'),
    );
    const config = await readAnsibleConfig(build);
    expect(config).toMatchObject({
      inventory: { value: 'inv/a, b ,/c', file, line: 4 },
      vaultPasswordFile: join(build, 'vp'),
      vaultIds: [`dev@${join(build, 'x')}`, 'prod@prompt', '~/y'],
      warnings: [],
    });
    const common = {
      user: 'bob',
      port: '2222',
      timeout: '33',
      privateKeyFile: join(build, 'keys/id'),
      becomeMethod: 'su',
    };
    const sshArguments = '-o ControlMaster=auto\n-o ProxyJump=%h';
    const ssh = { ...common, hostKeyChecking: 'yes', sshArguments, commonArguments: '-o A="b c"' };
    expect(settings(config.connections.ssh)).toEqual(ssh);
    expect(settings(config.connections.paramiko)).toEqual({ ...common, hostKeyChecking: 'no' });
  });

  it.each([
    ['timeout = 10.0', { timeout: '10' }],
    ['remote_port = 10.0', { port: '10' }],
    ['remote_port = +22', { port: '22' }],
    ['remote_port = 1_0', { port: '10' }],
    ['private_key_file = $KEYS/k', { privateKeyFile: '/keys/k' }],
    ['private_key_file = ${KEYS}/k', { privateKeyFile: '/keys/k' }],
    ['private_key_file = a$REST', { privateKeyFile: 'BUILD/ab' }],
    ['private_key_file = ~/$REST', { privateKeyFile: '~/b' }],
    ['private_key_file = "k"', { privateKeyFile: 'BUILD/"k"' }],
  ])('takes %s as `ansible-config dump` shows it', async (line, expected) => {
    await writeFile(file, `[defaults]\n${line}\nvault_password_file = $KEYS/vp\nvault_identity_list = a@$REST/x\n`);
    const ansibleVariables = { KEYS: '/keys', REST: 'b' };
    const { connections, vaultPasswordFile, vaultIds } = await readAnsibleConfig(build, { ansibleVariables });
    const inBuild = Object.entries(expected).map(([name, value]) => [name, value.replace('BUILD', build)]);
    expect(settings(connections.ssh)).toEqual(Object.fromEntries(inBuild));
    expect([vaultPasswordFile, vaultIds]).toEqual(['/keys/vp', [`a@${join(build, 'b/x')}`]]);
  });

  it('names in one warning what matters and is not followed', async () => {
    await writeFile(
      file,
      [
        '[defaults]',
        'hash_behaviour = merge',
        'remote_user = {{ x }}',
        'forks = 20',
        '[privilege_escalation]',
        'become_user = root',
        'become_flags = -H -S -n',
        'become_exe = doas',
        '[sudo_become_plugin]',
        'password = S3cret',
      ].join('\n'),
    );
    const { warnings, connections } = await readAnsibleConfig(build);
    expect(warnings).toEqual([
      `${file} sets what lsbackup does not follow: [defaults] hash_behaviour (line 2), [defaults] remote_user (line 3), ` +
        '[privilege_escalation] become_exe (line 8), [sudo_become_plugin] password (line 10)',
    ]);
    expect(connections.ssh.size).toBe(0);
  });

  it('takes the file that is given, or that in the directory that is given', async () => {
    await writeFile(file, '[defaults]\ninventory = a\n');
    const other = join(build, 'other.cfg');
    await writeFile(other, '[defaults]\ninventory = b\n');
    const given = (ansibleConfig: string) => readAnsibleConfig('/nowhere', { ansibleConfig });
    expect(await given(other)).toMatchObject({ inventory: { value: 'b', file: other } });
    expect(await given(build)).toMatchObject({ inventory: { value: 'a', file } });
    expect(await given('/no/such')).toMatchObject(nothing);
    expect(await readAnsibleConfig(build, { ansibleConfig: '/no/such' })).toMatchObject({
      inventory: { value: 'a', file },
    });
  });

  it('takes that of the user or the system where there is no other, but not their inventory', async () => {
    const ansibleDefaults = ['/no/such', join(build, 'user.cfg'), join(build, 'system.cfg')];
    await writeFile(join(build, 'user.cfg'), '[defaults]\nremote_user = bob\ninventory = x\n');
    await writeFile(join(build, 'system.cfg'), '[defaults]\nremote_port = 7\n');
    const config = await readAnsibleConfig(build, { ansibleDefaults });
    expect([config.inventory, settings(config.connections.ssh)]).toEqual([undefined, { user: 'bob' }]);
    await writeFile(file, '[defaults]\ntimeout = 3\n');
    expect(settings((await readAnsibleConfig(build, { ansibleDefaults })).connections.ssh)).toEqual({ timeout: '3' });
    await chmod(build, 0o777);
    const open = await readAnsibleConfig(build, { ansibleDefaults });
    expect([open.warnings.length, settings(open.connections.ssh)]).toEqual([1, { user: 'bob' }]);
  });

  it('does not take one where anybody may have put it, as Ansible does not', async () => {
    await writeFile(file, '[defaults]\nremote_user = bob\n');
    await chmod(build, 0o777);
    const warnings = [expect.stringContaining('anybody may write to its directory')];
    expect(await readAnsibleConfig(build)).toMatchObject({ ...nothing, warnings });
  });

  it.each([
    ['a port that is none', '[defaults]\nremote_port = x\n', ':2: [defaults] remote_port is no whole number'],
    ['a port in quotes', '[defaults]\nremote_port = "22"\n', ':2: [defaults] remote_port is no whole number'],
    ['a negative timeout', '[defaults]\ntimeout = -1\n', ':2: [defaults] timeout is no whole number'],
    ['an empty timeout', '[defaults]\ntimeout =\n', ':2: [defaults] timeout is no whole number'],
    [
      'no truth value',
      '[defaults]\nhost_key_checking =\n',
      ':2: [defaults] host_key_checking is neither true nor false',
    ],
    [
      'none of ssh',
      '[ssh_connection]\nhost_key_checking = maybe\n',
      ':2: [ssh_connection] host_key_checking is neither true nor false',
    ],
    [
      'a key by an unset variable',
      '[defaults]\nprivate_key_file = ${NO}/k\n',
      ':2: [defaults] private_key_file has a variable of the environment that is not set',
    ],
    [
      'a password by an unset variable',
      '[defaults]\nvault_password_file = $NO/k\n',
      ':2: [defaults] vault_password_file has a variable of the environment that is not set',
    ],
    [
      'an identity by an unset variable',
      '[defaults]\nvault_identity_list = a@$NO/k\n',
      ':2: [defaults] vault_identity_list has a variable of the environment that is not set',
    ],
    ['no configuration', 'x\n', ':1: there is no [section] before this line'],
  ])('refuses %s', async (_, text, message) => {
    await writeFile(file, text);
    await expect(readAnsibleConfig(build)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: file + message });
  });
});
