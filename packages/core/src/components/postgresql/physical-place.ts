import { z } from 'zod';
import { script } from '../../host-steps/stage-files.js';
import { BackupError } from '../../model/errors.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import { componentName } from './artifacts.js';
import type { Server } from './server.js';

/** A server and the systemd unit that starts and stops it. */
export type ServerPlace = Server & Readonly<{ unit: string }>;

/** systemd puts each unit's processes in a control group of the unit's name (proc(5), cgroups(7)); one of a login ends in `.scope`. */
const hostScript = `read -r pid < "$1/postmaster.pid" || pid=none
sed -n -e 's,^\\(0:\\|[0-9]*:name=systemd\\):.*/\\([^/]*\\.service\\)$,\\2,p' "/proc/$pid/cgroup" 2>/dev/null | head -n 1 | grep . || echo
uname -m
getconf GNU_LIBC_VERSION 2>/dev/null || echo`;

/** What a data directory's files depend on beside PostgreSQL itself, and the unit the server runs in. */
export interface HostOfServer {
  /** `postgresql@15-main.service`; undefined where systemd did not start the server. */
  readonly unit: string | undefined;
  /** As `uname -m` says it. */
  readonly architecture: string;
  /** Of the C library, whose sort orders indexes are made with: `glibc 2.36`; empty where there is another one. */
  readonly libc: string;
}

/** Errors: SERVICE_ANSWER. */
export async function hostOfServer(
  remote: RemoteHost,
  dataDirectory: string,
  signal: AbortSignal,
): Promise<HostOfServer> {
  const { stdout } = await remote.run(script(hostScript, dataDirectory), { signal });
  const [unit = '', architecture = '', libc = ''] = stdout.toString('utf8').split('\n');
  if (architecture === '')
    throw new BackupError('SERVICE_ANSWER', `${remote.host.name}: the host does not say what machine it is`, {
      host: remote.host.name,
      component: componentName,
    });
  return { unit: unit === '' ? undefined : unit, architecture, libc };
}

/**
 * The server whose working directory is `$1`, whatever started it: its postmaster, by the name of its process, as `findScript` finds it. What it is doing stands in
 * the eighth line of its pid file (PostgreSQL's pidfile.h, since version 10). After it: what systemd says of the unit `$2`.
 */
const stateScript = `state=stopped
for process in /proc/[0-9]*; do
  read -r name 2>/dev/null <"$process/comm" || continue
  case $name in postgres|postmaster) ;; *) continue;; esac
  words=$(tr '\\0' '\\n' <"$process/cmdline" 2>/dev/null)
  case $(echo "$words" | head -n 1) in *:*|'') continue;; esac
  data=$process/cwd
  readlink "$data" >/dev/null || data=$(echo "$words" | sed -n -e '/^-D$/{n;p;q' -e '}' -e 's/^-D//p' | head -n 1)
  [ "$data" -ef "$1" ] || continue
  state=$(sed -n 8p "$1/postmaster.pid" 2>/dev/null)
  state=\${state%% *}
  state=\${state:-starting}
done
echo "$state"
systemctl show --property=LoadState --value -- "$2" 2>/dev/null || echo unknown`;

const states = z.enum(['stopped', 'starting', 'ready', 'standby', 'stopping']);
export type ServerState = z.infer<typeof states>;

/** Errors: SERVICE_ANSWER. */
export async function serverState(
  remote: RemoteHost,
  { dataDirectory, unit }: Pick<ServerPlace, 'dataDirectory' | 'unit'>,
  signal: AbortSignal,
): Promise<{ readonly state: ServerState; readonly hasUnit: boolean }> {
  const { stdout } = await remote.run(script(stateScript, dataDirectory, unit), { signal });
  const [line, load] = stdout.toString('utf8').split('\n');
  const state = states.safeParse(line);
  if (state.success) return { state: state.data, hasUnit: load === 'loaded' };
  throw new BackupError(
    'SERVICE_ANSWER',
    `${remote.host.name}: the server in ${dataDirectory} is in an unknown state: ${JSON.stringify(line)}`,
    { host: remote.host.name, component: componentName },
  );
}
