import { BackupError } from '../model/errors.js';
import { sudoError } from './command-errors.js';
import type { Command, HostFacts } from './remote-host.js';

const script = [
  'echo "hostname=$(uname -n)"',
  'echo "machineId=$(cat /etc/machine-id 2>/dev/null)"',
  'os=$(. /etc/os-release 2>/dev/null && echo "$PRETTY_NAME"); echo "os=${os:-$(uname -sr)}"',
  'echo "uid=$(id -u)"',
  // busybox knows no `--version` in some builds, and names itself in the usage text it prints instead.
  'echo "tar=$(tar --version 2>&1 | head -n 3 | tr "\\n" " ")"',
  'if test "$1" = sudo && test "$(id -u)" != 0; then sudo=$(sudo -n true 2>&1 </dev/null) && echo sudo=ok || echo "sudo=$sudo"; fi',
].join('\n');

/** The one command that is run when a connection is made. It asks sudo only where commands may need it. */
export function factsCommand(become: boolean): Command {
  return { argv: ['/bin/sh', '-c', script, 'facts', become ? 'sudo' : ''], deadline: 30 };
}

/** Reads what `factsCommand` printed. Errors: HOST_SUDO, HOST_TTY when the login user may not become root without a password. */
export function readFacts(
  output: string,
  place: { readonly host: string; readonly login: string; readonly sshFingerprint: string | undefined },
): HostFacts {
  const value = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(output)?.[1]?.trim() ?? '';
  const sudo = /^sudo=([\s\S]*)$/m.exec(output)?.[1]?.trim();
  if (sudo !== undefined && sudo !== 'ok') throw sudoError(sudo, place) ?? sudoFailed(sudo, place);
  return {
    hostname: value('hostname'),
    machineId: value('machineId'),
    os: value('os'),
    loginIsRoot: value('uid') === '0',
    tar: tarFlavour(value('tar')),
    sshFingerprint: place.sshFingerprint,
  };
}

function sudoFailed(text: string, { host, login }: { readonly host: string; readonly login: string }): BackupError {
  return new BackupError('HOST_SUDO', `${host}: sudo does not work for ${login}: ${text}`, {
    host,
    hint: `Allow ${login} to use sudo without a password on ${host}, or set ansible_become=false for it.`,
  });
}

function tarFlavour(text: string): HostFacts['tar'] {
  if (text.includes('GNU tar')) return 'gnu';
  if (text.includes('bsdtar')) return 'bsdtar';
  return /busybox/i.test(text) ? 'busybox' : 'none';
}
