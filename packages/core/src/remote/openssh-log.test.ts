import { describe, expect, it } from '@jest/globals';
import { plainConnection } from '../cluster/connection/plain-connection.js';
import { opensshError, wasDropped } from './openssh-errors.js';
import { OpensshLog } from './openssh-log.js';

function text(lines: readonly string[]): string {
  return lines.map((line) => `${line}\r\n`).join('');
}

function log(ofHost: readonly string[], ofWay: readonly string[] = []): OpensshLog {
  return new OpensshLog(text(ofHost), text(ofWay));
}

const changed = '@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @';

describe('what ssh says', () => {
  const through = log(
    [
      'OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.19 27 Jan 2026',
      "debug1: Executing proxy command: exec ssh -v -W '[10.0.0.1]:22' jump",
      "debug1: Authenticating to fe80::1%eth0:2222 as 'it's me'",
      'debug1: Server host certificate: ssh-ed25519-cert-v01@openssh.com SHA256:bbb, serial 0 ID "x"',
      "Warning: Permanently added 'fe80::1' (ED25519) to the list of known hosts.",
      'Authenticated to fe80::1%eth0 (via proxy) using "publickey".',
    ],
    [
      'debug1: Connecting to jump [10.0.0.9] port 22.',
      "debug1: Authenticating to jump:22 as 'bob'",
      'debug1: using hostkeyalias: the-jump',
      'debug1: Server host key: ssh-ed25519 SHA256:aaa',
      changed,
    ],
  );

  it('tells the host, and its key', () => {
    expect(through).toMatchObject({
      host: {
        server: { address: 'fe80::1%eth0', port: 2222, user: "it's me" },
        hostKey: { type: 'ssh-ed25519-cert-v01@openssh.com', fingerprint: 'SHA256:bbb' },
        alias: undefined,
        accepted: 'added',
        said: [expect.stringContaining('Permanently')],
      },
      isProxied: true,
      hasTried: true,
    });
  });

  it('tells a server on the way', () => {
    expect(through.way).toEqual({
      server: { address: 'jump', port: 22, user: 'bob' },
      hostKey: { type: 'ssh-ed25519', fingerprint: 'SHA256:aaa' },
      alias: 'the-jump',
      accepted: 'changed',
      said: [changed],
      isContradictory: false,
    });
  });

  it.each([
    [changed, 'changed'],
    ['@       WARNING: REVOKED HOST KEY DETECTED!               @', 'revoked'],
    ["Warning: Permanently added 'a' (ED25519) to the list of known hosts.", 'added'],
    ['Failed to add the host to the list of known hosts (/k).', 'new'],
    ['Welcome', undefined],
  ])('%j tells of a key: %s', (line, accepted) => {
    expect(log([line]).host.accepted).toBe(accepted);
  });

  const host = ["debug1: Authenticating to 10.0.0.1:22 as 'bob'", 'debug1: Server host key: x SHA256:aaa', changed];

  it.each([
    ["debug1: Authenticating to 10.0.0.1:22 as 'bob'"],
    ['debug1: Server host key: x SHA256:bbb'],
    [
      "Authentications that can continue: a\r\ndebug1: Authenticating to h:22 as 'root'\r\ndebug1: using hostkeyalias: h",
    ],
  ])('forgets nothing of a host that makes ssh write %j', (forged) => {
    expect(log(host).host.isContradictory).toBe(false);
    expect(log([...host, forged]).host).toMatchObject({
      server: { address: '10.0.0.1', user: 'bob' },
      hostKey: { fingerprint: 'SHA256:aaa' },
      accepted: 'changed',
      isContradictory: true,
    });
  });

  it('takes from a greeting of a server nothing about the host', () => {
    const said = log(
      ["debug1: Authenticating to 10.0.0.1:22 as 'bob'", 'debug1: Server host key: x SHA256:aaa'],
      ["debug1: Authenticating to 10.9.9.9:22 as 'root'", 'debug1: Server host key: ssh-ed25519 SHA256:xxx'],
    );
    expect(said.host).toMatchObject({ server: { user: 'bob' }, hostKey: { fingerprint: 'SHA256:aaa' } });
  });
});

describe('the error of a login by the system’s ssh', () => {
  const host = { name: 'web1', groups: [], variables: {}, connection: plainConnection('10.0.0.1') };
  const closed = [
    'kex_exchange_identification: Connection closed by remote host',
    'Connection closed by UNKNOWN port 65535',
  ];
  const proxied = ['debug1: Executing proxy command: exec something', ...closed];

  it.each([
    [
      ['/c: line 1: Bad configuration option: foo', '/c: terminating, 1 bad configuration options'],
      ['Warning: Identity file /k not accessible: No such file or directory.'],
      "the system's ssh does not take its options: /c: line 1: Bad configuration option: foo",
      false,
    ],
    [
      [],
      ["command-line line 0: Bad SSH2 cipher spec 'foo'."],
      "the system's ssh does not take its options: command-line line 0: Bad SSH2 cipher spec 'foo'.",
      false,
    ],
    [
      proxied,
      ['channel 0: open failed: connect failed: Connection refused', 'stdio forwarding failed'],
      'cannot connect to 10.0.0.1 port 22: channel 0: open failed: connect failed: Connection refused; stdio forwarding failed',
      true,
    ],
    [proxied, [], 'cannot connect to 10.0.0.1 port 22: the command that leads there ended and said nothing', true],
    [
      ['ssh: Could not resolve hostname x: Name or service not known'],
      [],
      'cannot connect to 10.0.0.1 port 22: ssh: Could not resolve hostname x: Name or service not known',
      true,
    ],
  ])('is told in one sentence', async (ofHost, ofWay, message, retryable) => {
    const error = await opensshError(host, log(ofHost, ofWay));
    expect([error.code, error.message, error.retryable]).toEqual(['HOST_UNREACHABLE', `web1: ${message}`, retryable]);
  });

  it('is that of a jump host whose key has changed, where its configuration would take any', async () => {
    const ofWay = [
      "debug1: Authenticating to jump:22 as 'bob'",
      'debug1: Server host key: ssh-ed25519 SHA256:aaa',
      changed,
      'Offending ED25519 key in /nonexistent/known_hosts:3',
      'Error: forwarding disabled due to host key check failure',
    ];
    expect(await opensshError(host, log(proxied, ofWay))).toMatchObject({
      code: 'HOST_KEY',
      message: expect.stringMatching(/^web1: host key changed: bob@jump port 22 shows ssh-ed25519 key SHA256:aaa, /),
    });
  });

  it('names the key by what it is looked up by', async () => {
    const of = (alias: readonly string[]): Promise<Error> =>
      opensshError(
        host,
        log([
          "debug1: Authenticating to 10.0.0.7:2222 as 'bob'",
          ...alias,
          'debug1: Server host key: ssh-ed25519 SHA256:aaa',
          'Offending ED25519 key in /nonexistent/known_hosts:3',
          'Host key verification failed.',
        ]),
      );
    expect(await of([])).toMatchObject({ code: 'HOST_KEY', hint: expect.stringContaining("-R '[10.0.0.7]:2222' -f") });
    expect(await of(['debug1: using hostkeyalias: it'])).toMatchObject({ hint: expect.stringContaining("-R 'it' -f") });
  });

  it('lets a connection be tried again that was dropped at once, and no other', () => {
    expect(wasDropped(log(closed))).toBe(true);
    expect(wasDropped(log(closed, ['Welcome']))).toBe(true);
    expect(wasDropped(log(proxied))).toBe(true);
    expect(wasDropped(log(proxied, ['sh: nc: not found']))).toBe(false);
    expect(wasDropped(log(['Connection closed by 10.0.0.1 port 22']))).toBe(false);
  });
});
