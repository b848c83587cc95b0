import type { Command, RemoteHost } from '../../remote/remote-host.js';
import { maximumDefinitions, type Definitions } from './definitions.js';
import { exactJsonText } from './exact-json.js';
import { readDefinitions } from './import.js';
import { exportCommand } from './node.js';

/** All of one restore that is kept on a host. Root's alone: definitions hold password hashes. */
export function keptDirectory(runId: string): string {
  return `/var/lib/lsbackup/restores/${runId}`;
}

export function keptFile(runId: string): string {
  return `${keptDirectory(runId)}/rabbitmq-definitions.json`;
}

/** What is imported, for looking and undoing: the archive may be gone by then. */
function wantedFile(runId: string): string {
  return `${keptDirectory(runId)}/rabbitmq-wanted.json`;
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
sync -f -- "$file.part" 2>/dev/null || sync
`;

/** Arguments: file, its bytes. An input that was cut never gets the file's name, and one that has the name is on the disk. */
const saveScript = `
set -eu
umask 077
cat > "$1.part"
[ "$(wc -c < "$1.part")" -eq "$2" ] || { echo 'not all of it came' >&2; exit 1; }
sync -f -- "$1.part" 2>/dev/null || sync
mv -- "$1.part" "$1"
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
  const exported = exportCommand({ rabbitmqctl }).argv;
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

/** Keeps what is about to be imported beside the definitions from before. */
export async function keepWanted(
  remote: RemoteHost,
  { runId, signal }: { readonly runId: string; readonly signal: AbortSignal },
  wanted: Definitions,
): Promise<void> {
  const input = Buffer.from(exactJsonText(wanted), 'utf8');
  const command = asRoot(saveScript, wantedFile(runId), String(input.length));
  await remote.run({ ...command, deadline: 600 }, { signal, input });
}

/** What one restore keeps on a host. */
export interface Kept {
  /** The definitions from before. */
  readonly before: Definitions;
  /** What is imported; undefined: nothing has been imported yet. */
  readonly wanted: Definitions | undefined;
  readonly marks: readonly Mark[];
}

/** Undefined where nothing is kept. */
export async function keptDefinitions(
  remote: RemoteHost,
  runId: string,
  signal: AbortSignal,
): Promise<Kept | undefined> {
  const { isKept, hasWanted, marks } = await keptState(remote, runId, signal);
  if (!isKept) return undefined;
  return {
    before: await readFile(remote, keptFile(runId), signal),
    wanted: hasWanted ? await readFile(remote, wantedFile(runId), signal) : undefined,
    marks,
  };
}

async function readFile(remote: RemoteHost, path: string, signal: AbortSignal): Promise<Definitions> {
  const { stdout } = await remote.run(
    { argv: ['cat', '--', path], become: 'root', deadline: 600 },
    { signal, maximumBytes: 4 * maximumDefinitions },
  );
  return readDefinitions(stdout.toString('utf8'), `${remote.host.name}:${path}`, 'RESTORE_REFUSED');
}

interface KeptState {
  readonly isKept: boolean;
  readonly hasPart: boolean;
  readonly hasWanted: boolean;
  readonly marks: readonly Mark[];
}

export async function keptState(remote: RemoteHost, runId: string, signal: AbortSignal): Promise<KeptState> {
  const marks = ['imported', 'verified'] as const;
  const file = keptFile(runId);
  const paths = [file, `${file}.part`, wantedFile(runId), ...marks.map((mark) => markFile(runId, mark))];
  const { stdout } = await remote.run(asRoot(stateScript, ...paths), { signal });
  const [isKept, hasPart, hasWanted, ...others] = stdout
    .toString('utf8')
    .split('\n')
    .map((line) => line === 'there');
  return {
    isKept: isKept === true,
    hasPart: hasPart === true,
    hasWanted: hasWanted === true,
    marks: marks.filter((_, index) => others[index] === true),
  };
}

export async function setMark(remote: RemoteHost, runId: string, mark: Mark, signal: AbortSignal): Promise<void> {
  await remote.run({ argv: ['touch', '--', markFile(runId, mark)], become: 'root' }, { signal });
}

export async function clearMark(remote: RemoteHost, runId: string, mark: Mark, signal: AbortSignal): Promise<void> {
  await remote.run({ argv: ['rm', '-f', '--', markFile(runId, mark)], become: 'root' }, { signal });
}

/** Removes all that is kept, also when it is gone already; the definitions from before last, for by them one sees that something is kept. */
export async function dropKept(remote: RemoteHost, runId: string, signal: AbortSignal): Promise<void> {
  const wanted = wantedFile(runId);
  const marks = [markFile(runId, 'imported'), markFile(runId, 'verified')];
  const file = keptFile(runId);
  const paths = [...marks, `${wanted}.part`, wanted, `${file}.part`, file];
  await remote.run(asRoot(dropScript, keptDirectory(runId), ...paths), { signal });
}
