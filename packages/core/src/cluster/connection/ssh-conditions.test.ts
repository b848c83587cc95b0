import { describe, expect, it } from '@jest/globals';

import { inHome, put, reach, useSshHome } from './ssh-home.test-support.js';

useSshHome();

describe('conditions that only ssh can decide', () => {
  it.each([
    'HostName x',
    'Port 1',
    'User x',
    'ProxyJump x',
    'ProxyCommand x',
    'HostKeyAlias x',
    'StrictHostKeyChecking no',
    'UserKnownHostsFile x',
  ])('are refused where they would decide the way: %s', async (line) => {
    const path = await put(
      '.ssh/config',
      `Port 22\nMatch host web1 exec "touch ${inHome('ran')}"\n  ${line.replace('Port 1', 'User x')}\n`,
    );
    await expect(reach()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `${path}:2: only ssh itself can tell whether this Match applies, and it may set how the host is reached`,
      hint: expect.stringContaining('lsbackup_transport=openssh'),
    });
  });

  it('are passed over where another condition fails, where all is set before, and for the ssh program', async () => {
    await put('.ssh/config', 'Match host other exec "true"\nUser x\nMatch !exec "true" user other\nPort 9\n');
    expect(await reach()).toMatchObject({ user: undefined, port: 22, ignoredOptions: [] });
    await put('.ssh/config', 'User a\nMatch exec "true"\nUser x\nTCPKeepAlive no\n');
    expect(await reach()).toMatchObject({ user: 'a', ignoredOptions: [] });
    await put('.ssh/config', 'Match exec "true"\nUser x\n');
    expect(await reach({ lsbackup_transport: 'openssh' })).toMatchObject({ user: undefined, transport: 'openssh' });
  });

  it('are told of where they would set something else, also in files that they include', async () => {
    const path = await put('.ssh/config', `Match exec "true"\nIdentityFile /x\nInclude ${inHome('included')}\n`);
    await put('included', 'Host web1\nServerAliveInterval 5\n');
    expect(await reach()).toMatchObject({
      identityFiles: undefined,
      keepAliveSeconds: undefined,
      ignoredOptions: [`a Match that only ssh can decide (${path}:1)`],
    });
    await put('included', 'Host other\nUser x\nHost web1\nUser x\n');
    await expect(reach()).rejects.toThrow(`${path}:1: only ssh itself can tell`);
  });

  it.each([
    ['CanonicalizeHostname yes\nCanonicalDomains example.com\n', 'web1', 'refused'],
    ['CanonicalizeHostname yes\nCanonicalDomains example.com\n', 'web1.prod', 'refused'],
    ['CanonicalizeHostname yes\nCanonicalDomains example.com\n', 'web1.prod.eu', 'reached'],
    ['CanonicalizeHostname yes\nCanonicalDomains example.com\n', 'a.b.example.com', 'reached'],
    ['CanonicalizeHostname yes\nCanonicalDomains example.com\n', '10.0.0.1', 'reached'],
    ['CanonicalizeHostname yes\nCanonicalDomains none\n', 'web1', 'reached'],
    ['CanonicalizeHostname yes\n', 'web1', 'reached'],
    ['CanonicalizeHostname no\nCanonicalDomains example.com\n', 'web1', 'reached'],
    [
      'Host x\nCanonicalizeHostname no\nHost *\nCanonicalizeHostname yes\nCanonicalDomains a.b\nHost web1\nProxyJump x\n',
      'web1',
      'reached',
    ],
    [
      'Host x\nCanonicalizeHostname no\nHost *\nCanonicalizeHostname always\nCanonicalDomains a.b\nHost web1\nProxyJump x\n',
      'web1',
      'refused',
    ],
    ['CanonicalizePermittedCNAMEs *.a:*.b\n', 'web1', 'refused'],
    ['CanonicalizePermittedCNAMEs none\n', 'web1', 'reached'],
  ])('are names to be looked up: %j, %s is %s', async (config, address, outcome) => {
    await put('.ssh/config', config);
    const connection = reach({ ansible_host: address });
    if (outcome === 'reached') expect(await connection).toMatchObject({ address });
    else await expect(connection).rejects.toThrow('only ssh itself can find the canonical name');
    expect(await reach({ ansible_host: address, lsbackup_transport: 'openssh' })).toMatchObject({ address });
  });
});
