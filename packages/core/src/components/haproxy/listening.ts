import { BackupError } from '../../model/errors.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import { componentName } from './discover.js';
import { words } from './words.js';

const sectionStart =
  /^(?:global|defaults|frontend|backend|listen|peers|ring|log-forward|log-profile|program|resolvers|mailers|userlist|cache|http-errors|fcgi-app|crt-store|traces|acme)$/;
const tcpAddress = /^(?:(?:ipv[46]|tcp[46]?)@)?[^@/]*:(\d+)$/;

/**
 * TCP ports at which a process with this configuration certainly listens: of the `bind` lines of sections that are not `disabled`, outside of conditional
 * blocks and of network namespaces. Those by a variable, and other kinds of addresses, are left out. Source: HAProxy Configuration Manual, `bind`, `disabled`
 * and 2.4 "Conditional blocks".
 */
export function boundPorts(configuration: string): readonly number[] {
  const ports = new Set<number>();
  let depth = 0;
  let defaultsOff = false;
  let anyDefaultsOff = false;
  let section = { isDefaults: false, isOff: false, ports: [] as number[] };
  const close = (): void => {
    if (section.isDefaults) defaultsOff = section.isOff;
    anyDefaultsOff ||= defaultsOff;
    if (!section.isOff) for (const port of section.ports) ports.add(port);
  };
  for (const line of configuration.split(/\r?\n/).map((text) => words(text))) {
    const [first = '', addresses = ''] = line;
    if (first === '.if') depth += 1;
    else if (first === '.endif') depth -= 1;
    else if (sectionStart.test(first)) {
      close();
      const isProxy = /^(?:frontend|listen)$/.test(first);
      const isOff = isProxy && (line.includes('from') ? anyDefaultsOff : defaultsOff);
      section = { isDefaults: first === 'defaults', isOff, ports: [] };
    } else if (first === 'disabled') section.isOff = true;
    else if (first === 'enabled' && depth === 0) section.isOff = false;
    else if (first === 'bind' && depth === 0 && !line.includes('namespace'))
      section.ports.push(
        ...addresses
          .split(',')
          .flatMap((address) => tcpAddress.exec(address)?.[1] ?? [])
          .map(Number),
      );
  }
  close();
  return [...ports].sort((one, other) => one - other);
}

/** haproxy reads of a directory the files that end in `.cfg` and do not begin with a dot. Source: HAProxy Management Guide, 3 "Starting HAProxy", `-f`. */
export function isReadBy(file: string, path: string): boolean {
  if (path === file) return true;
  return path.startsWith(`${file}/`) && /^[^/.][^/]*\.cfg$/.test(path.slice(file.length + 1));
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
