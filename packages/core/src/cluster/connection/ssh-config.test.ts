import { chmod } from 'node:fs/promises';

import { describe, expect, it } from '@jest/globals';

import { connect } from './connection.test-support.js';
import { SshConfigs } from './ssh-config.js';
import { inHome, put, reach, useSshHome } from './ssh-home.test-support.js';

useSshHome();

describe('configuration files of ssh', () => {
  it('count after the command line: those of the user, then those of the system', async () => {
    await put('.ssh/config', 'Port 2\nUser own\nIdentityFile /own\n');
    await put('etc/ssh_config', 'Port 3\nUser system\nIdentityFile /system\nHashKnownHosts yes\n', 0o666);
    expect(await reach({ ansible_port: '1', ansible_private_key_file: '/set' })).toMatchObject({
      port: 1,
      user: 'own',
      identityFiles: ['/set', '/own', '/system'],
      hostKeys: { hash: true },
    });
  });

  it('need not be there, but one that -F names must', async () => {
    expect(await reach()).toMatchObject({ address: 'web1', port: 22 });
    await expect(reach({ ansible_ssh_args: `-F ${inHome('nothing')}` })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `cannot read the ssh configuration ${inHome('nothing')}: no such file or directory (ENOENT)`,
      hint: expect.stringContaining('started in'),
    });
  });

  it('are not read where -F names one, or none', async () => {
    await put('.ssh/config', 'User own\n');
    await put('etc/ssh_config', 'User system\n');
    const other = await put('other', 'Port 5\n', 0o666);
    expect(await reach({ ansible_ssh_extra_args: `-F ${other}` })).toMatchObject({ user: undefined, port: 5 });
    expect(await reach({ ansible_ssh_extra_args: '-F none' })).toMatchObject({ user: undefined, port: 22 });
  });

  it('are found by the name that the inventory gives, and may rename it', async () => {
    await put('.ssh/config', 'Host prod-web\n  HostName 10.0.0.7\n  User ops\n');
    expect(await reach({ ansible_host: 'prod-web' })).toMatchObject({
      address: '10.0.0.7',
      user: 'ops',
      sshDestination: 'prod-web',
    });
  });

  it('include others: from ~/.ssh, by ~ and by absolute paths, in the order of their names', async () => {
    await put('.ssh/config', `Include conf.d/*.conf ~/mine ${inHome('last')}\n`);
    await put('.ssh/conf.d/20.conf', 'User twenty\nIdentityFile /20\n');
    await put('.ssh/conf.d/10.conf', 'IdentityFile /10\n');
    await put('.ssh/conf.d/.hidden.conf', 'IdentityFile /hidden\n');
    await put('.ssh/conf.d/directory.conf/x', 'IdentityFile /x\n');
    await put('mine', 'IdentityFile /mine\n');
    await put('last', 'IdentityFile /last\nUser last\n');
    expect(await reach()).toMatchObject({ user: 'twenty', identityFiles: ['/10', '/20', '/mine', '/last'] });
  });

  it('include each other sixteen deep and no deeper', async () => {
    const last = (name: string): string =>
      name === 'f16' ? 'User deep\n' : `Include ${inHome('f')}${Number(name.slice(1)) + 1}\n`;
    for (let depth = 1; depth <= 16; depth += 1) await put(`f${depth}`, last(`f${depth}`));
    await put('.ssh/config', `Include ${inHome('f1')}\n`);
    expect(await reach()).toMatchObject({ user: 'deep' });
    await put('.ssh/config', `Include ${inHome('f0')}\n`);
    await put('f0', `Include ${inHome('f1')}\n`);
    await expect(reach()).rejects.toThrow(`${inHome('f15')}:1: the configuration files include each other too deeply`);
  });

  it.each([
    ['.ssh/config', 0o602],
    ['.ssh/config', 0o666],
    ['included', 0o622],
  ])('%s that others may change (%o) is refused', async (name, mode) => {
    await put('.ssh/config', `Include ${inHome('included')}\n`);
    await put('included', 'User x\n');
    await chmod(inHome(name), mode);
    await expect(reach()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `${inHome(name)}: others may change this ssh configuration, so it is not read`,
      hint: expect.stringContaining('chmod go-w'),
    });
  });

  it.each([
    ['\nHost\n', ':2: nothing follows Host'],
    ['Host ""\n', ':1: an argument is empty'],
    ['User "a\n', ':1: a quote is not closed'],
    ['Match flavour sweet\n', ':1: Match does not know "flavour"'],
    ['Match host\n', ':1: Match host needs an argument'],
    ['Match all host x\n', ':1: Match all cannot be combined with other conditions'],
    ['Match # x\n', ':1: Match needs a condition'],
    ['Include ~bob/x\n', ":1: ~bob/x is in another user's home directory"],
    ['Port 0\n', ':1: the port is no number from 1 to 65535'],
    ['IdentityFile ${KEY}\n', ':1: the path in identityfile needs a variable of the environment'],
    ['IdentityAgent $AGENT\n', ':1: the socket of the agent stands in the environment'],
    ['HostName %n\n', ':1: ssh has no token "%n" there'],
    ['ProxyJump "a"\n', ':1: ProxyJump names no server that ssh would take'],
  ])('%j is refused with its line', async (content, message) => {
    const path = await put('.ssh/config', content);
    await expect(reach()).rejects.toMatchObject({ code: 'CONFIG_INVALID', exitStatus: 2 });
    await expect(reach()).rejects.toThrow(`${path}${message}`);
  });

  it('with keywords that are not known are read all the same, and say so where they count', async () => {
    const path = await put(
      '.ssh/config',
      'Host web1\nUseKeychain yes\nFutureOption x\nHost other\nOther x\nHost *\nIgnoreUnknown Use*\n',
    );
    expect((await reach()).ignoredOptions).toEqual([`FutureOption (${path}:3)`]);
  });

  it('are told of where they set what is not followed, without values', async () => {
    const path = await put(
      '.ssh/config',
      'LocalCommand echo hunter2\nGSSAPIAuthentication yes\nSendEnv LANG\nBindAddress 10.0.0.9\n',
    );
    expect((await reach()).ignoredOptions).toEqual([`LocalCommand (${path}:1)`, `BindAddress (${path}:4)`]);
  });

  it('are read once for all hosts', async () => {
    const path = await put('.ssh/config', 'User before\n');
    const configs = new SshConfigs(inHome('.'), { user: path, system: '/nowhere' });
    expect(await connect.values({}, { configs })).toMatchObject({ user: 'before' });
    await put('.ssh/config', 'User after\n');
    expect(await connect.values({}, { configs })).toMatchObject({ user: 'before' });
  });
});
