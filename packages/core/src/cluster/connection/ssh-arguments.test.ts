import { describe, expect, it } from '@jest/globals';

import { connect } from './connection.test-support.js';

describe('ssh arguments', () => {
  it.each([
    ['-i /k -p 2222 -l bob', { identityFiles: ['/k'], port: 2222, user: 'bob' }],
    ['-i/k -p2222 -lbob', { identityFiles: ['/k'], port: 2222, user: 'bob' }],
    ['-oUser=bob -o "Port 2222" -o identityfile=~/k', { identityFiles: ['/home/me/k'], port: 2222, user: 'bob' }],
    ['-o HostName=10.1.1.1', { address: '10.1.1.1', sshDestination: 'web1' }],
    ['-o UserKnownHostsFile=/dev/null', { hostKeys: { userFiles: ['/dev/null'] } }],
    [`-o 'UserKnownHostsFile=/a ~/b "/c d"'`, { hostKeys: { userFiles: ['/a', '/home/me/b', '/c d'] } }],
    [
      String.raw`-o 'UserKnownHostsFile=/a "/b \"c\" it'\''s \\ \d" /e'`,
      { hostKeys: { userFiles: ['/a', String.raw`/b "c" it's \ \d`, '/e'] } },
    ],
    ['-o UserKnownHostsFile=none -o GlobalKnownHostsFile=/g', { hostKeys: { userFiles: [], globalFiles: ['/g'] } }],
    ['-o HostKeyAlias=Alias -o HashKnownHosts=yes', { hostKeys: { alias: 'alias', hash: true } }],
    ['-o RevokedHostKeys=~/revoked', { hostKeys: { revokedFile: '/home/me/revoked' } }],
    ['-o RevokedHostKeys=none', { hostKeys: { revokedFile: undefined } }],
    ['-o StrictHostKeyChecking=off', { hostKeys: { strict: 'no' } }],
    ['-o StrictHostKeyChecking=ask', { hostKeys: { strict: 'yes' }, ignoredOptions: [] }],
    ['-o StrictHostKeyChecking=accept-new', { hostKeys: { strict: 'accept-new' }, ignoredOptions: [] }],
    ['-o ServerAliveInterval=2m -o ServerAliveCountMax=3', { keepAliveSeconds: 120, keepAliveCount: 3 }],
    ['-o ServerAliveCountMax=0 -o ServerAliveCountMax=3', { keepAliveSeconds: undefined, keepAliveCount: 0 }],
    ['-o ConnectTimeout=1m30s', { connectSeconds: 90 }],
    ['-o ConnectTimeout=0', { connectSeconds: undefined }],
    ['-o Port=1 -o Port=2', { port: 1, ignoredOptions: [] }],
    ['-i /a -i /b -o IdentityFile=/c', { identityFiles: ['/a', '/b', '/c'], ignoredOptions: [] }],
    ['-i none', { identityFiles: [] }],
    [
      '-o IdentitiesOnly=yes -o CertificateFile=~/c.pub',
      { identitiesOnly: true, certificateFiles: ['/home/me/c.pub'] },
    ],
    ['-o IdentityAgent=none', { agentSocket: 'none' }],
    ['-o IdentityAgent=SSH_AUTH_SOCK', { agentSocket: undefined }],
    ['-o IdentityAgent=~/agent', { agentSocket: '/home/me/agent' }],
    [
      '-c aes256-ctr -m hmac-sha2-256 -o KexAlgorithms=+a -o HostKeyAlgorithms=^b',
      { algorithms: { ciphers: 'aes256-ctr', macs: 'hmac-sha2-256', keyExchange: '+a', hostKeys: '^b' } },
    ],
    ['-o Ciphers=a -c b', { algorithms: { ciphers: 'b' } }],
    ['-o ProxyJump=none -o ProxyCommand=none', { jumps: [], proxyCommand: undefined, ignoredOptions: [] }],
    ['-vvvo Port=7', { port: 7, ignoredOptions: [] }],
    [
      '-C -q -tt -T -o ControlMaster=auto -o ControlPersist=60s -o ControlPath=/x -o BatchMode=yes -o LogLevel=ERROR',
      { ignoredOptions: [] },
    ],
    ['-o ForwardAgent=no -o CheckHostIP=no -o AddressFamily=any -o Tunnel=no', { ignoredOptions: [] }],
    ['-4 -A -b 10.0.0.9', { ignoredOptions: ['-4', '-A', '-b'] }],
    ['-o BindAddress=10.0.0.9 -o Unheard=of', { ignoredOptions: ['-o BindAddress', '-o Unheard'] }],
    ['-o IgnoreUnknown=un* -o Unheard=of', { ignoredOptions: [] }],
    ['-F none', { ignoredOptions: [] }],
  ])('%s give %j', async (text, expected) => {
    expect(await connect.values({ ansible_ssh_common_args: text })).toMatchObject(expected);
    expect(await connect.values({ ansible_ssh_extra_args: text })).toMatchObject(expected);
    expect(await connect.values({ ansible_ssh_args: text })).toMatchObject(expected);
  });

  it.each([
    ['-o PreferredAuthentications=password,publickey', ['publickey'], ['password', 'publickey']],
    ['-o PubkeyAuthentication=no', [], ['keyboard-interactive', 'password']],
    ['-o PasswordAuthentication=no', ['publickey'], ['publickey', 'keyboard-interactive']],
    ['-o ChallengeResponseAuthentication=no', ['publickey'], ['publickey', 'password']],
  ])('%s: %j without a password, %j with one', async (text, withoutPassword, withPassword) => {
    const variable = `ansible_ssh_extra_args='${text}'`;
    expect((await connect(variable)).authentications).toEqual(withoutPassword);
    expect((await connect(variable, 'ansible_password=x')).authentications).toEqual(withPassword);
  });

  it.each([
    ['-p', '-p has no value'],
    ['-o', '-o has no value'],
    ['-o Port', 'nothing follows Port'],
    ['-Z', 'ssh has no option -Z'],
    ['-o "Port', 'is not closed'],
    ["-o 'User=\"a'", 'a quote is not closed'],
    ['-o User="a b"', 'user takes one value'],
    ['-o StrictHostKeyChecking=maybe', 'stricthostkeychecking has a value that ssh does not know'],
    ['-o ServerAliveInterval=often', 'serveraliveinterval is no time'],
    ['-o IdentitiesOnly=perhaps', 'identitiesonly has a value'],
    ['-o ServerAliveCountMax=3x', 'serveralivecountmax is no number'],
    ['-o ServerAliveCountMax=-1', 'serveralivecountmax is no number'],
    ['-o ServerAliveCountMax=2147483648', 'is no number from 0'],
    ['other.host', 'a word that is no option'],
    ['-C -- other.host', 'a word that is no option'],
    ['-W a:22', 'with -W ssh would connect to another machine'],
    ['-J a,,b', 'ProxyJump names no server that ssh would take'],
    ['-J -oProxyCommand=x', 'ProxyJump names no server that ssh would take'],
    ["-o 'ProxyCommand=nc %z'", 'ssh has no token "%z" there'],
  ])('%s are refused', async (text, message) => {
    const connection = connect.values({ ansible_ssh_common_args: text });
    await expect(connection).rejects.toMatchObject({ code: 'INVENTORY_SYNTAX', host: 'web1' });
    await expect(connection).rejects.toThrow(/^\/build\/inventory:4: host web1: /);
    await expect(connection).rejects.toThrow(message);
  });

  it('never show the value of an option, which may hold a password', async () => {
    const command = 'sshpass -p hunter2 ssh bastion';
    const { ignoredOptions } = await connect(
      `ansible_ssh_common_args='-o LocalCommand="${command}" -o SetEnv=A="${command}"'`,
    );
    expect(ignoredOptions).toEqual(['-o LocalCommand', '-o SetEnv']);
    for (const text of [`-o ProxyCommand="${command} %z"`, `-o 'ProxyCommand="${command}'`, '-p hunter2'])
      await expect(connect.values({ ansible_ssh_common_args: text })).rejects.not.toThrow('hunter2');
  });

  it('stay as they are for the ssh program', async () => {
    const { sshArguments } = await connect(
      "ansible_ssh_args='-o ControlMaster=auto'",
      `ansible_ssh_common_args='-o ProxyCommand="ssh -W %h:%p a b" -F none'`,
      'ansible_password=hunter2',
    );
    expect(sshArguments).toEqual(['-o', 'ControlMaster=auto', '-o', 'ProxyCommand=ssh -W %h:%p a b', '-F', 'none']);
  });
});
