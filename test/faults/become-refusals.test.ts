import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { becomeHost, name, password, type BecomeHost } from '../support/become-host.js';
import { rejection } from '../support/sample-remote.js';
import { asRoot } from '../support/test-users.js';

// A real sudo that does not let the user become root.

interface Refusal {
  /** Of sudoers, for the user. */
  readonly defaults?: string;
  readonly rule?: string;
  /** The password given. */
  readonly text?: string;
}

jest.setTimeout(120_000);

let the: BecomeHost;

beforeAll(async () => {
  the = await becomeHost();
});

afterAll(async () => the[Symbol.asyncDispose]());

describe('a sudo that cannot be used', () => {
  const wrong = { code: 'HOST_SUDO', host: 'mq1', message: `mq1: sudo does not accept the password for ${name}.` };

  it.each([
    ['a wrong password', { text: 'wrong' }, wrong],
    ['a wrong password, one try', { defaults: 'passwd_tries=1', text: 'wrong' }, wrong],
    ['a wrong password, insulted', { defaults: 'insults, badpass_message="Nein!"', text: 'wrong' }, wrong],
    [
      "the user's password where root's is wanted",
      { defaults: 'rootpw', text: password },
      { ...wrong, message: 'mq1: sudo does not accept the password for root.' },
    ],
    [
      'no password',
      {},
      {
        code: 'HOST_SUDO',
        message: `mq1: sudo needs a password for ${name}.`,
        hint: expect.stringMatching(/--ask-become-pass.*ansible_become_password.*NOPASSWD/),
      },
    ],
    [
      'no entry in sudoers',
      { rule: 'nobody ALL=(ALL) ALL', text: password },
      { code: 'HOST_SUDO', message: expect.stringContaining(`${name} is not in the sudoers file`) },
    ],
    [
      'another user only',
      { rule: `${name} ALL=(www-data) ALL`, text: password },
      { code: 'HOST_SUDO', message: expect.stringContaining('not allowed to execute commands as root on mq1') },
    ],
    [
      'a terminal is required',
      { defaults: 'requiretty', text: password },
      { code: 'HOST_TTY', hint: expect.stringContaining('!requiretty') },
    ],
    [
      'a password too long for sudo',
      { text: 'x'.repeat(300) },
      { code: 'HOST_SUDO', message: expect.stringContaining('longer than 255 bytes') },
    ],
  ])('is told: %s', async (_name, { defaults, rule, text }: Refusal, expected) => {
    await the.allow(defaults === undefined ? '' : `Defaults:${name} ${defaults}`, rule);
    const error = await rejection(the.connect('sudo', text));
    expect(error).toMatchObject(expected);
    expect(String(error)).not.toMatch(/lsbackup-[0-9a-f]{32}/);
  });

  it('is given a wrong password once', async () => {
    await the.allow(`Defaults:${name} passwd_tries=5, logfile=/var/tmp/${name}.log`);
    await rejection(the.connect('sudo', 'wrong'));
    const log = await asRoot(the.root, 'cat "$1"; rm "$1"', '', `/var/tmp/${name}.log`);
    expect(log.replaceAll(/\s+/g, ' ').match(/\d+ incorrect password attempts?/g)).toEqual([
      '1 incorrect password attempt',
    ]);
  });

  it('fails a command whose password was changed meanwhile, and gives it none of its input', async () => {
    await the.allow(`Defaults:${name} timestamp_timeout=0`);
    await using remote = await the.connect('sudo', password);
    await asRoot(the.root, 'chpasswd', `${name}:other\n`);
    try {
      const file = `/var/tmp/${name}-never`;
      const command = { argv: ['tee', file], become: 'root' };
      expect(await rejection(remote.write(command, Readable.from([Buffer.from('data')])))).toMatchObject(wrong);
      expect(await asRoot(the.root, 'ls "$1" 2>/dev/null || echo none', '', file)).toBe('none\n');
    } finally {
      await asRoot(the.root, 'chpasswd', `${name}:${password}\n`);
    }
  });
});
