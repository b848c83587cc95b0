import { describe, expect, it } from '@jest/globals';
import { plainConnection } from '../cluster/connection/plain-connection.js';
import { opensshError, wasDropped } from './openssh-errors.js';
import { OpensshLog } from './openssh-log.js';

function log(...lines: readonly string[]): OpensshLog {
  return new OpensshLog(lines.map((line) => `${line}\r\n`).join(''));
}

const changed = '@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @';

describe('what ssh says', () => {
  const through = log(
    'OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.19 27 Jan 2026',
    "debug1: Executing proxy command: exec ssh -v -W '[10.0.0.1]:22' jump",
    'debug1: Connecting to jump [10.0.0.9] port 22.',
    "debug1: Authenticating to jump:22 as 'bob'",
    'debug1: using hostkeyalias: the-jump',
    'debug1: Server host key: ssh-ed25519 SHA256:aaa',
    changed,
    "debug1: Authenticating to fe80::1%eth0:2222 as 'it's me'",
    'debug1: Server host certificate: ssh-ed25519-cert-v01@openssh.com SHA256:bbb, serial 0 ID "x"',
    "Warning: Permanently added 'fe80::1' (ED25519) to the list of known hosts.",
  );

  it('tells the last server, and its key', () => {
    expect(through).toMatchObject({
      server: { address: 'fe80::1%eth0', port: 2222, user: "it's me" },
      hostKey: { type: 'ssh-ed25519-cert-v01@openssh.com', fingerprint: 'SHA256:bbb' },
      alias: undefined,
      isProxied: true,
      hasTried: true,
    });
    expect(through.said).toEqual([changed, expect.stringContaining('Permanently')]);
  });

  it('tells whose keys were accepted', () => {
    expect(through.accepted).toMatchObject([
      { server: { address: 'jump' }, key: { fingerprint: 'SHA256:aaa' }, as: 'changed' },
      { server: { port: 2222 }, key: { fingerprint: 'SHA256:bbb' }, as: 'added' },
    ]);
    expect(log(changed).accepted).toEqual([{ server: undefined, key: undefined, as: 'changed' }]);
  });
});

describe('the error of a login by the system’s ssh', () => {
  const host = { name: 'web1', groups: [], variables: {}, connection: plainConnection('10.0.0.1') };
  const proxied = 'debug1: Executing proxy command: exec something';
  const closed = [
    'kex_exchange_identification: Connection closed by remote host',
    'Connection closed by UNKNOWN port 65535',
  ];

  it.each([
    [
      [
        'Warning: Identity file /k not accessible: No such file or directory.',
        '/c: line 1: Bad configuration option: foo',
        '/c: terminating, 1 bad configuration options',
      ],
      "web1: the system's ssh does not take its options: /c: line 1: Bad configuration option: foo",
      false,
    ],
    [
      [proxied, 'channel 0: open failed: connect failed: Connection refused', 'stdio forwarding failed', ...closed],
      'web1: cannot connect to 10.0.0.1 port 22: channel 0: open failed: connect failed: Connection refused; stdio forwarding failed',
      true,
    ],
    [
      [proxied, ...closed],
      'web1: cannot connect to 10.0.0.1 port 22: the command that leads there ended and said nothing',
      true,
    ],
    [
      ['ssh: Could not resolve hostname x: Name or service not known'],
      'web1: cannot connect to 10.0.0.1 port 22: ssh: Could not resolve hostname x: Name or service not known',
      true,
    ],
  ])('is told in one sentence', async (lines, message, retryable) => {
    const error = await opensshError(host, log(...lines));
    expect([error.code, error.message, error.retryable]).toEqual(['HOST_UNREACHABLE', message, retryable]);
  });

  it('names the key by what it is looked up by', async () => {
    const of = (alias: readonly string[]): Promise<Error> =>
      opensshError(
        host,
        log(
          "debug1: Authenticating to 10.0.0.7:2222 as 'bob'",
          ...alias,
          'debug1: Server host key: ssh-ed25519 SHA256:aaa',
          'Offending ED25519 key in /nonexistent/known_hosts:3',
          'Host key verification failed.',
        ),
      );
    expect(await of([])).toMatchObject({ code: 'HOST_KEY', hint: expect.stringContaining("-R '[10.0.0.7]:2222' -f") });
    expect(await of(['debug1: using hostkeyalias: it'])).toMatchObject({ hint: expect.stringContaining("-R 'it' -f") });
  });

  it('lets a connection be tried again that was dropped at once, and no other', () => {
    expect(wasDropped(log(...closed))).toBe(true);
    expect(wasDropped(log('Warning: Identity file /k not accessible', ...closed))).toBe(true);
    expect(wasDropped(log('sh: nc: not found', ...closed))).toBe(false);
    expect(wasDropped(log('Connection closed by 10.0.0.1 port 22'))).toBe(false);
  });
});
