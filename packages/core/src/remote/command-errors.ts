import { BackupError } from '../model/errors.js';
import { becomeError, type BecomeEnd, type BecomePlace } from './become-errors.js';
import { shellError } from './shell-errors.js';

/** Where a command ran, for messages. */
export interface CommandPlace {
  readonly host: string;
  /** The user who logged in. */
  readonly login: string;
  /** The command as `describeCommand` shows it. */
  readonly what: string;
  /** As in `Transport`: no password goes there. */
  readonly isDoubtful?: boolean;
}

/** What happened to a command that ended by itself. */
export interface CommandEnd {
  readonly status: number | undefined;
  readonly signal: string | undefined;
  /** The command itself was started: its marker came. */
  readonly started: boolean;
  /** The command's standard error; when it was not started, all that the login shell, sudo or su said. */
  readonly said: string;
  /** Sudo or su, when it was started but did not start the command. */
  readonly become?: (BecomeEnd & Pick<BecomePlace, 'method'>) | undefined;
}

/** HOST_AUTH when sshd let the user in, but runs nothing until the password is changed (session.c, do_pwchange). */
function expiredPassword(text: string, { host, login }: CommandPlace): BackupError | undefined {
  if (!/password has expired|password change required/i.test(text)) return undefined;
  const hint = `Log in as ${login} by hand and change it.`;
  return new BackupError('HOST_AUTH', `${host}: the password of ${login} has expired`, { host, hint });
}

/**
 * The error for a command that ended in a way that is not accepted: HOST_SUDO, HOST_TTY, HOST_AUTH, HOST_PREFLIGHT (the login shell) or
 * COMMAND_FAILED.
 */
export function commandError(end: CommandEnd, place: CommandPlace): BackupError {
  return (end.started ? undefined : startError(end, place)) ?? commandFailed(end, place);
}

function startError(end: CommandEnd, place: CommandPlace): BackupError | undefined {
  // Whatever ended it may end the next one, too, or not: nobody's settings are to blame.
  if (end.signal !== undefined) return undefined;
  const expired = expiredPassword(end.said, place);
  if (expired) return expired;
  if (end.become) return becomeError(end.become, { host: place.host, login: place.login, method: end.become.method });
  return shellError(end, place);
}

function commandFailed(end: CommandEnd, place: CommandPlace): BackupError {
  const said = end.said.trim() === '' ? '' : `: ${lastLines(end.said)}`;
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
