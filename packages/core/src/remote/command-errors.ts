import { BackupError } from '../model/errors.js';

/** Where a command ran, for messages. */
export interface CommandPlace {
  readonly host: string;
  /** The user who logged in. */
  readonly login: string;
  /** The command as `describeCommand` shows it. */
  readonly what: string;
}

/** What happened to a command that ended by itself. */
export interface CommandEnd {
  readonly status: number | undefined;
  readonly signal: string | undefined;
  /** The command itself was started: its marker came. */
  readonly started: boolean;
  /** The command's standard error; when it was not started, what the login shell or sudo said. */
  readonly stderr: string;
}

/** HOST_TTY or HOST_SUDO when the text is sudo's refusal (texts: sudo 1.8 and 1.9 under LC_ALL=C), else undefined. */
export function sudoError(text: string, place: Pick<CommandPlace, 'host' | 'login'>): BackupError | undefined {
  const { host, login } = place;
  if (text.includes('must have a tty')) {
    return new BackupError('HOST_TTY', `${host}: sudoers has requiretty.`, {
      host,
      hint: `Add "Defaults:${login} !requiretty" to sudoers on ${host}.`,
    });
  }
  if (/^sudo: .*(?:password is required|no askpass)/m.test(text)) {
    const hint = `Add NOPASSWD for ${login} to sudoers on ${host}, or set ansible_become=false for it.`;
    return new BackupError('HOST_SUDO', `${host}: sudo needs a password for ${login}.`, { host, hint });
  }
  const line =
    /^.*(?:not allowed to|not in the sudoers|may not run sudo|^env: .*sudo.*No such file|sudo: (?:command )?not found).*$/m.exec(
      text,
    )?.[0];
  if (line === undefined) return undefined;
  const hint = `Allow ${login} to run every command as every user with NOPASSWD on ${host}, or set ansible_become=false for it.`;
  return new BackupError('HOST_SUDO', `${host}: sudo refuses ${login}: ${line.trim()}`, { host, hint });
}

/** HOST_AUTH when sshd let the user in, but runs nothing until the password is changed (session.c, do_pwchange). */
function expiredPassword(text: string, { host, login }: CommandPlace): BackupError | undefined {
  if (!/password has expired|password change required/i.test(text)) return undefined;
  const hint = `Log in as ${login} by hand and change it.`;
  return new BackupError('HOST_AUTH', `${host}: the password of ${login} has expired`, { host, hint });
}

/** The error for a command that ended in a way that is not accepted: HOST_SUDO, HOST_TTY, HOST_AUTH or COMMAND_FAILED. */
export function commandError(end: CommandEnd, place: CommandPlace): BackupError {
  const expired = end.started ? undefined : expiredPassword(end.stderr, place);
  if (expired) return expired;
  const sudo = end.started ? undefined : sudoError(end.stderr, place);
  if (sudo) return sudo;
  const said = end.stderr.trim() === '' ? '' : `: ${lastLines(end.stderr)}`;
  const how = end.signal === undefined ? describeStatus(end.status) : `was ended by ${end.signal}`;
  const message = end.started
    ? `${place.host}: ${place.what} ${how}${said}`
    : `${place.host}: ${place.what} was not started, the login shell ${how}${said}`;
  return new BackupError('COMMAND_FAILED', message, { host: place.host });
}

/** The last lines of a text, at most 1,000 characters. */
export function lastLines(text: string): string {
  const trimmed = text.trim();
  return trimmed.length > 1000 ? `...${trimmed.slice(-1000)}` : trimmed;
}

function describeStatus(status: number | undefined): string {
  if (status === undefined) return 'ended without an exit status';
  return status > 128 && status < 160
    ? `ended with status ${status} (signal ${status - 128})`
    : `ended with status ${status}`;
}
