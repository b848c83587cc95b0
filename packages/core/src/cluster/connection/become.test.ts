import { describe, expect, it } from '@jest/globals';

import { Secret } from '../../model/secret.js';
import { connect } from './connection.test-support.js';

describe('passwords', () => {
  const asked = { password: new Secret('asked'), becomePassword: new Secret('asked too') };

  it.each([
    [[], {}, [undefined, undefined]],
    [[], asked, ['asked', 'asked too']],
    [['ansible_password=a', 'ansible_become_password=b'], asked, ['a', 'b']],
    [['ansible_password=a', 'ansible_ssh_pass=b', 'ansible_ssh_password=c'], {}, ['c', undefined]],
    [
      ['ansible_become_password=a', 'ansible_become_pass=b', 'ansible_sudo_pass=c', 'ansible_su_pass=d'],
      {},
      [undefined, 'c'],
    ],
    [
      ['ansible_become_method=su', 'ansible_become_pass=b', 'ansible_sudo_pass=c', 'ansible_su_pass=d'],
      {},
      [undefined, 'd'],
    ],
    [['ansible_ssh_pass=12345'], {}, ['12345', undefined]],
    [['ansible_password='], asked, ['asked', 'asked too']],
  ])('%j with %j: %j', async (variables, answers, expected) => {
    const { password, become } = await connect.with(answers, ...variables);
    expect([password?.reveal(), become?.password?.reveal()]).toEqual(expected);
  });

  it('of the login are tried, and are for the host alone; the passphrase of keys opens those of jump hosts too', async () => {
    const connection = await connect(
      'ansible_password=hunter2',
      'ansible_private_key_passphrase=hunter3',
      "ansible_ssh_common_args='-J a'",
    );
    expect(connection.authentications).toEqual(['publickey', 'keyboard-interactive', 'password']);
    expect(connection.passphrase?.reveal()).toBe('hunter3');
    expect(connection.jumps).toMatchObject([{ address: 'a', password: undefined, passphrase: connection.passphrase }]);
  });

  it('are in no refusal of a setting that was given one by mistake', async () => {
    const values = { password: 'hunter2', ansible_become_method: '{{ password }}' };
    await expect(connect.values(values)).rejects.toMatchObject({
      message: '/build/inventory:4: host web1: ansible_become_method=[secret] is not supported',
    });
  });

  it('are in no argument and no text', async () => {
    const connection = await connect(
      'ansible_password=hunter2',
      'ansible_become_pass=hunter2',
      'ansible_ssh_pass=hunter2',
    );
    expect(JSON.stringify(connection)).not.toContain('hunter');
    await expect(connect.values({ ansible_password: ['hunter2'] })).rejects.toMatchObject({
      message: '/build/inventory:4: host web1: ansible_password is neither text nor a number',
    });
    await expect(connect('ansible_become_pass=hunter2 {{ x }}')).rejects.toMatchObject({
      message: expect.stringMatching(/ansible_become_pass is a template that refers to "x", .* does not set$/),
    });
  });
});

describe('become', () => {
  it.each([
    ['ansible_become=false', undefined],
    ['ansible_become=False', undefined],
    ['ansible_become=no', undefined],
    ['ansible_become=0', undefined],
    ['ansible_become=True', 'sudo'],
    ['ansible_become=yes', 'sudo'],
    ['ansible_become=1', 'sudo'],
    ['ansible_become_method=sudo', 'sudo'],
    ['ansible_become_method=ansible.builtin.su', 'su'],
    ['ansible_become_method=su', 'su'],
    ['ansible_become_user=root', 'sudo'],
    ['ansible_su_user=bob', 'sudo'],
  ])('%s: %p', async (variable, method) => {
    expect((await connect(variable)).become?.method).toBe(method);
  });

  it('does not mind how to become someone when nobody is to become', async () => {
    const variables = [
      'ansible_become=no',
      'ansible_become_method=runas',
      'ansible_become_user=bob',
      'ansible_become_exe=x',
    ];
    expect(await connect(...variables)).toMatchObject({ become: undefined, ignoredOptions: [] });
  });

  it('names what it does not follow', async () => {
    const { ignoredOptions } = await connect(
      'ansible_become_flags=-i',
      'ansible_sudo_exe=/opt/sudo',
      'ansible_su_exe=/opt/su',
    );
    expect(ignoredOptions).toEqual(['ansible_sudo_exe', 'ansible_become_flags']);
  });
});
