import { BackupError } from '../model/errors.js';
import type { Command, HostFacts } from './remote-host.js';
import type { Transport } from './transport.js';

const script = [
  'echo "hostname=$(uname -n)"',
  'echo "machineId=$(cat /etc/machine-id 2>/dev/null)"',
  'os=$(. /etc/os-release 2>/dev/null && echo "$PRETTY_NAME"); echo "os=${os:-$(uname -sr)}"',
  'echo "login=$1"',
  // busybox knows no `--version` in some builds, and names itself in the usage text it prints instead.
  'echo "tar=$(tar --version 2>&1 | head -n 3 | tr "\\n" " ")"',
].join('\n');

/**
 * The one command that is run when a connection is made. It becomes root where commands may, so that a connection that is made can do
 * that, too; whether the login user is root already, the host finds out (`LineOptions.loginIsRoot`).
 */
export function factsCommand(): Command {
  return { argv: ['/bin/sh', '-c', script, 'facts'], become: 'root', deadline: 30 };
}

/** Reads what `factsCommand` printed. */
export function readFacts(output: string, transport: Pick<Transport, 'fingerprint' | 'isDoubtful'>): HostFacts {
  const value = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(output)?.[1]?.trim() ?? '';
  const login = value('login');
  if (!/^\d+$/.test(login)) throw new BackupError('INTERNAL', 'the host did not say who logged in');
  return {
    hostname: value('hostname'),
    machineId: value('machineId'),
    os: value('os'),
    loginIsRoot: login === '0',
    tar: tarFlavour(value('tar')),
    sshFingerprint: transport.fingerprint,
    isDoubtful: transport.isDoubtful,
  };
}

function tarFlavour(text: string): HostFacts['tar'] {
  if (text.includes('GNU tar')) return 'gnu';
  if (text.includes('bsdtar')) return 'bsdtar';
  return /busybox/i.test(text) ? 'busybox' : 'none';
}
