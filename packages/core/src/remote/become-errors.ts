import type { Become } from '../cluster/cluster.js';
import { BackupError } from '../model/errors.js';

/** Who becomes another user, where, and how. */
export interface BecomePlace {
  readonly host: string;
  /** The user who logged in. */
  readonly login: string;
  readonly method: Become['method'];
  /** As in `Transport`: no password goes there. */
  readonly isDoubtful?: boolean;
}

/** What sudo or su, having been started, said and ended with in place of the command. */
export interface BecomeEnd {
  readonly said: string;
  readonly status: number | undefined;
}

// Texts under LC_ALL=C of sudo 1.8 and 1.9 (plugins/sudoers), sudo-rs 0.2 (src/sudo/diagnostic.rs), su of util-linux, shadow and busybox,
// pam_unix, pam_faillock.
const wantsTerminal = /must have a tty|must be run from a terminal|must be a tty|a terminal is required/;
const locked =
  /^.*(?:account is locked|account locked|is your account locked|account (?:or password )?(?:is |has )?expired|password has expired|change your (?:expired )?password).*$/im;
const wantsPassword = /password is required|no askpass|authentication is required|no password was provided/i;
const wrongPassword = /incorrect (?:password|authentication)|authentication (?:failure|failed)|try again/i;
const refusal = /^.*(?:not allowed to|not in the sudoers|may not run sudo|I'm sorry|permission denied).*$/im;
/** Not of sudo or su, but of what they started; or nothing that is wrong with them. */
const notOurs = /^lsbackup: (?!.*exec)|unknown user|unknown id|user .* does not exist/m;

/**
 * Why sudo or su did not start the command: HOST_TTY, HOST_SUDO, or undefined when it is not their fault. Only for a text that came after
 * the marker of `becomeMarker`, and while the command's own did not.
 */
export function becomeError(end: BecomeEnd, place: BecomePlace): BackupError | undefined {
  const { host, login, method } = place;
  const { status } = end;
  // The question that was answered, and our whole wrapper, help nobody.
  const said = end.said.replace(/^Password: ?/, '').replace(/execute '[^]*' as /, 'execute commands as ');
  if (status === undefined || notOurs.test(said)) return undefined;
  if (wantsTerminal.test(said)) return terminalNeeded(place);
  if (status === 127) return missing(place);
  const lockedLine = locked.exec(said)?.[0];
  if (lockedLine !== undefined) return accountLocked(place, lockedLine);
  if (wrongPassword.test(said)) return passwordRefused(place, { said, user: method === 'su' ? 'root' : login });
  if (wantsPassword.test(said)) return passwordNeeded(place);
  const line = refusal.exec(said)?.[0];
  if (line !== undefined) {
    const hint =
      method === 'sudo'
        ? `Allow ${login} to run every command as every user in sudoers on ${host}, or set ansible_become=false for it.`
        : `Allow ${login} to use su on ${host} (pam_wheel in /etc/pam.d/su), or set ansible_become_method=sudo.`;
    return new BackupError('HOST_SUDO', `${host}: ${method} refuses ${login}: ${line.trim()}`, { host, hint });
  }
  const text = said.trim() === '' ? `it ended with status ${String(status)}` : said.trim().slice(-1000);
  return new BackupError('HOST_SUDO', `${host}: ${method} does not work for ${login}: ${text}`, {
    host,
    hint: `Log in to ${host} as ${login} and make "${method === 'sudo' ? 'sudo id' : 'su -c id'}" work, or set ansible_become=false for it.`,
  });
}

/** HOST_SUDO: there is a question, and no password. */
export function passwordNeeded({ host, login, method }: BecomePlace): BackupError {
  const known = 'Run with --ask-become-pass, or set ansible_become_password (in a vault)';
  return method === 'sudo'
    ? new BackupError('HOST_SUDO', `${host}: sudo needs a password for ${login}.`, {
        host,
        hint: `${known}, or add NOPASSWD for ${login} to sudoers on ${host}.`,
      })
    : new BackupError('HOST_SUDO', `${host}: su needs the password of root.`, { host, hint: `${known}.` });
}

/** HOST_KEY: ssh itself gives such a host no password to log in (check_host_key in OpenSSH's sshconnect.c), and root's is worth no less. */
export function passwordWithheld({ host, method }: BecomePlace): BackupError {
  const message = `${host}: ${method} asks for a password, which is not sent, because the host's key is not the known one.`;
  return new BackupError('HOST_KEY', message, { host, hint: "Correct the host's line in its known_hosts file." });
}

/** HOST_SUDO: the password is wrong, or its account is locked. */
export function passwordRefused(
  place: BecomePlace,
  { said, user }: { readonly said: string; readonly user: string },
): BackupError {
  const lockedLine = locked.exec(said)?.[0];
  if (lockedLine !== undefined) return accountLocked(place, lockedLine);
  const { host, method } = place;
  return new BackupError('HOST_SUDO', `${host}: ${method} does not accept the password for ${user}.`, {
    host,
    hint: 'Check ansible_become_password, or what was typed for --ask-become-pass; it was tried once only.',
  });
}

function accountLocked({ host, login, method }: BecomePlace, line: string): BackupError {
  const user = method === 'su' ? 'root' : login;
  return new BackupError('HOST_SUDO', `${host}: ${method} refuses ${login}: ${line.trim()}`, {
    host,
    hint: `Unlock the account of ${user} on ${host}, or give it a new password.`,
  });
}

function terminalNeeded({ host, login, method }: BecomePlace): BackupError {
  return method === 'sudo'
    ? new BackupError('HOST_TTY', `${host}: sudoers has requiretty.`, {
        host,
        hint: `Add "Defaults:${login} !requiretty" to sudoers on ${host}.`,
      })
    : new BackupError('HOST_TTY', `${host}: su works at a terminal only.`, {
        host,
        hint: `Use sudo on ${host} (ansible_become_method=sudo), or log in as root.`,
      });
}

function missing({ host, method }: BecomePlace): BackupError {
  const other = method === 'sudo' ? 'su' : 'sudo';
  return new BackupError('HOST_SUDO', `${host}: there is no ${method}.`, {
    host,
    hint: `Install ${method} on ${host}, log in as root, or set ansible_become_method=${other}.`,
  });
}
