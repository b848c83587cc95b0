import type { Become } from '../cluster/cluster.js';
import { BackupError } from '../model/errors.js';
import { becomeMarker, changeUser } from './become.js';
import type { Command } from './remote-host.js';

/** sshd hands the whole line to the login shell as one argument, and Linux allows 128 KiB for one (MAX_ARG_STRLEN in execve(2)). */
const maximumLine = 120 * 1024;
const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;
const plainArgument = /^[A-Za-z0-9_@%+:,./-][A-Za-z0-9_@%+=:,./-]*$/;
const searchPath = 'PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

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
 * - Where sh is bash, `read` gives up after TMOUT seconds, which companies like to export.
 */
const script = {
  start: [
    'umask 077',
    'LC_ALL=C',
    searchPath,
    'export LC_ALL PATH',
    'unset TMOUT',
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

/**
 * What runs before the user is changed, in a directory that every user may enter. Arguments: the marker, then the words that change the
 * user and all that follows.
 */
const login = {
  start: ['LC_ALL=C', searchPath, 'export LC_ALL PATH', 'cd /', 'm=$1'],
  tell: `echo "${becomeMarker('$m')}"; echo "${becomeMarker('$m')}" >&2`,
};

const changer = {
  known: [...login.start, 'shift', login.tell, 'exec "$@"'].join('; '),
  /** One more argument: how many words change the user. The login user's number comes last to the command. */
  asking: [
    ...login.start,
    'n=$2',
    'shift 2',
    'u=$(id -u)',
    `if test "$u" = 0; then shift $n; elif test $n -gt 0; then ${login.tell}; fi`,
    'exec "$@" "$u"',
  ].join('; '),
};

export interface LineOptions {
  /** Printed by the host before the command's own output; unguessable. */
  readonly marker: string;
  /** The command reads standard input, so the channel cannot be its lifeline. */
  readonly usesInput: boolean;
  /** The user to change to; undefined: none. */
  readonly user: string | undefined;
  /** How; needed with `user` only. */
  readonly become: Become | undefined;
  /** Undefined: not known yet, and `user` is root or none. The host finds out, and gives the command the login user's number as a last argument. */
  readonly loginIsRoot: boolean | undefined;
}

/** One argument as POSIX shell text. */
export function quoteArgument(argument: string): string {
  refuseNul(argument);
  return plainArgument.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`;
}

/**
 * One argument as every login shell reads it: sh, bash, zsh, fish, csh and tcsh. In single quotes fish knows a backslash, and csh a `!`;
 * before each of the two, and before a single quote, all take a backslash outside of quotes.
 */
function quoteForAnyShell(argument: string): string {
  refuseNul(argument);
  if (plainArgument.test(argument)) return argument;
  if (argument === '') return "''";
  return argument.replaceAll(/[\\'!]|[^\\'!]+/g, (part) => (/[\\'!]/.test(part) ? `\\${part}` : `'${part}'`));
}

/** The line to send to the host's login shell: change of user, directory, marker, lifeline, environment, command. */
export function commandLine(command: Command, options: LineOptions): string {
  const argv = [options.marker, command.cwd ?? '/', ...environment(command), ...command.argv];
  const inner = ['/bin/sh', '-c', options.usesInput ? wrapper.input : wrapper.lifeline, 'lsbackup', ...argv];
  const line = `exec ${onOneLine(asUser(inner, options)).map(quoteForAnyShell).join(' ')}`;
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

function refuseNul(argument: string): void {
  if (argument.includes('\0')) throw new BackupError('INTERNAL', 'a command argument contains a NUL byte');
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

function asUser(inner: readonly string[], { user, become, loginIsRoot, marker }: LineOptions): readonly string[] {
  const change = changeUser({ user, become, loginIsRoot: loginIsRoot ?? false, marker });
  if (loginIsRoot === undefined)
    return ['/bin/sh', '-c', changer.asking, 'lsbackup', marker, String(change.length), ...change, ...inner];
  if (change.length === 0) return inner;
  return ['/bin/sh', '-c', changer.known, 'lsbackup', marker, ...change, ...inner];
}

/** csh ends a quoted word at the end of a line, whatever stands before it: sh puts line breaks back. */
function onOneLine(words: readonly string[]): readonly string[] {
  if (!words.some((word) => word.includes('\n'))) return words;
  const text = words.map(quoteArgument).join(' ').replaceAll('\n', `'"$n"'`);
  return ['/bin/sh', '-c', 'n=$(printf "\\nx"); n=${n%x}; eval "exec $1"', 'lsbackup', text];
}
