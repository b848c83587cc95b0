import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import * as fc from 'fast-check';

import { ourAnswer, sshAnswer, writeConfig } from './ssh-oracle.test-support.js';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lsbackup-ssh-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const none = '# nothing\n';

/** Each is resolved here and by `ssh -G`. */
const cases: readonly (readonly [config: string, words: readonly string[]])[] = [
  [none, ['web1']],
  ['Host web1\n  HostName 10.0.0.1\n  User bob\n  Port 2222\n', ['web1']],
  ['Host web1\n  HostName 10.0.0.1\n', ['-p', '23', '-l', 'ann', 'web1']],
  ['User first\nUser second\nHost *\nUser third\n', ['web1']],
  ['Host web*\nUser a\nHost *1\nUser b\nPort 3\n', ['web1']],
  ['Host web? !web1\nUser a\n', ['web1']],
  ['Host web? !web1\nUser a\n', ['web2']],
  ['Host !web1\nUser a\n', ['web2']],
  ['Host WEB1\nUser a\nHost web1\nUser b\n', ['web1']],
  ['Host web1\nUser a\n', ['WEB1']],
  ['Host a b\tc\nUser a\n', ['c']],
  ['Host "a b" c\nUser a\n', ['c']],
  ['Host=web1\nUser=a\nPort = 24\n', ['web1']],
  ['host web1\n\tuSER a\n   pORT\t\t25   \n', ['web1']],
  ['Host web1 # note\nUser a # note\nPort 26 #27\n', ['web1']],
  ['Host web1 # web2\nUser a\n', ['web2']],
  ['User "a b"\n', ['web1']],
  ["User 'a b'\n", ['web1']],
  ['User a b\n', ['web1']],
  ['User\n', ['web1']],
  ['User ""\n', ['web1']],
  ['User "a\n', ['web1']],
  ['"User" a\n', ['web1']],
  ['HostName %h.example.com\n', ['Web1']],
  ['HostName %%h\n', ['web1']],
  ['HostName %n\n', ['web1']],
  ['HostName 10.0.0.1\nMatch host 10.0.0.1\nUser a\n', ['web1']],
  ['Match host 10.0.0.1\nUser a\nHost *\nHostName 10.0.0.1\n', ['web1']],
  ['HostName 10.0.0.1\nMatch originalhost web1\nUser a\n', ['web1']],
  ['Match host WEB1\nUser a\n', ['web1']],
  ['Match host web*,!web1\nUser a\n', ['web1']],
  ['Match !host web1\nUser a\n', ['web1']],
  ['Match !host web2\nUser a\n', ['web1']],
  ['User bob\nMatch user bob\nPort 30\n', ['web1']],
  ['Match user bob\nPort 30\n', ['bob@web1']],
  ['Match localuser nobody-else\nPort 30\nMatch localuser *\nPort 31\n', ['web1']],
  ['Match all\nPort 32\n', ['web1']],
  ['Match !all\nPort 32\n', ['web1']],
  ['Match host web1 all\nPort 32\n', ['web1']],
  ['Match host web1 user * all\nPort 32\n', ['web1']],
  ['Match all host web1\nPort 32\n', ['web1']],
  ['Match host=web1 user=*\nPort 33\n', ['web1']],
  ['Match host\nPort 33\n', ['web1']],
  ['Match # nothing\nPort 33\n', ['web1']],
  ['Match flavour sweet\nPort 33\n', ['web1']],
  ['Match final\nUser a\nHost *\nUser b\nPort 34\n', ['web1']],
  ['HostName web1.example.com\nMatch final host *.example.com\nIdentityFile /f\n', ['web1']],
  ['HostName web1.example.com\nHost *.example.com\nUser late\nMatch final\n', ['web1']],
  ['Match !final\nUser a\n', ['web1']],
  ['Match canonical\nUser a\n', ['web1']],
  ['Match final all\nUser a\n', ['web1']],
  ['IdentityFile /a\nIdentityFile /b\nHost web1\nIdentityFile /c\nIdentityFile /a\n', ['web1']],
  ['IdentityFile "/a b"\nIdentityFile /c\\ d\nIdentityFile ~/e\nIdentityFile %d/%u-%h\n', ['web1']],
  ['IdentityFile /b\nCertificateFile /c-cert.pub\nIdentitiesOnly yes\n', ['-o', 'IdentityFile=/a', 'web1']],
  ['IdentityAgent none\n', ['web1']],
  ['IdentityAgent SSH_AUTH_SOCK\n', ['web1']],
  ['IdentityAgent ~/agent-%u\n', ['web1']],
  ['UserKnownHostsFile /a ~/b "/c d"\nUserKnownHostsFile /e\n', ['web1']],
  ['UserKnownHostsFile /dev/null\nGlobalKnownHostsFile /a /b\n', ['web1']],
  ['UserKnownHostsFile none\n', ['web1']],
  ['UserKnownHostsFile /a none\n', ['web1']],
  ['UserKnownHostsFile ~/known-%k-%p\nHostKeyAlias Cluster\nPort 40\n', ['web1']],
  ['StrictHostKeyChecking accept-new\nHashKnownHosts yes\nRevokedHostKeys ~/revoked\n', ['web1']],
  ['StrictHostKeyChecking off\n', ['web1']],
  ['StrictHostKeyChecking maybe\n', ['web1']],
  ['ServerAliveInterval 1h30m\nConnectTimeout 90s\n', ['web1']],
  ['ServerAliveInterval often\n', ['web1']],
  ['ServerAliveCountMax 5\nServerAliveInterval 0\n', ['web1']],
  ['ServerAliveCountMax -1\n', ['web1']],
  ['ServerAliveCountMax 0x5\n', ['web1']],
  ['ServerAliveCountMax 2147483648\n', ['web1']],
  ['PasswordAuthentication no\nChallengeResponseAuthentication no\n', ['web1']],
  ['PubkeyAuthentication no\n', ['web1']],
  ['ProxyJump a\nProxyCommand nc %h %p\n', ['web1']],
  ['ProxyCommand nc %h %p # all of it\nProxyJump a\n', ['web1']],
  ['ProxyCommand = nc "%h" %p\n', ['web1']],
  ['ProxyCommand nc "%h %p\n', ['web1']],
  ['ProxyJump none\nProxyJump a\n', ['web1']],
  ['ProxyJump none\nProxyCommand nc %h %p\n', ['web1']],
  ['ProxyCommand none\nProxyJump a\n', ['web1']],
  ['ProxyJump bob@a:2222,b,ssh://c@d:33 # note\n', ['web1']],
  ['ProxyJump [::1]:22\n', ['web1']],
  ['ProxyJump ::1\n', ['web1']],
  ['ProxyJump a,,b\n', ['web1']],
  ['ProxyJump a:0\n', ['web1']],
  ['ProxyJump @a\n', ['web1']],
  ['Host web1\nProxyJump a\n', ['-J', 'b,c', 'web1']],
  ['ProxyJump a\n', ['-J', 'none', 'web1']],
  ['Port 22x\n', ['web1']],
  ['Port 0\n', ['web1']],
  ['Port 65536\n', ['web1']],
  [none, ['-oPort=22', '-oUser a', '-o', 'hostname = b', '-qvC4', '-Tp1', 'web1', '-l', 'x']],
  [none, ['-4A6tt', '-R', '1:a:1', '-oUser=x', 'web1']],
  [none, ['-o', 'Port', 'web1']],
  [none, ['-Z', 'web1']],
  [none, ['-l', 'a b', 'web1']],
  [none, ['-p', 'x', 'web1']],
  [none, ['user@web1']],
  [none, ['-l', 'first', 'second@web1']],
  [none, ['a@b@web1']],
  [none, ['@web1']],
  [none, ['ssh://bob@web1:2022']],
  [none, ['ssh://web1/']],
  [none, ['ssh://web1/path']],
  [none, ['-o', 'User=x', 'ssh://bob@web1']],
  [none, ['a;b']],
  [none, ['a$(b)']],
  [none, ['--', '-web1']],
  [none, ['::1']],
  [none, ['2001:DB8:0::1']],
  [none, ['10.0.0.1']],
  [none, ['127.1']],
  [none, ['0x7f.010.1']],
  [none, ['09.1']],
  [none, ['1.2.3.4.5']],
  [none, ['256.1.1.1']],
  [none, ['1.2.3.4.Example.com']],
  ['Include %I/more\nPort 50\n', ['web1']],
  ['Host web1\nInclude %I/more\nPort 50\n', ['web1']],
  ['Host web2\nInclude %I/more\nHost *\nPort 50\n', ['web1']],
  ['Include %I/m*e %I/second\n', ['web1']],
  ['Include %I/nothing-*\nPort 51\n', ['web1']],
  ['Include %I/[lm]o?e\nPort 51\n', ['web1']],
  ['Include %I/.h* %I/*idden\nPort 51\n', ['web1']],
  ['Include "%I/with space"\n', ['web1']],
  ['Include %I/loop\n', ['web1']],
  ['\r\nHost web1\r\n  Port 52\r\n', ['web1']],
  ['Port 54', ['web1']],
  ['GSSAPIAuthentication yes\nSendEnv LANG LC_*\nForwardAgent yes\nControlMaster auto\n', ['web1']],
];

const included = {
  more: 'User included\nHost web1\nPort 49\nMatch all\nIdentityFile /inc\n',
  second: 'Port 48\n',
  '.hidden': 'Port 47\n',
  'with space': 'Port 46\n',
  loop: 'Include %I/loop\n',
};

describe('resolveOptions and ssh -G agree', () => {
  it.each(cases)('%j, %j', async (config, words) => {
    const file = await writeConfig(directory, config, included);
    expect(await ourAnswer(file, words)).toEqual(await sshAnswer(file, words));
  });

  it('about any configuration', async () => {
    const name = fc.constantFrom('web1', 'web2', 'db1.example.com', '10.0.0.1');
    const pattern = fc.constantFrom('web1', 'web*', '!web1', '*', '?eb2', '*.example.com', '!*.com', '10.0.0.*', 'x');
    const criterion = fc.constantFrom('host', 'originalhost', 'user', 'localuser', '!host', '!user');
    // Valid values only: ssh looks at those of blocks that do not apply as well.
    const values = {
      HostName: ['a', '%h.example.com', 'web2', '127.1', '22'],
      User: ['web1', '"q r"', 'a'],
      Port: ['22', '2222', '"23"'],
      IdentityFile: ['/f', '~/f', '"/f g"', 'none', '%d/x'],
      ProxyJump: ['hop', 'b@hop:22,c', 'none'],
      ProxyCommand: ['none', 'nc %h %p', '"nc" x'],
      HostKeyAlias: ['Alias', 'b'],
      UserKnownHostsFile: ['/a /b', '/%k'],
    };
    const setting = fc
      .constantFrom(...Object.entries(values))
      .chain(([keyword, all]) =>
        fc.tuple(fc.constant(keyword), fc.constantFrom(' ', '=', ' = ', '\t'), fc.constantFrom(...all)),
      );
    const line = fc.oneof(
      setting.map((parts) => parts.join('')),
      fc.array(pattern, { minLength: 1, maxLength: 3 }).map((patterns) => `Host ${patterns.join(' ')}`),
      fc
        .array(fc.tuple(criterion, pattern), { minLength: 1, maxLength: 2 })
        .map((all) => `Match ${all.flat().join(' ')}`),
      fc.constantFrom(
        'Match final',
        'Match !final host *.com',
        'Match all',
        'Match canonical',
        'Include %I/more',
        '# x',
      ),
    );
    const config = fc.array(line, { maxLength: 12 }).map((lines) => `${lines.join('\n')}\n`);
    await fc.assert(
      fc.asyncProperty(config, name, async (text, host) => {
        const file = await writeConfig(directory, text, included);
        expect(await ourAnswer(file, [host])).toEqual(await sshAnswer(file, [host]));
      }),
      { numRuns: 100 },
    );
  });
});
