import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import type { Connection } from '../cluster/cluster.js';
import { plainConnection, plainLogin } from '../cluster/connection/plain-connection.js';
import { masterStart } from './openssh-arguments.js';
import type { MasterStart } from './openssh-arguments.js';

function start(change: Partial<Connection>, forksByOption = true): MasterStart {
  const connection = { ...plainConnection('10.0.0.1'), ...change };
  return masterStart(connection, { directory: '/tmp/a b', version: { name: '', forksByOption }, shell: '/bin/bash' });
}

/** What ssh itself makes of the arguments; with no file of configuration. */
function asSshReads(change: Partial<Connection>): ReadonlyMap<string, readonly string[]> {
  // Without the log, which would be opened.
  const argv = start(change).argv.filter((word) => word !== '-E' && word !== '/tmp/a b/log');
  const output = execFileSync('ssh', ['-G', '-F', '/dev/null', ...argv], { stdio: ['ignore', 'pipe', 'ignore'] });
  const settings = new Map<string, string[]>();
  for (const line of output.toString().split('\n')) {
    const name = line.split(' ', 1)[0] ?? '';
    settings.set(name, [...(settings.get(name) ?? []), line.slice(name.length + 1)]);
  }
  return settings;
}

type Case = readonly [string, Partial<Connection>, string, readonly string[]];

describe("the arguments of the system's ssh", () => {
  const table: readonly Case[] = [
    ['a master of our own', {}, 'controlpath', ['/tmp/a b/s']],
    ['nobody to ask', {}, 'batchmode', ['yes']],
    ['no forwards', {}, 'clearallforwardings', ['yes']],
    ['to stay in the foreground', {}, 'forkafterauthentication', ['no']],
    ['signs of life', { keepAliveSeconds: 20 }, 'serveralivecountmax', ['3']],
    ['how long to wait', { connectSeconds: 7 }, 'connecttimeout', ['7']],
  ];

  it.each(table)('say %s', (_name, change, setting, expected) => {
    for (const transport of ['ssh', 'openssh'] as const)
      expect(asSshReads({ ...change, transport }).get(setting)).toEqual(expected);
  });

  it('have no option that is younger than the ssh', () => {
    expect(start({}, false).argv.join(' ')).not.toContain('Fork');
  });

  it('never take an address for an option', () => {
    const name = '-oProxyCommand=id';
    expect(() => asSshReads({ transport: 'openssh', sshDestination: name })).toThrow();
    expect(() => asSshReads({ address: name })).toThrow();
  });
});

describe("the arguments of the system's ssh, chosen for a host", () => {
  function chosen(sshArguments: readonly string[], change: Partial<Connection> = {}): ReturnType<typeof asSshReads> {
    return asSshReads({ transport: 'openssh', sshDestination: 'alias', sshArguments, ...change });
  }

  const jumps = [{ ...plainLogin('one'), user: 'a' }];
  const foundOut: Partial<Connection> = {
    address: '10.9.9.9',
    port: 2222,
    user: 'other',
    identityFiles: ['/k/one'],
    identitiesOnly: true,
    hostKeys: policy({ userFiles: ['/known'], alias: 'name', strict: 'no' }),
    jumps,
  };

  it('say nothing of what was found out without it: that may be another host', () => {
    const [plain, full] = [chosen([]), chosen([], foundOut)];
    expect([...full]).toEqual([...plain]);
    expect(full.get('hostname')).toEqual(['alias']);
    expect(start({ transport: 'openssh', jumps, proxyCommand: 'nc' }).files).toEqual({});
  });

  const table: readonly (readonly [readonly string[], string, readonly string[] | undefined])[] = [
    [['-C', '-o', 'Port=7', '-l', 'me'], 'compression', ['yes']],
    [['-oPort=7'], 'port', ['7']],
    [['-Jbastion'], 'proxyjump', ['bastion']],
    [['-o', 'StrictHostKeyChecking=no'], 'stricthostkeychecking', ['false']],
    [['-o', 'BatchMode=no'], 'batchmode', ['yes']],
    [['-o', 'ControlMaster=auto', '-S', '/other', '-M'], 'controlpath', ['/tmp/a b/s']],
    [['-o', 'LocalForward=8080 a:80'], 'localforward', undefined],
    [['-A'], 'forwardagent', ['no']],
    [['-XY'], 'forwardx11', ['no']],
    [['-o', 'ForwardAgent=yes'], 'forwardagent', ['no']],
    [['-t', '-s', '-f', '-G', '-qC'], 'sessiontype', ['none']],
    [['-vvqE', '/log', '-q'], 'loglevel', ['DEBUG']],
  ];

  it.each(table)("have Ansible's words %j without what a master cannot have", (words, setting, expected) => {
    expect(chosen(words).get(setting)).toEqual(expected);
  });
});

describe("the arguments of the system's ssh, in the place of our own", () => {
  const table: readonly Case[] = [
    ['the address', { address: 'fe80::1%eth0' }, 'hostname', ['fe80::1%eth0']],
    ['the port', { port: 2222 }, 'port', ['2222']],
    ['the user', { user: 'some one' }, 'user', ['some one']],
    ['keys in order', { identityFiles: ['/k/one', '/k/t w"o'] }, 'identityfile', ['/k/one', '/k/t w"o']],
    ['no key at all', { identityFiles: [] }, 'identityfile', ['none']],
    ['a certificate', { certificateFiles: ['/c/50%'] }, 'certificatefile', ['/c/50%%']],
    ['the agent', { agentSocket: '/agent 1' }, 'identityagent', ['/agent 1']],
    ['known hosts', { hostKeys: policy({ userFiles: ['/k h', '/two'] }) }, 'userknownhostsfile', ['/k h /two']],
    ['no known hosts', { hostKeys: policy({ userFiles: [] }) }, 'userknownhostsfile', ['/dev/null']],
    ['strict keys', {}, 'stricthostkeychecking', ['true']],
    ['new keys', { hostKeys: policy({ strict: 'accept-new' }) }, 'stricthostkeychecking', ['accept-new']],
    ['the name of a key', { hostKeys: policy({ alias: 'other' }) }, 'hostkeyalias', ['other']],
    ["nothing of Ansible's words", { sshArguments: ['-C', '-p', '7'] }, 'port', ['22']],
    ['a proxy command', { proxyCommand: 'nc -x "a b"' }, 'proxycommand', ["/bin/bash '/tmp/a b/way0'"]],
    ['no keys', { authentications: ['password'] }, 'pubkeyauthentication', ['false']],
    ['ciphers', { algorithms: { ...plainLogin('').algorithms, ciphers: 'aes256-ctr' } }, 'ciphers', ['aes256-ctr']],
  ];

  it.each(table)('say %s', (_name, change, setting, expected) => {
    expect(asSshReads(change).get(setting) ?? []).toEqual(expected);
  });

  const jumps = [
    { ...plainLogin('one'), user: 'a', identityFiles: ["/k/it's"], proxyCommand: 'first 100%' },
    { ...plainLogin('fe80::2'), port: 24, hostKeys: policy({ strict: 'no' }) },
  ];

  it('lead from one jump host to the other, with every setting of each', () => {
    const { files } = start({ jumps, port: 23 });
    expect(asSshReads({ jumps }).get('proxycommand')).toEqual(["/bin/sh '/tmp/a b/way2'"]);
    expect(Object.keys(files)).toEqual(['way0', 'way1', 'way2']);
    expect(files.way0).toBe('exec first 100%\n');
    expect(words(files.way1)).toEqual(
      expect.arrayContaining(['-W', '[fe80::2]:24', 'User=a', 'IdentityFile="/k/it\'s"', 'one']),
    );
    expect(words(files.way1)).toContain("ProxyCommand=/bin/bash '/tmp/a b/way0'");
    expect(words(files.way2)).toEqual(expect.arrayContaining(['-W', '[10.0.0.1]:23', 'Port=24', 'BatchMode=yes']));
    expect(words(files.way2)).toEqual(
      expect.arrayContaining(["ProxyCommand=/bin/sh '/tmp/a b/way1'", 'StrictHostKeyChecking=accept-new', 'fe80::2']),
    );
  });

  it('look at no configuration, for any server', () => {
    const { argv, files } = start({ jumps });
    for (const line of [argv, words(files.way1), words(files.way2)])
      expect(line.slice(line.indexOf('-F'), line.indexOf('-F') + 2)).toEqual(['-F', 'none']);
  });
});

/** The arguments that a shell makes of a line. */
function words(line = ''): readonly string[] {
  const output = execFileSync('/bin/sh', ['-c', `print() { printf "%s\\n" "$@"; }; ${line.replace('exec', 'print')}`]);
  return output.toString().split('\n');
}

function policy(change: Partial<Connection['hostKeys']>): Connection['hostKeys'] {
  return { ...plainLogin('').hostKeys, ...change };
}
