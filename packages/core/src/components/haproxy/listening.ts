import { BackupError } from '../../model/errors.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import { componentName } from './discover.js';
import { words } from './words.js';

/** TCP ports of the `bind` lines of a configuration; those by a variable, and other kinds of addresses, are left out. Source: HAProxy Configuration Manual, `bind`. */
export function boundPorts(configuration: string): readonly number[] {
  const lines = configuration.split(/\r?\n/).map((line) => words(line));
  const addresses = lines.filter(([keyword]) => keyword === 'bind').flatMap(([, list = '']) => list.split(','));
  const ports = addresses
    .filter((address) => !/^(?:unix|abns|abnsz|uxst|uxdg|fd|sockpair|quic[46]|udp[46]?)@|^\//.test(address))
    .map((address) => /:(\d+)$/.exec(address)?.[1])
    .filter((port) => port !== undefined)
    .map(Number);
  return [...new Set(ports)].sort((one, other) => one - other);
}

/** Ports in LISTEN (0A), hexadecimal. Source: proc_pid_net(5), /proc/net/tcp. */
const listeningScript = `round=0
while :; do
  ports=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | while read -r n local remote state rest; do [ "$state" = 0A ] && echo "\${local##*:}"; done)
  missing=
  for port do
    hex=$(printf %04X "$port")
    case "
$ports
" in *"
$hex
"*) ;; *) missing="$missing $port" ;; esac
  done
  [ -z "$missing" ] && exit 0
  round=$((round + 1))
  [ $round -ge 20 ] && break
  sleep 0.5
done
echo "$missing"
exit 1`;

/** Waits up to 10 seconds. Errors: RESTORE_CHECK with the ports at which nobody listens. */
export async function expectListening(
  remote: RemoteHost,
  ports: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  const argv = ['sh', '-c', listeningScript, 'sh', ...ports.map(String)];
  const { status, stdout } = await remote.run({ argv, accept: [0, 1] }, { signal });
  if (status === 0) return;
  const host = remote.host.name;
  throw new BackupError(
    'RESTORE_CHECK',
    `${host}: haproxy runs, but nobody listens at port ${stdout.toString('utf8').trim().replaceAll(' ', ', ')}`,
    { host, component: componentName },
  );
}
