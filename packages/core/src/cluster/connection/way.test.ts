import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { Connection } from '../cluster.js';
import { connect, user } from './connection.test-support.js';
import { SshConfigs } from './ssh-config.js';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lsbackup-way-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** With these lines as the user's configuration of ssh. */
async function connectWith(config: string, variables: Readonly<Record<string, string>> = {}): Promise<Connection> {
  const path = join(directory, 'config');
  await writeFile(path, config, { mode: 0o600 });
  const configs = new SshConfigs(user.homeDirectory, { user: path, system: join(directory, 'none') });
  return connect.values(variables, { configs });
}

const hop = ({ user: name, address, port }: Connection['jumps'][number]): string => `${name ?? '-'}@${address}:${port}`;

describe('ways through jump hosts', () => {
  it.each([
    ['', '-J a', ['-@a:22']],
    ['', '-J a,bob@b:2222,ssh://c@d:33', ['-@a:22', 'bob@b:2222', 'c@d:33']],
    ['', '-o ProxyJump=[::1]:2222', ['-@::1:2222']],
    ['Host a\nUser ann\nPort 30\nHostName 10.0.0.1\n', '-J a', ['ann@10.0.0.1:30']],
    ['Host a\nUser ann\n', '-J bob@a', ['bob@a:22']],
    ['Host a\nProxyJump b\nHost b\nProxyJump c\n', '-J a', ['-@c:22', '-@b:22', '-@a:22']],
    ['Host a\nProxyJump b\n', '-J x,a', ['-@x:22', '-@a:22']],
    ['Host x\nProxyJump b\n', '-J x,a', ['-@b:22', '-@x:22', '-@a:22']],
    ['Host web*\nProxyJump a\n', '', ['-@a:22']],
    ['Host web*\nProxyJump a\n', '-J none', []],
    ['Host web*\nProxyJump a\n', '-o ProxyCommand=none', []],
    ['Host * !a\nProxyJump a\n', '', ['-@a:22']],
    ['Host *\nUser all\n', '-J a', ['all@a:22']],
    ['', '-J jump-%h', ['-@jump-web1:22']],
    ['', '-l ann -p 23 -i /k -J a', ['-@a:22']],
    ['', `-o ProxyCommand="ssh -W %h:%p -q bob@a -p 2222"`, ['bob@a:2222']],
    ['', `-o ProxyCommand="exec /usr/bin/ssh -l ann -W [%h]:%p bob@a"`, ['ann@a:22']],
    ['', `-o ProxyCommand="ssh -W %h:%p -J b a"`, ['-@b:22', '-@a:22']],
    ['', `-o 'ProxyCommand=ssh -o "ProxyCommand ssh -W %%h:%%p b" -W %h:%p a'`, ['-@b:22', '-@a:22']],
    ['Host a\nHostName 10.0.0.2\nProxyJump b\n', `-o ProxyCommand="ssh -W %h:%p a"`, ['-@b:22', '-@10.0.0.2:22']],
    ['', `-o ProxyCommand="ssh -W %h:%p %r@a-%h" -l me`, ['me@a-web1:22']],
    ['', `-o ProxyCommand="ssh a nc %h %p"`, 'command'],
    ['', `-o ProxyCommand="ssh -W other:22 a"`, 'command'],
    ['', `-o ProxyCommand="ssh -W %h:%p a | tee log"`, 'command'],
    ['', `-o ProxyCommand="HOME=/x ssh -W %h:%p a"`, 'command'],
    ['', `-o ProxyCommand="ssh -W %h:%p $JUMP"`, 'command'],
    ['', `-o ProxyCommand="sshpass -p x ssh -W %h:%p a"`, 'command'],
    ['', `-o ProxyCommand="nc -x proxy %h %p"`, 'command'],
  ])('%j, %s: %j', async (config, text, expected) => {
    const connection = await connectWith(config, { ansible_ssh_common_args: text });
    expect(connection.proxyCommand === undefined ? connection.jumps.map(hop) : 'command').toEqual(expected);
  });

  it('gives a jump host its own options, not those of the command line', async () => {
    const connection = await connectWith('Host a\nIdentityFile /a\nStrictHostKeyChecking accept-new\nPort 2200\n', {
      ansible_ssh_common_args: '-i /k -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -J a',
      ansible_user: 'bob',
      ansible_password: 'x',
    });
    expect(connection).toMatchObject({
      user: 'bob',
      identityFiles: ['/k'],
      hostKeys: { strict: 'no', userFiles: ['/dev/null'] },
    });
    expect(connection.jumps).toMatchObject([
      {
        address: 'a',
        port: 2200,
        user: undefined,
        identityFiles: ['/a'],
        password: undefined,
        hostKeys: { strict: 'accept-new', userFiles: undefined },
        authentications: ['publickey', 'keyboard-interactive', 'password'],
      },
    ]);
  });

  it('reads the options of an ssh in ProxyCommand', async () => {
    const command =
      'ssh -W %h:%p -q -i ~/.ssh/bastion -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -F none ops@a';
    const { jumps, ignoredOptions } = await connectWith('Host a\nPort 99\n', {
      ansible_ssh_common_args: `-o ProxyCommand="${command}"`,
    });
    expect(jumps).toMatchObject([
      {
        user: 'ops',
        address: 'a',
        port: 22,
        identityFiles: ['/home/me/.ssh/bastion'],
        hostKeys: { strict: 'no', userFiles: ['/dev/null'] },
      },
    ]);
    expect(ignoredOptions).toEqual([]);
  });

  it('reads the file that -F names, for the jump hosts of ProxyJump too', async () => {
    const file = join(directory, 'ssh-bastion.conf');
    const proxied = `Host 10.*\n  ProxyCommand ssh -F ${file} -W %h:%p bastion\n`;
    await writeFile(
      file,
      `Host bastion\n  HostName 1.2.3.4\n  User ubuntu\n${proxied}Host jumped\n  ProxyJump bastion\n`,
    );
    const through = { jumps: [{ user: 'ubuntu', address: '1.2.3.4' }] };
    expect(
      await connectWith('User wrong\n', { ansible_host: '10.0.0.5', ansible_ssh_common_args: `-F ${file}` }),
    ).toMatchObject(through);
    expect(
      await connectWith('User wrong\n', { ansible_host: 'jumped', ansible_ssh_common_args: `-F ${file}` }),
    ).toMatchObject(through);
  });

  it('expands the tokens of a command, and nothing else', async () => {
    const { proxyCommand } = await connectWith('Host web1\nHostName 10.0.0.1\n', {
      ansible_ssh_common_args: String.raw`-o 'ProxyCommand=nc -X 5 "%h" %p %n %r 100%% # all'`,
      ansible_port: '2222',
      ansible_user: 'bob',
    });
    expect(proxyCommand).toBe('nc -X 5 "10.0.0.1" 2222 web1 bob 100% # all');
  });

  it.each([
    ['Host *\nProxyJump a\n', 'me@web1:22 via me@a:22 via me@a:22'],
    [
      'Host web1\nProxyJump a\nHost a\nProxyJump b\nHost b\nProxyJump a\n',
      'me@web1:22 via me@a:22 via me@b:22 via me@a:22',
    ],
    ['Host web1\nProxyJump b,a\nHost b\nProxyJump a\nHost a\nUser x\n', 'me@web1:22 via x@a:22 via me@b:22 via x@a:22'],
  ])('%j leads back to where it began', async (config, chain) => {
    await expect(connectWith(config)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(`the jump hosts lead back to where they began: ${chain}`),
      hint: expect.stringContaining('ProxyJump=none'),
    });
  });

  it('may go twice by one address, as behind routers', async () => {
    const config = 'Host web1\nHostName 10.0.0.1\nProxyJump gate\nHost gate\nHostName 10.0.0.1\n';
    expect((await connectWith(config)).jumps.map(hop)).toEqual(['-@10.0.0.1:22']);
  });

  it('takes eight jump hosts and no more', async () => {
    const hosts = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'];
    const { jumps } = await connectWith('', { ansible_ssh_common_args: `-J ${hosts.slice(0, 8).join(',')}` });
    expect(jumps.map(({ address }) => address)).toEqual(hosts.slice(0, 8));
    await expect(connectWith('', { ansible_ssh_common_args: `-J ${hosts.join(',')}` })).rejects.toThrow(
      'more than 8 jump hosts',
    );
  });

  it('tells what it does not follow on the way', async () => {
    const { ignoredOptions } = await connectWith('Host a\nForwardAgent yes\nHost web1\nProxyJump a\nCheckHostIP yes\n');
    const file = join(directory, 'config');
    expect(ignoredOptions).toEqual([`CheckHostIP (${file}:5)`, `ForwardAgent (${file}:2)`]);
  });

  it('refuses a ProxyCommand that hands its connection over, unless ssh itself takes it', async () => {
    const variables = { ansible_ssh_common_args: '-o ProxyCommand="nc -F %h %p" -o ProxyUseFdpass=yes' };
    await expect(connectWith('', variables)).rejects.toThrow('ProxyUseFdpass');
    expect(await connectWith('', { ...variables, lsbackup_transport: 'openssh' })).toMatchObject({
      transport: 'openssh',
    });
  });
});
