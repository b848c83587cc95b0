import { BackupError } from '../model/errors.js';
import type { Command } from './remote-host.js';

/** sshd hands the whole line to the login shell as one argument, and Linux allows 128 KiB for one (MAX_ARG_STRLEN in execve(2)). */
const maximumLine = 120 * 1024;
const userName = /^[A-Za-z_][A-Za-z0-9_.-]*\$?$/;
const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;
const plainArgument = /^[A-Za-z0-9_@%+:,./-][A-Za-z0-9_@%+=:,./-]*$/;

/**
 * What runs on the host around the command. Arguments: the marker, the directory, then the command's own argv.
 *
 * - The marker line goes to both outputs, so that whatever a login shell or sudo printed before it can be told from the command's own.
 * - The command runs in a session of its own (`setsid`), so that a signal reaches its children too.
 * - A command that does not read standard input gets a lifeline: `read` returns when our end of the channel goes away, however that
 *   happened, and then the command is ended. sshd itself only closes the pipes, which a silent command never notices. What has ended
 *   is not killed again: its number may be another's soon.
 * - `wait` is repeated because a trapped signal interrupts it.
 * - The lifeline stays for what the command left in its session: a child that ignores the request to end when the command itself does not.
 *
 * It has no quote, backslash, line break or history reference (`$! ` ends in a space), so that login shells other than sh pass it on as it is.
 */
const script = {
  start: [
    'umask 077',
    'LC_ALL=C',
    'PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'export LC_ALL PATH',
    'cd "$2" || exit 126',
    'echo "$1-begin $$" >&2',
    'echo "$1-begin"',
    'shift 2',
    'g=',
    'command -v setsid >/dev/null && g=- && set -- setsid "$@"',
    'exec 3<&0 </dev/null',
  ],
  kill: ['k() { kill -$1 $g$c || kill -$1 $c; } 2>/dev/null', 'trap "k TERM" HUP INT TERM'],
  lifeline: [
    'w=',
    '{ read -r x; k TERM; for i in 1 2 3 4 5; do kill -0 $g$c || exit; sleep 1; done; k KILL; } <&3 3<&- >/dev/null 2>&1 & w=$! ',
  ],
  end: [
    'exec 3<&-',
    'while :; do wait $c; s=$? ; kill -0 $c 2>/dev/null || break; done',
    'exec 2>/dev/null',
    'test -z "$w" || kill -0 $g$c || kill $w',
    'exit $s',
  ],
};

const wrapper = {
  lifeline: [...script.start, '"$@" 3<&- & c=$! ', ...script.kill, ...script.lifeline, ...script.end].join('; '),
  input: [...script.start, '"$@" <&3 3<&- & c=$! ', ...script.kill, 'w=', ...script.end].join('; '),
};

export interface LineOptions {
  /** Printed by the host before the command's own output; unguessable. */
  readonly marker: string;
  /** The command reads standard input, so the channel cannot be its lifeline. */
  readonly usesInput: boolean;
  /** The user to change to; undefined: none. */
  readonly user: string | undefined;
  readonly loginIsRoot: boolean;
}

/** One argument as POSIX shell text. */
export function quoteArgument(argument: string): string {
  if (argument.includes('\0')) throw new BackupError('INTERNAL', 'a command argument contains a NUL byte');
  return plainArgument.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`;
}

/** The line to send to the host's login shell: environment, directory, change of user, marker, lifeline, command. */
export function commandLine(command: Command, options: LineOptions): string {
  const argv = [options.marker, command.cwd ?? '/', ...environment(command), ...command.argv];
  const inner = ['/bin/sh', '-c', options.usesInput ? wrapper.input : wrapper.lifeline, 'lsbackup', ...argv];
  const line = `cd / && exec env LC_ALL=C ${[...changeUser(options), ...inner].map(quoteArgument).join(' ')}`;
  if (Buffer.byteLength(line) > maximumLine) {
    throw new BackupError(
      'INTERNAL',
      `the command line of ${describeCommand(command)} is longer than ${maximumLine} bytes`,
    );
  }
  return line;
}

/** The command as people read it, at most 160 characters, without passwords in URLs. */
export function describeCommand(command: Command): string {
  const text = command.argv
    .map(quoteArgument)
    .join(' ')
    .replaceAll(/:\/\/[^\s/@]*@/g, '://[secret]@')
    .replaceAll(/\s+/g, ' ');
  return text.length > 160 ? `${text.slice(0, 157)}...` : text;
}

/** The marker as it appears on the outputs. It differs from what the command line holds, so a shell's trace of the line is not taken for it. */
export function markerPrefix(marker: string): string {
  return `${marker}-begin`;
}

function environment(command: Command): readonly string[] {
  const entries = Object.entries(command.env ?? {});
  if (entries.length === 0) return [];
  for (const [name] of entries) {
    if (!variableName.test(name))
      throw new BackupError('INTERNAL', `${name} is not the name of an environment variable`);
  }
  return ['env', ...entries.map(([name, value]) => `${name}=${value}`)];
}

/** `-H` and `HOME=`: the user's own configuration files, not the login user's. A root login needs no sudo, and need not have it. */
function changeUser({ user, loginIsRoot }: LineOptions): readonly string[] {
  if (user === undefined || (loginIsRoot && user === 'root')) return [];
  if (!userName.test(user)) throw new BackupError('INTERNAL', `${user} is not a user name`);
  if (!loginIsRoot) return ['sudo', '-n', '-H', '-u', user, '--'];
  return ['runuser', '-u', user, '--', '/bin/sh', '-c', `HOME=~${user}; export HOME; exec "$@"`, 'lsbackup'];
}
