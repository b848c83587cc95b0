import { describe, expect, it } from '@jest/globals';
import { becomeError } from './become-errors.js';

const place = (method: 'sudo' | 'su') => ({ host: 'db1', login: 'ops', method });

describe('what sudo and su say', () => {
  it.each([
    ['sudo', 'sudo: a password is required', 1, 'HOST_SUDO', 'sudo needs a password for ops.'],
    ['sudo', 'sudo: no tty present and no askpass program specified', 1, 'HOST_SUDO', 'sudo needs a password for ops.'],
    ['sudo', 'sudo: interactive authentication is required', 1, 'HOST_SUDO', 'sudo needs a password for ops.'],
    ['sudo', 'sudo: sorry, you must have a tty to run sudo', 1, 'HOST_TTY', 'sudoers has requiretty.'],
    [
      'sudo',
      'Sorry, try again.\nsudo: 1 incorrect password attempt',
      1,
      'HOST_SUDO',
      'does not accept the password for ops.',
    ],
    [
      'sudo',
      'sudo: Maximum 3 incorrect authentication attempts',
      1,
      'HOST_SUDO',
      'does not accept the password for ops.',
    ],
    [
      'sudo',
      'ops is not in the sudoers file.  This incident will be reported.',
      1,
      'HOST_SUDO',
      'refuses ops: ops is not in the sudoers',
    ],
    [
      'sudo',
      'Sorry, user ops may not run sudo on db1.',
      1,
      'HOST_SUDO',
      'refuses ops: Sorry, user ops may not run sudo',
    ],
    ['sudo', "sudo: I'm sorry ops. I'm afraid I can't do that", 1, 'HOST_SUDO', "refuses ops: sudo: I'm sorry ops"],
    [
      'sudo',
      "Sorry, user ops is not allowed to execute '/bin/sh -c a\nb' as root on db1.",
      1,
      'HOST_SUDO',
      'execute commands as root on db1.',
    ],
    ['sudo', 'lsbackup: 1: exec: sudo: not found', 127, 'HOST_SUDO', 'db1: there is no sudo.'],
    [
      'sudo',
      'lsbackup: 1: exec: sudo: Permission denied',
      126,
      'HOST_SUDO',
      'refuses ops: lsbackup: 1: exec: sudo: Permission denied',
    ],
    ['sudo', 'sudo: account validation failure, is your account locked?', 1, 'HOST_SUDO', 'is your account locked'],
    [
      'sudo',
      'sudo: Account or password is expired, reset your password and try again',
      1,
      'HOST_SUDO',
      'password is expired',
    ],
    [
      'sudo',
      'sudo: The "no new privileges" flag is set, which prevents sudo from running as root.',
      1,
      'HOST_SUDO',
      'sudo does not work for ops: sudo: The "no new',
    ],
    ['sudo', 'sudo: /etc/sudoers is world writable', 1, 'HOST_SUDO', 'sudo does not work for ops: sudo: /etc/sudoers'],
    ['sudo', '', 1, 'HOST_SUDO', 'sudo does not work for ops: it ended with status 1'],
    ['su', 'Password: su: Authentication failure', 1, 'HOST_SUDO', 'su does not accept the password for root.'],
    ['su', 'su: incorrect password', 1, 'HOST_SUDO', 'su does not accept the password for root.'],
    ['su', 'su: must be run from a terminal', 1, 'HOST_TTY', 'su works at a terminal only.'],
    ['su', 'standard in must be a tty', 1, 'HOST_TTY', 'su works at a terminal only.'],
    [
      'su',
      'The account is locked due to 3 failed logins.\n(1 minute left to unlock)\nPassword: su: Authentication failure',
      1,
      'HOST_SUDO',
      'The account is locked due to 3 failed logins.',
    ],
    ['su', 'su: Permission denied', 1, 'HOST_SUDO', 'su refuses ops: su: Permission denied'],
    ['su', 'su: using restricted shell /bin/menu', 1, 'HOST_SUDO', 'su: using restricted shell /bin/menu'],
    ['su', 'sh: exec: su: not found', 127, 'HOST_SUDO', 'db1: there is no su.'],
  ] as const)('%s: %s', (method, said, status, code, message) => {
    const error = becomeError({ said, status }, place(method));
    expect(error).toMatchObject({ code, host: 'db1', message: expect.stringContaining(message) });
    expect(error?.hint).toMatch(/\.$/);
    expect(error?.retryable).toBe(false);
  });

  it.each([
    ['a working directory that is missing', "lsbackup: 1: cd: can't cd to /no/such", 126],
    ['a user that is missing', 'sudo: unknown user postgres', 1],
    [
      'a user that is missing',
      'runuser: user postgres does not exist or the user entry does not contain all the required fields',
      1,
    ],
    ['no status', '', undefined],
  ])('is not to blame for %s', (_name, said, status) => {
    expect(becomeError({ said, status }, place('sudo'))).toBeUndefined();
  });
});
