import { describe, expect, it } from '@jest/globals';
import { BackupError, type ErrorCode } from '../model/errors.js';
import { FakeHost, fakeInventoryHost } from '../testing/fake-host.js';
import { plainConnection } from '../cluster/connection/plain-connection.js';
import { connected, notConnected } from './way-in-checks.js';

const user = { name: 'me', homeDirectory: '/home/me' };

describe('the way in', () => {
  it.each<[ErrorCode, string]>([
    ['HOST_UNREACHABLE', 'reach failed, host-key skipped, login skipped, commands skipped, become skipped'],
    ['HOST_KEY', 'reach skipped, host-key failed, login skipped, commands skipped, become skipped'],
    ['HOST_KEY_FILE', 'reach skipped, host-key skipped, login failed, commands skipped, become skipped'],
    ['HOST_AUTH', 'reach ok, host-key ok, login failed, commands skipped, become skipped'],
    ['STREAM_BANNER', 'reach ok, host-key ok, login ok, commands failed, become skipped'],
    ['COMMAND_TIMEOUT', 'reach ok, host-key ok, login ok, commands failed, become skipped'],
    ['HOST_SUDO', 'reach ok, host-key ok, login ok, commands ok, become failed'],
    ['HOST_TTY', 'reach ok, host-key ok, login ok, commands ok, become failed'],
  ])('that ended with %s tells what went well before', (code, expected) => {
    const error = new BackupError(code, 'a: no way', { hint: 'Find one.' });
    const findings = notConnected(fakeInventoryHost('a'), error, ['commands', 'clock']);
    const way = findings.slice(0, -1).map(({ check, status }) => `${check} ${status}`);
    expect(way.join(', ')).toBe(expected);
    expect(findings.at(-1)).toEqual({ check: 'clock', status: 'skipped', detail: 'no connection' });
    expect(findings.find(({ status }) => status === 'failed')).toMatchObject({
      detail: 'no way',
      remedy: 'Find one.',
      code,
    });
  });

  it('of a host with jumps names each, with the users', () => {
    const remote = new FakeHost();
    const jumps = [
      { ...plainConnection('gate'), user: 'door' },
      { ...plainConnection('192.0.2.7'), port: 2222, user: undefined },
    ];
    const host = { ...remote.host, connection: { ...remote.host.connection, jumps, transport: 'openssh' as const } };
    const findings = connected(
      { facts: remote.facts, host },
      {
        user,
        milliseconds: 12.4,
        warnings: [],
      },
    );
    expect(findings.map(({ detail }) => detail)).toEqual([
      'connected in 12 ms',
      'known key SHA256:fake',
      "admin@192.0.2.1 through door@gate, me@192.0.2.7 port 2222 by the system's ssh",
      'root by sudo',
      'Debian GNU/Linux 12 (bookworm)',
    ]);
  });

  it('tells a key that was accepted unchecked, and what else was told while connecting', () => {
    const warnings = [
      { code: 'HOST_KEY_UNCHECKED', message: 'host1: its key was accepted' },
      { code: 'OTHER', message: 'host1: by the way' },
    ];
    const findings = connected(new FakeHost(), { user, milliseconds: 1, warnings });
    expect(findings.filter(({ status }) => status === 'warning')).toMatchObject([
      {
        check: 'host-key',
        code: 'HOST_KEY_UNCHECKED',
        detail: 'its key was accepted',
        remedy: expect.stringContaining('known hosts'),
      },
      { check: 'connection', code: 'OTHER', detail: 'by the way' },
    ]);
  });
});
