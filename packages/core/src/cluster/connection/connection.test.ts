import { describe, expect, it } from '@jest/globals';

import { connect } from './connection.test-support.js';
import { plainConnection, plainHostKeyPolicy } from './plain-connection.js';

const keysOnly = ['publickey'];

describe('connectionOf', () => {
  it('has defaults', async () => {
    expect(await connect()).toEqual({
      ...plainConnection('web1'),
      authentications: keysOnly,
      sshArguments: [
        ...['-o', 'KbdInteractiveAuthentication=no'],
        ...['-o', 'PreferredAuthentications=gssapi-with-mic,gssapi-keyex,hostbased,publickey'],
        ...['-o', 'PasswordAuthentication=no'],
      ],
    });
  });

  it('reads what LambdaStack writes', async () => {
    const connection = await connect(
      'ansible_host=10.0.0.1',
      'ansible_user=operations',
      'ansible_ssh_private_key_file=~/.ssh/id_rsa',
      "ansible_ssh_common_args='-o StrictHostKeyChecking=no'",
      "ansible_ssh_extra_args='-o ServerAliveInterval=60 -o ServerAliveCountMax=1'",
    );
    expect(connection).toMatchObject({
      ...plainConnection('10.0.0.1'),
      user: 'operations',
      identityFiles: ['/home/me/.ssh/id_rsa'],
      authentications: keysOnly,
      hostKeys: { ...plainHostKeyPolicy, strict: 'no' },
      keepAliveSeconds: 60,
      keepAliveCount: 1,
      sshArguments: expect.arrayContaining(['User="operations"', 'IdentityFile="/home/me/.ssh/id_rsa"']),
    });
  });

  it.each([
    [['ansible_host=a', 'ansible_ssh_host=b'], { address: 'b', sshDestination: 'b' }],
    [['ansible_host=bob@b'], { address: 'b', user: 'bob', sshDestination: 'bob@b' }],
    [['ansible_host=bob@b', 'ansible_user=ann'], { address: 'b', user: 'ann' }],
    [['ansible_host=ssh://bob@b:2022'], { address: 'b', user: 'bob', port: 2022 }],
    [['ansible_host=Web.Example.COM'], { address: 'web.example.com', sshDestination: 'Web.Example.COM' }],
    [['ansible_ssh_port=23', 'ansible_port=24'], { port: 23 }],
    [['ansible_port="25"'], { port: 25 }],
    [['ansible_user=a', 'ansible_ssh_user=b'], { user: 'b' }],
    [['ansible_port=22.0'], { port: 22 }],
    [['ansible_port=" +022 "'], { port: 22 }],
    [['ansible_user=1000'], { user: '1000' }],
    [['ansible_user=1.0', 'ansible_host=1e5'], { user: '1.0', address: '100000.0' }],
    [['ansible_user="a b"'], { user: 'a b' }],
    [['ansible_private_key_file=/a', 'ansible_ssh_private_key_file=/b'], { identityFiles: ['/b'] }],
    [['ansible_private_key_file="/with space/key"'], { identityFiles: ['/with space/key'] }],
    [['ansible_private_key_file=keys/a'], { identityFiles: [`${process.cwd()}/keys/a`] }],
    [['ansible_private_key_file=%d/.ssh/%u-100%%'], { identityFiles: ['/home/me/.ssh/me-100%'] }],
    [['ansible_private_key_file=/keys/%h-%p-%r', 'ansible_user=bob'], { identityFiles: ['/keys/web1-22-bob'] }],
    [['ansible_private_key_file=${HOME}/a'], { identityFiles: ['/home/me/a'] }],
    [['ansible_host=None', 'ansible_port=None'], { address: 'web1', port: 22 }],
    [['ansible_host_key_checking=False'], { hostKeys: { strict: 'no' } }],
    [['ansible_ssh_host_key_checking=no'], { hostKeys: { strict: 'no' } }],
    [['ansible_host_key_checking=true'], { hostKeys: { strict: 'yes' } }],
    [['ansible_timeout=20', 'ansible_ssh_timeout=30'], { connectSeconds: 30 }],
    [['ansible_timeout=20'], { connectSeconds: 20 }],
    [['ansible_connection=ssh'], { address: 'web1', transport: 'ssh' }],
    [['ansible_connection=smart'], { address: 'web1', transport: 'ssh' }],
    [['ansible_ssh_common_args='], { ignoredOptions: [] }],
    [['lsbackup_transport=openssh'], { transport: 'openssh' }],
    [['lsbackup_transport=auto'], { transport: 'ssh' }],
    [["ansible_ssh_common_args='-o PKCS11Provider=/x'"], { ignoredOptions: ['-o PKCS11Provider'] }],
    [["ansible_ssh_common_args='-o PKCS11Provider=/x'", 'lsbackup_transport=openssh'], { ignoredOptions: [] }],
    [['ansible_ssh_executable=/usr/bin/ssh'], { ignoredOptions: [] }],
    [['ansible_ssh_transfer_method=piped', 'ansible_pipelining=True'], { ignoredOptions: [] }],
    [
      ['ansible_private_key=x', 'ansible_ssh_pkcs11_provider=y'],
      { ignoredOptions: ['ansible_private_key', 'ansible_ssh_pkcs11_provider'] },
    ],
  ])('%j gives %j', async (variables, expected) => {
    expect(await connect(...variables)).toMatchObject(expected);
  });

  it('takes the first of several, as ssh does: ansible_ssh_args, variables, common, extra', async () => {
    const all = [
      "ansible_ssh_args='-p 1'",
      'ansible_port=2',
      "ansible_ssh_common_args='-p 3'",
      "ansible_ssh_extra_args='-p 4'",
    ];
    const ports = all.map(async (_, index) => (await connect(...all.slice(index))).port);
    expect(await Promise.all(ports)).toEqual([1, 2, 3, 4]);
    const { sshArguments } = await connect(...all);
    expect(sshArguments.filter((word) => /[1-4]$/.test(word))).toEqual(['1', 'Port=2', '3', '4']);
  });

  it('takes this machine itself as it is', async () => {
    const local = await connect('ansible_connection=local', 'ansible_user=bob', 'ansible_host=a', 'ansible_port=junk');
    expect(local).toEqual({ ...plainConnection('a'), transport: 'local' });
  });

  it('takes a host called localhost for one to reach by ssh, as Ansible does when the inventory names it', async () => {
    expect(await connect('ansible_host=localhost')).toMatchObject({ transport: 'ssh', address: 'localhost' });
  });

  it('reads for paramiko what Ansible reads for it: no ssh arguments and no configuration of ssh', async () => {
    const connection = await connect(
      'ansible_connection=paramiko',
      'ansible_host=a',
      'ansible_paramiko_host=b',
      'ansible_paramiko_user=bob',
      "ansible_ssh_common_args='-J x'",
      "ansible_paramiko_proxy_command='ssh -W %h:%p -i /k jump'",
      'ansible_paramiko_pass=hunter2',
    );
    expect(connection).toMatchObject({ address: 'b', user: 'bob', transport: 'ssh' });
    expect(connection.sshArguments.slice(0, 2)).toEqual(['-F', 'none']);
    expect(connection.jumps).toMatchObject([{ address: 'jump', identityFiles: ['/k'], password: undefined }]);
    expect([connection.password?.reveal(), connection.passphrase?.reveal()]).toEqual(['hunter2', 'hunter2']);
  });
});

describe('what is refused', () => {
  it.each([
    ['ansible_connection=docker', 'ansible_connection=docker is not supported'],
    ['ansible_connection=winrm', 'ansible_connection=winrm is not supported'],
    ['ansible_become_method=pbrun', 'ansible_become_method=pbrun is not supported'],
    ['ansible_become_user=postgres', 'to become postgres is not supported'],
    ['ansible_ssh_executable=/opt/wrapped/ssh', 'ansible_ssh_executable=/opt/wrapped/ssh is not supported'],
    ['ansible_ssh_executable=/usr/bin/tsh', 'ansible_ssh_executable=/usr/bin/tsh is not supported'],
    ['ansible_host={{ inventory_hostname | upper }}', 'ansible_host is a template that uses a filter'],
    ['ansible_user={% if x %}a{% endif %}', 'ansible_user is a template'],
    ['ansible_become={{ x }}', 'ansible_become is a template'],
    ["ansible_ssh_common_args='-o ProxyCommand=none {{ more }}'", 'ansible_ssh_common_args is a template'],
    ['ansible_ssh_private_key_file=~bob/key', "another user's home directory"],
    ['ansible_ssh_private_key_file=${KEYS}/key', 'the path in identityfile needs a variable of the environment'],
  ])('%s, as unsupported', async (variable, message) => {
    await expect(connect(variable)).rejects.toMatchObject({
      code: 'INVENTORY_UNSUPPORTED',
      exitStatus: 2,
      host: 'web1',
      message: expect.stringMatching(/^\/build\/inventory:4: host web1: /),
      hint: expect.stringMatching(/\.$/),
    });
    await expect(connect(variable)).rejects.toThrow(message);
  });

  it.each([
    ['ansible_port=ssh', 'ansible_port is no whole number'],
    ['ansible_port=22.5', 'ansible_port is no whole number'],
    ['ansible_port=', 'ansible_port is no whole number'],
    ['ansible_timeout=7s', 'ansible_timeout is no whole number'],
    ['ansible_port=0', 'the port is no number from 1 to 65535'],
    ['ansible_port=65536', 'the port is no number from 1 to 65535'],
    ['ansible_port=[22]', 'ansible_port is neither text nor a number'],
    ['ansible_host=', 'ansible_host is empty'],
    ['ansible_host=True', 'ansible_host is neither text nor a number'],
    ['ansible_host=-oProxyCommand=evil', 'ssh would not take the address'],
    ['ansible_host=a;b', 'ssh would not take the address'],
    ['ansible_user="a$(b)"', 'the user name has characters that ssh does not take'],
    ['ansible_become=maybe', 'ansible_become is neither true nor false'],
    ['lsbackup_transport=telnet', 'lsbackup_transport=telnet is none of auto, ssh, openssh'],
    ['ansible_ssh_private_key_file=/keys/%z', 'ssh has no token "%z" there'],
  ])('%s, as senseless', async (variable, message) => {
    await expect(connect(variable)).rejects.toMatchObject({
      code: 'INVENTORY_SYNTAX',
      host: 'web1',
      message: expect.stringMatching(/^\/build\/inventory:4: host web1: /),
    });
    await expect(connect(variable)).rejects.toThrow(message);
  });
});
