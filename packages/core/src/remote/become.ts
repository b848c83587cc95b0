import type { Become } from '../cluster/cluster.js';
import { BackupError } from '../model/errors.js';

const userName = /^[A-Za-z_][A-Za-z0-9_.-]*\$?$/;

/** Without it the user's own start files would be the login user's. */
const setHome = (user: string): string => `HOME=~${user}; export HOME; exec "$@"`;
/** runuser asks nothing and opens no session; systems without util-linux have su alone, which asks root for no password. */
const fromRootScript =
  'command -v runuser >/dev/null && exec runuser -u "$0" -- "$@"; exec su -s /bin/sh -c \'exec "$0" "$@"\' -- "$0" "$@"';

/** Printed before sudo or su is started, on both outputs. */
export function becomeMarker(marker: string): string {
  return `${marker}-become`;
}

/** How sudo's question begins; the name of the user whose password it wants follows, and a colon. */
export function questionPrefix(marker: string): string {
  return `${marker}-asks-`;
}

/**
 * The words before a command that make it another user's, none where nothing is to be changed.
 *
 * - sudo: `-H` for the user's own configuration files; with a password `-S`, which reads it from standard input byte by byte, so that
 *   what follows it stays for the command, and `-p` with a question of our own, which replaces PAM's too (sudo(8); `%p` is the user whose
 *   password is wanted: rootpw and targetpw in sudoers change it). sudo-rs puts it in `[sudo: ...] Password:`, its `%p` unreplaced.
 * - su asks for root's password, so it becomes root and then the user. It takes the password from standard input when that is no
 *   terminal (su of util-linux through misc_conv of Linux-PAM, su of busybox); `-s`, because root's own shell may be any.
 */
export function changeUser(change: {
  readonly user: string | undefined;
  readonly become: Become | undefined;
  readonly loginIsRoot: boolean;
  readonly marker: string;
}): readonly string[] {
  const { user, become, loginIsRoot, marker } = change;
  if (user === undefined) return [];
  if (!userName.test(user)) throw new BackupError('INTERNAL', `${user} is not a user name`);
  const fromRoot = user === 'root' ? [] : rootToUser(user);
  if (loginIsRoot) return fromRoot;
  if (become?.method === 'su') return ['su', '-s', '/bin/sh', '-c', 'exec "$0" "$@"', '--', 'root', ...fromRoot];
  const asks = become?.password === undefined ? ['-n'] : ['-S', '-p', `${questionPrefix(marker)}%p:`];
  return ['sudo', ...asks, '-H', '-u', user, '--'];
}

function rootToUser(user: string): readonly string[] {
  return ['/bin/sh', '-c', fromRootScript, user, '/bin/sh', '-c', setHome(user), 'lsbackup'];
}
