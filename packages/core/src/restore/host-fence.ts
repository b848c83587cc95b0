import type { RemoteHost } from '../remote/remote-host.js';
import { BackupError } from '../model/errors.js';
import { markName } from './marked-host.js';

/**
 * Ends every process that has the mark, or one below it, in its environment or its arguments, and all that came from it, and waits until none is left: first by
 * SIGTERM, after 5 seconds by SIGKILL. Prints what is left after 30. Where even root may not read another user's environment (in a container), the
 * shell around the command has the mark among its arguments. epmd is RabbitMQ's, whoever happened to start it. Arguments: the variable's name, the mark.
 */
const fenceScript = `pattern="^$1=$2(/|$)"
parent_of() {
  parent=
  read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
  stat=\${stat##*) }
  stat=\${stat#* }
  parent=\${stat%% *}
}
look() {
  found=" "
  for file in $(grep -lzE -e "$pattern" /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null); do
    pid=\${file#/proc/}
    pid=\${pid%%/*}
    [ "$pid" = $$ ] && continue
    read -r command 2>/dev/null <"/proc/$pid/comm" || continue
    [ "$command" = epmd ] && continue
    case $found in *" $pid "*) ;; *) found="$found$pid " ;; esac
  done
  grown=yes
  while [ -n "$grown" ] && [ "$found" != " " ]; do
    grown=
    for process in /proc/[0-9]*; do
      pid=\${process#/proc/}
      case $found in *" $pid "*) continue ;; esac
      parent_of "$pid" || continue
      case $found in *" $parent "*) found="$found$pid "; grown=yes ;; esac
    done
  done
}
signal=TERM
round=0
while [ $round -lt 60 ]; do
  look
  left=
  for pid in $found; do
    read -r stat 2>/dev/null <"/proc/$pid/stat" || continue
    case \${stat##*) } in Z*) continue ;; esac
    kill -s $signal "$pid" 2>/dev/null
    left="$left $pid"
  done
  [ -z "$left" ] && exit 0
  round=$((round + 1))
  [ $round -ge 10 ] && signal=KILL
  sleep 0.5
done
echo "$left"
exit 1`;

/**
 * After it, nothing that an earlier attempt started on the host runs any more, so that undoing it does not run beside it. `mark`: a run id, or a run id
 * and a set. Errors: RESTORE_FAILED when processes are left that nothing ends.
 */
export async function fence(remote: RemoteHost, mark: string, signal: AbortSignal): Promise<void> {
  const { stdout, status } = await remote.run(
    { argv: ['sh', '-c', fenceScript, 'sh', markName, mark], become: 'root', accept: [0, 1], deadline: 60 },
    { signal },
  );
  if (status === 0) return;
  const host = remote.host.name;
  throw new BackupError(
    'RESTORE_FAILED',
    `${host}: processes of the interrupted restore do not end: ${stdout.toString('utf8').trim()}`,
    { host, hint: 'End them (a hanging disk?), then run the same command again.', retryable: true },
  );
}
