import { script } from '../../host-steps/stage-files.js';
import { findServices, type Service } from '../../host-services/systemd.js';
import { BackupError } from '../../model/errors.js';
import type { Command, RemoteHost } from '../../remote/remote-host.js';
import { componentName } from './discover.js';
import { readUnitVariables } from './read.js';
import type { Variables } from './words.js';

export const unitName = 'haproxy.service';
const activateSeconds = 120;

/**
 * Reloads or restarts the unit and waits until it runs. A master that could not start a worker with the new configuration stays in wait mode with the old
 * worker, and the reload counts as a success (HAProxy Management Guide, 4 "Stopping and restarting HAProxy"): so a reload is done when a new worker is there.
 */
const activateScript = `unit=$1
how=$2
main=$(systemctl show --property=MainPID --value -- "$unit")
workers() {
  for process in /proc/[0-9]*; do
    read -r stat 2>/dev/null <"$process/stat" || continue
    rest=\${stat##*) }
    rest=\${rest#* }
    [ "\${rest%% *}" = "$main" ] && printf ' %s ' "\${process#/proc/}"
  done
}
before=$(workers)
systemctl "$how" -- "$unit" || exit
round=0
while [ $round -lt 40 ]; do
  state=$(systemctl is-active -- "$unit")
  if [ "$state" = active ] && [ "$how" = restart ]; then exit 0; fi
  if [ "$state" = active ]; then
    for worker in $(workers); do case $before in *" $worker "*) ;; *) exit 0 ;; esac; done
  fi
  round=$((round + 1))
  sleep 0.5
done
echo "no new process with the new configuration ($state)" >&2
exit 1`;

/** The service as it is; undefined where the host has none. */
export async function serviceOf(remote: RemoteHost, signal: AbortSignal): Promise<Service | undefined> {
  return (await findServices(remote, [unitName], signal))[0];
}

/** The running process takes the files as they are now. Errors: HAP_RELOAD. */
export async function activate(
  remote: RemoteHost,
  { how, signal }: { readonly how: 'reload' | 'restart'; readonly signal: AbortSignal },
): Promise<void> {
  const command = { ...script(activateScript, unitName, how), deadline: activateSeconds, accept: [0, 1] };
  const { status, stderr } = await remote.run(command, { signal });
  if (status === 0) return;
  const host = remote.host.name;
  throw new BackupError(
    'HAP_RELOAD',
    `${host}: haproxy does not run with the restored configuration: ${stderr.trim()}`,
    {
      host,
      component: componentName,
      hint: `journalctl -u ${unitName} on ${host} says why.`,
    },
  );
}

export async function control(remote: RemoteHost, words: readonly string[], signal: AbortSignal): Promise<void> {
  await remote.run({ argv: ['systemctl', ...words], become: 'root', deadline: activateSeconds }, { signal });
}

/** A unit that is not there is stopped too: 5, "unit not loaded" (systemctl(1), "Exit status"). */
export async function stop(remote: RemoteHost, signal: AbortSignal): Promise<void> {
  const argv = ['systemctl', 'stop', unitName];
  await remote.run({ argv, become: 'root', deadline: activateSeconds, accept: [0, 5] }, { signal });
}

/** What is installed on the host, whether it runs or not: in LambdaStack's container, at its own place, or in the usual ones. */
export function checkCommands(service: Service | undefined, files: readonly string[]): readonly Command[] {
  const program = service?.arguments[0] ?? '';
  const words = ['-c', ...files.flatMap((file) => ['-f', file])];
  if (/(?:^|\/)runc$/.test(program) && service?.running === true)
    return [
      {
        argv: [program, 'exec', service.arguments.at(-1) ?? 'haproxy', '/usr/local/sbin/haproxy', ...words],
        become: 'root',
      },
    ];
  const own = /^\/.*\/haproxy[^/]*$/.test(program) ? [program] : [];
  return [...new Set([...own, '/usr/sbin/haproxy', '/usr/local/sbin/haproxy'])].map((path) =>
    script(checkScript, path, ...words),
  );
}

/** With the variables from standard input, a line each, in which printf's %b finds line breaks again. 127: there is no such program. */
const checkScript = `while IFS= read -r line; do
  assignment=$(printf %b. "$line")
  export "\${assignment%.}"
done
[ -x "$1" ] || exit 127
exec "$@" </dev/null`;

/** What `checkScript` reads: the values may be secret, and are no text for a shell. */
function variablesInput(variables: Variables): Uint8Array {
  const lines = [...variables].map(([name, value]) =>
    `${name}=${value}`.replaceAll('\\', '\\\\').replaceAll('\n', '\\n'),
  );
  return Buffer.from(lines.map((line) => `${line}\n`).join(''));
}

/** Asks haproxy itself. Errors: HAP_CHECK with the lines it complains about; SERVICE_MISSING where there is no haproxy. */
export async function checkConfiguration(
  remote: RemoteHost,
  { files, signal }: { readonly files: readonly string[]; readonly signal: AbortSignal },
): Promise<void> {
  const host = remote.host.name;
  const service = await serviceOf(remote, signal);
  const input = variablesInput(await readUnitVariables(remote, service, signal));
  for (const command of checkCommands(service, files)) {
    const { status, stderr, stdout } = await remote.run({ ...command, accept: anyStatus }, { signal, input });
    if (status === 0) return;
    if (status === notFound) continue;
    const all = `${stderr}\n${stdout.toString('utf8')}`.split('\n').filter((line) => line.trim() !== '');
    const complaints = all.filter((line) => /ALERT|error/i.test(line));
    const lines = complaints.length > 0 ? complaints : [...all.slice(-4), `status ${String(status)}`];
    throw new BackupError(
      'HAP_CHECK',
      `${host}: haproxy rejects the restored configuration: ${lines.slice(0, 5).join('; ')}`,
      {
        host,
        component: componentName,
      },
    );
  }
  throw new BackupError('SERVICE_MISSING', `${host}: there is no haproxy on this host`, {
    host,
    component: componentName,
    hint: 'Install HAProxy there first.',
  });
}

const notFound = 127;
const anyStatus = Array.from({ length: 128 }, (_, status) => status);
