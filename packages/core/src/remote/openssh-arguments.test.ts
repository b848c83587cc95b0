import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import type { Connection } from '../cluster/cluster.js';
import { plainConnection, plainLogin } from '../cluster/connection/plain-connection.js';
import { masterStart } from './openssh-arguments.js';

/** What ssh itself makes of the arguments; with no file of configuration. */
function asSshReads(change: Partial<Connection>): ReadonlyMap<string, readonly string[]> {
  const { argv } = masterStart({ ...plainConnection('10.0.0.1'), ...change }, '/tmp/a b');
  const output = execFileSync('ssh', ['-G', '-F', '/dev/null', ...argv], { stdio: ['ignore', 'pipe', 'ignore'] });
  const settings = new Map<string, string[]>();
  for (const line of output.toString().split('\n')) {
    const name = line.split(' ', 1)[0] ?? '';
    settings.set(name, [...(settings.get(name) ?? []), line.slice(name.length + 1)]);
  }
  return settings;
}

describe("the arguments of the system's ssh", () => {
  const table: readonly (readonly [string, Partial<Connection>, string, readonly string[]])[] = [
    ['the address', { address: 'fe80::1' }, 'hostname', ['fe80::1']],
    ['the port', { port: 2222 }, 'port', ['2222']],
    ['the user', { user: 'some one' }, 'user', ['some one']],
    ['keys in order', { identityFiles: ['/k/one', '/k/t w"o'] }, 'identityfile', ['/k/one', '/k/t w"o']],
    ['no key at all', { identityFiles: [] }, 'identityfile', ['none']],
    ['a certificate', { certificateFiles: ['/c/50%'] }, 'certificatefile', ['/c/50%%']],
    ['known hosts', { hostKeys: policy({ userFiles: ['/k h', '/two'] }) }, 'userknownhostsfile', ['/k h /two']],
    ['no known hosts', { hostKeys: policy({ userFiles: [] }) }, 'userknownhostsfile', ['/dev/null']],
    ['strict keys', {}, 'stricthostkeychecking', ['true']],
    [
      'strict keys, whatever Ansible says',
      { sshArguments: ['-o', 'StrictHostKeyChecking=no'] },
      'stricthostkeychecking',
      ['true'],
    ],
    ['new keys', { hostKeys: policy({ strict: 'accept-new' }) }, 'stricthostkeychecking', ['accept-new']],
    ['the name of a key', { hostKeys: policy({ alias: 'other' }) }, 'hostkeyalias', ['other']],
    ['what Ansible says besides', { sshArguments: ['-C', '-o', 'GSSAPIAuthentication=yes'] }, 'compression', ['yes']],
    [
      'a master of our own, whatever Ansible says',
      { sshArguments: ['-o', 'ControlMaster=auto', '-S', '/other'] },
      'controlpath',
      ['/tmp/a b/s'],
    ],
    ['nobody to ask', { sshArguments: ['-o', 'BatchMode=no'] }, 'batchmode', ['yes']],
    ['no forwards', { sshArguments: ['-o', 'LocalForward=8080 a:80'] }, 'clearallforwardings', ['yes']],
    ['signs of life', { keepAliveSeconds: 20 }, 'serveralivecountmax', ['3']],
    ['a proxy command', { proxyCommand: 'nc -x "a b"' }, 'proxycommand', ["/bin/sh '/tmp/a b/way0'"]],
    ['ciphers', { algorithms: { ...plainLogin('').algorithms, ciphers: 'aes256-ctr' } }, 'ciphers', ['aes256-ctr']],
  ];

  it.each(table)('say %s', (_name, change, setting, expected) => {
    expect(asSshReads(change).get(setting) ?? []).toEqual(expected);
  });

  it('leave to ssh what a host is called where ssh was chosen for it', () => {
    const change = { sshDestination: 'alias', address: '10.9.9.9' };
    expect(asSshReads({ ...change, transport: 'openssh' }).get('hostname')).toEqual(['alias']);
    expect(asSshReads(change).get('hostname')).toEqual(['10.9.9.9']);
  });

  it('leave out what Ansible would pass on and a master cannot have', () => {
    const sshArguments = ['-fC', '-J', 'bastion', '-Jbastion', '-vE', '/log', '-o', 'Tag=x', '-Mp', '7', '-i/key'];
    const { argv } = masterStart({ ...plainConnection('10.0.0.1'), sshArguments }, '/d');
    const text = argv.join(' ');
    expect(text).toContain(' -C -v -o Tag=x -p 7 -i /key -S ');
    expect(text).not.toMatch(/bastion|\/log| -f| -M/);
  });

  it('never take an address for an option', () => {
    expect(() => asSshReads({ sshDestination: '-oProxyCommand=id' })).toThrow();
  });

  it('lead from one jump host to the other, with every setting of each', () => {
    const jumps = [
      { ...plainLogin('one'), user: 'a', identityFiles: ["/k/it's"], proxyCommand: 'first 100%' },
      { ...plainLogin('fe80::2'), port: 24 },
    ];
    const { files } = masterStart({ ...plainConnection('10.0.0.1'), jumps, port: 23 }, '/d');
    expect(asSshReads({ jumps }).get('proxycommand')).toEqual(["/bin/sh '/tmp/a b/way2'"]);
    expect(Object.keys(files)).toEqual(['way0', 'way1', 'way2']);
    expect(files.way0).toBe('exec first 100%\n');
    expect(words(files.way1)).toEqual(
      expect.arrayContaining([
        '-W',
        '[fe80::2]:24',
        'User=a',
        'IdentityFile="/k/it\'s"',
        'ProxyCommand=/bin/sh /d/way0',
        'one',
      ]),
    );
    expect(words(files.way2)).toEqual(
      expect.arrayContaining([
        '-W',
        '[10.0.0.1]:23',
        'Port=24',
        'BatchMode=yes',
        'ProxyCommand=/bin/sh /d/way1',
        'fe80::2',
      ]),
    );
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
