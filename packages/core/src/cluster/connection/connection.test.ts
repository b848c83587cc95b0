import { describe, expect, it } from '@jest/globals';

import { connectionOf } from './connection.js';
import { plainConnection, plainHostKeyPolicy } from './plain-connection.js';
import { parseIniInventory } from '../inventory/ini-inventory.js';
import { parseSshArguments } from './ssh-options.js';

const user = { name: 'me', homeDirectory: '/home/me' };

/** The connection of the host `web1` whose inventory has these `[all:vars]`. */
function connect(...variables: readonly string[]) {
  const lines = ['[web]', 'web1', '[all:vars]', ...variables];
  const host = parseIniInventory(lines, '/build/inventory').hosts.get('web1');
  if (host === undefined) throw new Error('web1 is missing');
  return connectionOf(host, { file: '/build/inventory', user });
}

describe('connectionOf', () => {
  it('has defaults', () => {
    expect(connect()).toEqual({
      ...plainConnection('web1'),
      become: { method: 'sudo', password: undefined },
    });
  });

  it('reads what LambdaStack writes', () => {
    const connection = connect(
      'ansible_host=10.0.0.1',
      'ansible_user=operations',
      'ansible_ssh_private_key_file=~/.ssh/id_rsa',
      "ansible_ssh_common_args='-o StrictHostKeyChecking=no'",
      "ansible_ssh_extra_args='-o ServerAliveInterval=60 -o ServerAliveCountMax=1'",
    );
    expect(connection).toEqual({
      ...plainConnection('10.0.0.1'),
      user: 'operations',
      identityFiles: ['/home/me/.ssh/id_rsa'],
      hostKeys: { ...plainHostKeyPolicy, strict: 'no' },
      keepAliveSeconds: 60,
    });
  });

  it.each([
    [['ansible_host=a', 'ansible_ssh_host=b'], { address: 'b' }],
    [['ansible_ssh_port=23', 'ansible_port=24'], { port: 23 }],
    [['ansible_port="25"'], { port: 25 }],
    [['ansible_user=a', 'ansible_ssh_user=b'], { user: 'b' }],
    [['ansible_user=1000'], { user: '1000' }],
    [['ansible_private_key_file=/a', 'ansible_ssh_private_key_file=/b'], { identityFiles: ['/b'] }],
    [['ansible_private_key_file="/with space/key"'], { identityFiles: ['/with space/key'] }],
    [['ansible_private_key_file=keys/a'], { identityFiles: [`${process.cwd()}/keys/a`] }],
    [['ansible_private_key_file=%d/.ssh/%u-100%%'], { identityFiles: ['/home/me/.ssh/me-100%'] }],
    [['ansible_host=None', 'ansible_port=None'], { address: 'web1', port: 22 }],
    [['ansible_host_key_checking=False'], { hostKeys: { strict: 'no' } }],
    [['ansible_ssh_host_key_checking=no'], { hostKeys: { strict: 'no' } }],
    [['ansible_host_key_checking=true'], { hostKeys: { strict: 'yes' } }],
    [['ansible_connection=ssh'], { address: 'web1' }],
    [['ansible_connection=smart'], { address: 'web1' }],
    [['ansible_ssh_common_args='], { ignoredOptions: [] }],
  ])('%j gives %j', (variables, expected) => {
    expect(connect(...variables)).toMatchObject(expected);
  });

  it.each([
    ['-i /k -p 2222 -l bob', { identityFiles: ['/k'], port: 2222, user: 'bob' }],
    ['-i/k -p2222 -lbob', { identityFiles: ['/k'], port: 2222, user: 'bob' }],
    ['-oUser=bob -o "Port 2222" -o identityfile=~/k', { identityFiles: ['/home/me/k'], port: 2222, user: 'bob' }],
    ['-o HostName=10.1.1.1', { address: '10.1.1.1' }],
    ['-o UserKnownHostsFile=/dev/null', { hostKeys: { userFiles: ['/dev/null'] } }],
    [`-o 'UserKnownHostsFile=/a ~/b "/c d"'`, { hostKeys: { userFiles: ['/a', '/home/me/b', '/c d'] } }],
    [
      String.raw`-o 'UserKnownHostsFile=/a "/b \\"c\\" it'\\''s \\\\ \\d" /e'`,
      { hostKeys: { userFiles: ['/a', String.raw`/b "c" it's \ \d`, '/e'] } },
    ],
    ['-o UserKnownHostsFile=none', { hostKeys: { userFiles: [] } }],
    ['-o StrictHostKeyChecking=off', { hostKeys: { strict: 'no' } }],
    ['-o StrictHostKeyChecking=ask', { hostKeys: { strict: 'yes' }, ignoredOptions: [] }],
    [
      '-o StrictHostKeyChecking=accept-new',
      { hostKeys: { strict: 'yes' }, ignoredOptions: ['-o StrictHostKeyChecking=accept-new'] },
    ],
    ['-o ServerAliveInterval=2m', { keepAliveSeconds: 120 }],
    ['-o Port=1 -o Port=2', { port: 1, ignoredOptions: [] }],
    ['-i /a -i /b', { identityFiles: ['/a'], ignoredOptions: ['-i /b'] }],
    ['-i none', { identityFiles: [] }],
    [
      '-C -4q -o ControlMaster=auto -o ControlPersist=60s',
      { ignoredOptions: ['-C', '-4', '-q', '-o ControlMaster=auto', '-o ControlPersist=60s'] },
    ],
    ['-o ProxyJump=none -o ProxyCommand=none', { ignoredOptions: ['-o ProxyJump=none', '-o ProxyCommand=none'] }],
    ['-vvvo Port=7', { port: 7, ignoredOptions: ['-v', '-v', '-v'] }],
  ])('ssh arguments %s give %j', (text, expected) => {
    const quoted = `"""${text}"""`;
    expect(connect(`ansible_ssh_common_args=${quoted}`)).toMatchObject(expected);
    expect(connect(`ansible_ssh_extra_args=${quoted}`)).toMatchObject(expected);
    expect(connect(`ansible_ssh_args=${quoted}`)).toMatchObject(expected);
  });

  it('takes the first of several, as ssh does: ansible_ssh_args, variables, common, extra', () => {
    const all = [
      "ansible_ssh_args='-p 1'",
      'ansible_port=2',
      "ansible_ssh_common_args='-p 3'",
      "ansible_ssh_extra_args='-p 4'",
    ];
    expect(all.map((_, index) => connect(...all.slice(index)).port)).toEqual([1, 2, 3, 4]);
  });

  it.each([
    ['ansible_become=false', false],
    ['ansible_become=False', false],
    ['ansible_become=no', false],
    ['ansible_become=0', false],
    ['ansible_become=True', true],
    ['ansible_become=yes', true],
    ['ansible_become=1', true],
    ['ansible_become_method=sudo', true],
    ['ansible_become_user=root', true],
  ])('%s: become is %p', (variable, become) => {
    expect(connect(variable).become !== undefined).toBe(become);
  });

  it('does not mind how to become someone when nobody is to become', () => {
    expect(connect('ansible_become=no', 'ansible_become_method=su', 'ansible_become_user=bob').become).toBeUndefined();
  });

  it('never shows the command of an option, which may hold a password', () => {
    const command = 'sshpass -p hunter2 ssh bastion';
    const caught = (variable: string): string => {
      try {
        return connect(variable).ignoredOptions.join(' ');
      } catch (error) {
        return (error as Error).message;
      }
    };
    for (const name of ['ProxyCommand', 'LocalCommand', 'SetEnv']) {
      const text = caught(`ansible_ssh_common_args='-o ${name}="${command}"'`);
      expect(text).toContain(`-o ${name}=...`);
      expect(text).not.toContain('hunter2');
    }
    expect(caught("ansible_ssh_common_args='-p hunter2'")).not.toContain('hunter2');
  });

  it('names secrets it has no use for, without their values', () => {
    const { ignoredOptions } = connect('ansible_password=hunter2', 'ansible_become_pass=hunter2');
    expect(ignoredOptions).toEqual(['ansible_password', 'ansible_become_pass']);
  });

  it.each([
    ["ansible_ssh_common_args='-o ProxyJump=bastion'", '-o ProxyJump=bastion'],
    ["ansible_ssh_common_args='-J bastion'", '-J bastion'],
    ['ansible_ssh_extra_args=\'-o proxycommand="ssh -W %h:%p bastion"\'', 'proxycommand'],
    ["ansible_ssh_args='-F /etc/ssh/jump'", '-F /etc/ssh/jump'],
    ['ansible_connection=local', 'ansible_connection=local'],
    ['ansible_connection=docker', 'ansible_connection=docker'],
    ['ansible_become_method=su', 'ansible_become_method=su'],
    ['ansible_become_user=postgres', 'ansible_become_user=postgres'],
    ['ansible_host={{ inventory_hostname | upper }}', 'ansible_host is a template that uses a filter'],
    ['ansible_user={% if x %}a{% endif %}', 'ansible_user is a template'],
    ['ansible_become={{ x }}', 'ansible_become is a template'],
    ["ansible_ssh_common_args='-o ProxyCommand=none {{ more }}'", 'ansible_ssh_common_args is a template'],
    ['ansible_ssh_private_key_file=~bob/key', 'another user'],
    ['ansible_ssh_private_key_file=/keys/%h', '"%h"'],
  ])('%s is refused as unsupported', (variable, message) => {
    expect(() => connect(variable)).toThrow(
      expect.objectContaining({
        code: 'INVENTORY_UNSUPPORTED',
        exitStatus: 2,
        host: 'web1',
        message: expect.stringMatching(/^\/build\/inventory:4: host web1: /),
        hint: expect.stringMatching(/\.$/),
      }),
    );
    expect(() => connect(variable)).toThrow(message);
  });

  it.each([
    ['ansible_port=ssh', 'the port is no number from 1 to 65535'],
    ['ansible_port=0', 'the port is no number from 1 to 65535'],
    ['ansible_port=65536', 'the port is no number from 1 to 65535'],
    ['ansible_port=[22]', 'ansible_port is neither text nor a number'],
    ['ansible_host=', 'ansible_host is empty'],
    ['ansible_host=True', 'ansible_host is neither text nor a number'],
    ['ansible_become=maybe', 'ansible_become is neither true nor false'],
    ["ansible_ssh_common_args='-o StrictHostKeyChecking=maybe'", 'StrictHostKeyChecking=maybe'],
    ["ansible_ssh_common_args='-o ServerAliveInterval=often'", 'ServerAliveInterval=often'],
    ["ansible_ssh_common_args='-p'", '-p has no value'],
    ['ansible_ssh_common_args=-o "Port', 'is not closed'],
  ])('%s is refused as senseless', (variable, message) => {
    expect(() => connect(variable)).toThrow(
      expect.objectContaining({
        code: 'INVENTORY_SYNTAX',
        host: 'web1',
        message: expect.stringMatching(/^\/build\/inventory:4: host web1: /),
      }),
    );
    expect(() => connect(variable)).toThrow(message);
  });

  it('a word that is no option is told as ignored', () => {
    expect(parseSshArguments('other.host -')).toEqual([
      { name: 'other.host', value: '', written: 'a word that is no option' },
      { name: '-', value: '', written: 'a word that is no option' },
    ]);
  });
});
