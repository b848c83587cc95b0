import { describe, expect, it } from '@jest/globals';
import { becomeError } from './become-errors.js';

const place = (method: 'sudo' | 'su') => ({ host: 'db1', login: 'ops', method });

describe('what sudo and su say', () => {
  it.each([
    ['sudo', 'sudo: a password is required', 'sudo needs a password for ops.', 1],
    ['sudo', 'sudo: no tty present and no askpass program specified', 'sudo needs a password for ops.', 1],
    ['sudo', 'sudo: interactive authentication is required', 'sudo needs a password for ops.', 1],
    ['sudo', 'Sorry, try again.\nsudo: 1 incorrect password attempt', 'does not accept the password for ops.', 1],
    ['sudo', 'sudo: Maximum 3 incorrect authentication attempts', 'does not accept the password for ops.', 1],
    [
      'sudo',
      'ops is not in the sudoers file.  This incident will be reported.',
      'refuses ops: ops is not in the sudoers',
      1,
    ],
    ['sudo', 'Sorry, user ops may not run sudo on db1.', 'refuses ops: Sorry, user ops may not run sudo', 1],
    ['sudo', "sudo: I'm sorry ops. I'm afraid I can't do that", "refuses ops: sudo: I'm sorry ops", 1],
    [
      'sudo',
      "Sorry, user ops is not allowed to execute '/bin/sh -c a\nb' as root on db1.",
      'execute commands as root on db1.',
      1,
    ],
    ['sudo', 'lsbackup: 1: exec: sudo: not found', 'db1: there is no sudo.', 127],
    [
      'sudo',
      'lsbackup: 1: exec: sudo: Permission denied',
      'refuses ops: lsbackup: 1: exec: sudo: Permission denied',
      126,
    ],
    ['sudo', 'sudo: account validation failure, is your account locked?', 'is your account locked', 1],
    ['sudo', 'sudo: Account or password is expired, reset your password and try again', 'password is expired', 1],
    [
      'sudo',
      'sudo: The "no new privileges" flag is set, which prevents sudo from running as root.',
      'sudo does not work for ops: sudo: The "no new',
      1,
    ],
    ['sudo', 'sudo: /etc/sudoers is world writable', 'sudo does not work for ops: sudo: /etc/sudoers', 1],
    ['sudo', '', 'sudo does not work for ops: it ended with status 1', 1],
    ['su', 'Password: su: Authentication failure', 'su does not accept the password for root.', 1],
    ['su', 'su: incorrect password', 'su does not accept the password for root.', 1],
    [
      'su',
      'The account is locked due to 3 failed logins.\n(1 minute left to unlock)\nPassword: su: Authentication failure',
      'The account is locked due to 3 failed logins.',
      1,
    ],
    ['su', 'su: Permission denied', 'su refuses ops: su: Permission denied', 1],
    ['su', 'su: using restricted shell /bin/menu', 'su: using restricted shell /bin/menu', 1],
    ['su', 'sh: exec: su: not found', 'db1: there is no su.', 127],
  ] as const)('%s: %s', (method, said, message, status) => {
    const error = becomeError({ said, status }, place(method));
    expect(error).toMatchObject({ code: 'HOST_SUDO', host: 'db1', message: expect.stringContaining(message) });
    expect(error?.hint).toMatch(/\.$/);
    expect(error?.retryable).toBe(false);
  });

  it.each([
    ['sudo', 'sudo: sorry, you must have a tty to run sudo', 'sudoers has requiretty.'],
    ['su', 'su: must be run from a terminal', 'su works at a terminal only.'],
    ['su', 'standard in must be a tty', 'su works at a terminal only.'],
  ] as const)('wants a terminal: %s: %s', (method, said, message) => {
    expect(becomeError({ said, status: 1 }, place(method))).toMatchObject({
      code: 'HOST_TTY',
      message: `db1: ${message}`,
    });
  });

  it.each([
    ['a working directory that may not be entered', 'lsbackup: line 1: cd: /root: Permission denied', 126],
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
