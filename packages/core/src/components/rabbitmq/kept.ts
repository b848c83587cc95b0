import type { Command, RemoteHost } from '../../remote/remote-host.js';
import type { Definitions } from './definitions.js';
import { maximumDefinitions } from './definitions.js';
import { readDefinitions } from './import.js';
import { exportCommand } from './node.js';

/** All of one restore that is kept on a host. Root's alone: definitions hold password hashes. */
export function keptDirectory(runId: string): string {
  return `/var/lib/lsbackup/restores/${runId}`;
}

export function keptFile(runId: string): string {
  return `${keptDirectory(runId)}/rabbitmq-definitions.json`;
}

/** A file that says a step was done to its end; nobody can see that by the definitions where there was nothing to change. */
export type Mark = 'imported' | 'verified';

function markFile(runId: string, mark: Mark): string {
  return `${keptDirectory(runId)}/rabbitmq-${mark}`;
}

/** Another run that ends may remove the directory above in between, when it is empty. */
const keepScript = `
set -eu
umask 077
directory=$1
file=$2
shift 2
tries=0
until mkdir -p -- "$directory" 2>/dev/null; do
  tries=$((tries + 1))
  [ $tries -lt 20 ] || { mkdir -p -- "$directory"; break; }
done
"$@" > "$file.part" < /dev/null
`;

const stateScript = `
for path do
  if [ -e "$path" ]; then echo there; else echo missing; fi
done
`;

const dropScript = `
set -eu
directory=$1
shift
rm -f -- "$@"
[ ! -d "$directory" ] || rmdir -- "$directory" "\${directory%/*}" "\${directory%/*/*}" 2>/dev/null || :
`;

function asRoot(script: string, ...arguments_: readonly string[]): Command {
  return { argv: ['sh', '-c', script, 'lsbackup', ...arguments_], become: 'root' };
}

export function keepCommand(runId: string, rabbitmqctl: string): Command {
  const exported = exportCommand({ rabbitmqctl, paths: [] }).argv;
  return { ...asRoot(keepScript, keptDirectory(runId), keptFile(runId), ...exported), deadline: 600 };
}

/** Keeps the present definitions; a file that is there already stays, for the definitions may have changed since. */
export async function keepDefinitions(
  remote: RemoteHost,
  runId: string,
  rabbitmqctl: string,
  signal: AbortSignal,
): Promise<void> {
  if ((await keptState(remote, runId, signal)).isKept) return;
  await remote.run(keepCommand(runId, rabbitmqctl), { signal });
  const part = `${keptFile(runId)}.part`;
  await readFile(remote, part, signal);
  await remote.run({ argv: ['mv', '--', part, keptFile(runId)], become: 'root' }, { signal });
}

/** Undefined where nothing is kept. */
export async function keptDefinitions(
  remote: RemoteHost,
  runId: string,
  signal: AbortSignal,
): Promise<Definitions | undefined> {
  if (!(await keptState(remote, runId, signal)).isKept) return undefined;
  return readFile(remote, keptFile(runId), signal);
}

async function readFile(remote: RemoteHost, path: string, signal: AbortSignal): Promise<Definitions> {
  const { stdout } = await remote.run(
    { argv: ['cat', '--', path], become: 'root', deadline: 600 },
    { signal, maximumBytes: 4 * maximumDefinitions },
  );
  return readDefinitions(stdout.toString('utf8'), `${remote.host.name}:${path}`, 'RESTORE_REFUSED');
}

export async function keptState(
  remote: RemoteHost,
  runId: string,
  signal: AbortSignal,
): Promise<{ readonly isKept: boolean; readonly hasPart: boolean; readonly marks: readonly Mark[] }> {
  const marks = ['imported', 'verified'] as const;
  const paths = [keptFile(runId), `${keptFile(runId)}.part`, ...marks.map((mark) => markFile(runId, mark))];
  const { stdout } = await remote.run(asRoot(stateScript, ...paths), { signal });
  const [isKept, hasPart, ...others] = stdout
    .toString('utf8')
    .split('\n')
    .map((line) => line === 'there');
  return {
    isKept: isKept === true,
    hasPart: hasPart === true,
    marks: marks.filter((_, index) => others[index] === true),
  };
}

export async function setMark(remote: RemoteHost, runId: string, mark: Mark, signal: AbortSignal): Promise<void> {
  await remote.run({ argv: ['touch', '--', markFile(runId, mark)], become: 'root' }, { signal });
}

export async function clearMark(remote: RemoteHost, runId: string, mark: Mark, signal: AbortSignal): Promise<void> {
  await remote.run({ argv: ['rm', '-f', '--', markFile(runId, mark)], become: 'root' }, { signal });
}

/** Removes all that is kept, also when it is gone already. */
export async function dropKept(remote: RemoteHost, runId: string, signal: AbortSignal): Promise<void> {
  const file = keptFile(runId);
  const paths = [file, `${file}.part`, markFile(runId, 'imported'), markFile(runId, 'verified')];
  await remote.run(asRoot(dropScript, keptDirectory(runId), ...paths), { signal });
}
