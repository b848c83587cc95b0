import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { cutConnection, endAllWays, moveBothWays, useAllWays } from '../support/become-checks.js';
import { becomeHost, rootPassword, type BecomeHost } from '../support/become-host.js';
import { rejection } from '../support/sample-remote.js';
import { asRoot } from '../support/test-users.js';

// Becoming root by the su of a real host.

jest.setTimeout(120_000);

let the: BecomeHost;

beforeAll(async () => {
  the = await becomeHost();
});

afterAll(async () => the[Symbol.asyncDispose]());

describe('su with a password', () => {
  it('does all that sudo does', async () => {
    await using remote = await the.connect('su', rootPassword);
    expect(remote.facts).toMatchObject({ loginIsRoot: false, hostname: 'mq1' });
    await useAllWays(remote);
    await moveBothWays(remote, 100);
    await endAllWays(remote, the.root);
    await cutConnection(the, 'su', rootPassword);
  });

  it("is told when root's shell may not be replaced by another", async () => {
    await asRoot(the.root, 'usermod -s /usr/bin/tail root');
    try {
      expect(await rejection(the.connect('su', rootPassword))).toMatchObject({
        code: 'HOST_SUDO',
        message: expect.stringContaining('su: using restricted shell /usr/bin/tail'),
      });
    } finally {
      await asRoot(the.root, 'usermod -s /bin/bash root');
    }
  });

  it.each([
    ['a wrong password', 'wrong', 'mq1: su does not accept the password for root.'],
    ['no password', undefined, 'mq1: su needs the password of root.'],
  ])('is told: %s', async (_name, text, message) => {
    const error = await rejection(the.connect('su', text));
    expect(error).toMatchObject({ code: 'HOST_SUDO', host: 'mq1', message });
  });

  it('is told when pam_wheel refuses', async () => {
    const pam = '/etc/pam.d/su';
    await asRoot(
      the.root,
      'cp -p "$1" "$1.lsbackup-test"; sed -i "1i auth required pam_wheel.so group=daemon" "$1"',
      '',
      pam,
    );
    try {
      expect(await rejection(the.connect('su', rootPassword))).toMatchObject({
        code: 'HOST_SUDO',
        message: expect.stringContaining('Permission denied'),
      });
    } finally {
      await asRoot(the.root, 'mv "$1.lsbackup-test" "$1"', '', pam);
    }
  });
});
