import { BackupError } from '../model/errors.js';
import type { RemoteHost } from '../remote/remote-host.js';
import { script } from './stage-files.js';

/** Whole trees of a service, of which a staged and a kept version lie in a directory of the run. */
export interface FileTrees {
  readonly directory: string;
  /** Relative to `/`. */
  readonly roots: readonly string[];
}

/**
 * Makes each root what it is in the version: contents are replaced, the directory itself stays, because a container may have it mounted. What the version does
 * not have is removed: the kept version has it. `changing` marks that this was begun.
 */
const putScript = `set -e
directory=$1
version=$directory/$2
shift 2
[ -d "$version" ]
: > "$directory/changing"
remove='source=$1
shift
for path do
  if [ -L "$source/$path" ]; then [ -L "$path" ] && continue
  elif [ -d "$source/$path" ]; then [ -d "$path" ] && [ ! -L "$path" ] && continue
  elif [ -e "$source/$path" ]; then [ -f "$path" ] && [ ! -L "$path" ] && continue
  fi
  rm -rf --one-file-system -- "$path" || exit
done'
for root do
  source=$version/$root
  path=/$root
  if [ -L "$source" ] || [ -f "$source" ]; then
    mkdir -p -- "\${path%/*}"
    if [ -d "$path" ] && [ ! -L "$path" ]; then rm -rf --one-file-system -- "$path"; fi
    cp -a --remove-destination -T -- "$source" "$path"
  elif [ -d "$source" ]; then
    if [ -L "$path" ] || { [ -e "$path" ] && [ ! -d "$path" ]; }; then rm -f -- "$path"; fi
    mkdir -p -- "$path"
    (cd -- "$path" && find . -mindepth 1 -depth -exec sh -c "$remove" sh "$source" {} +)
    cp -a --remove-destination -T -- "$source" "$path"
  else
    rm -rf --one-file-system -- "$path"
  fi
  if command -v restorecon >/dev/null && selinuxenabled 2>/dev/null && [ -e "$path" ]; then restorecon -RF -- "$path"; fi
done
sync -- "$directory" 2>/dev/null || sync`;

/** One line: live, then each version, as a checksum over everything that a file is but its change time; then whether a change was begun. */
const stateScript = `directory=$1
shift
sum() {
  cd -- "$1" 2>/dev/null || { echo absent; return; }
  base=$1
  shift
  for root do
    [ -e "$root" ] || [ -L "$root" ] || continue
    find "$root" -printf '%p|%y|%m|%U|%G|%s|%T@|%l\\0' | sort -z
    find "$root" -type f -print0 | sort -z | xargs -0r sha256sum -z --
  done | sed -z 's/|d|\\([0-7]*|[0-9]*|[0-9]*\\)|[0-9]*|[0-9.]*|/|d|\\1|||/' | sha256sum | cut -d ' ' -f 1
}
for base in / "$directory/new" "$directory/old"; do (sum "$base" "$@"); done
if [ -e "$directory/changing" ]; then echo changing; else echo untouched; fi`;

/** Puts the staged (`new`) or the kept (`old`) version in place; the same again changes nothing. */
async function putFiles(
  remote: RemoteHost,
  trees: FileTrees,
  { version, signal }: { readonly version: 'new' | 'old'; readonly signal: AbortSignal },
): Promise<void> {
  const command = script(putScript, trees.directory, version, ...trees.roots);
  await remote.run({ ...command, deadline: 600 }, { signal });
}

/** After the old version and its service are back: the change is as if it had not been. */
export async function markUnchanged(remote: RemoteHost, { directory }: FileTrees, signal: AbortSignal): Promise<void> {
  await remote.run(script('rm -f -- "$1/changing"', directory), { signal });
}

/** What the roots hold now: equal byte for byte, with owners, modes and times. */
export interface FilesState {
  readonly isNew: boolean;
  readonly isOld: boolean;
  /** A change was begun and not taken back. */
  readonly isChanging: boolean;
}

export async function filesState(remote: RemoteHost, trees: FileTrees, signal: AbortSignal): Promise<FilesState> {
  const command = script(stateScript, trees.directory, ...trees.roots);
  const { stdout } = await remote.run({ ...command, deadline: 600 }, { signal });
  const [live, staged, kept, mark] = stdout.toString('utf8').trim().split('\n');
  if (live === undefined || staged === undefined || kept === undefined || mark === undefined)
    throw new BackupError('SERVICE_ANSWER', `${remote.host.name}: the files to restore cannot be compared`, {
      host: remote.host.name,
    });
  return { isNew: live === staged, isOld: live === kept, isChanging: mark === 'changing' };
}

/** Puts a version in place and looks whether it is there. Errors: RESTORE_CHECK, for instance where something else writes into these directories. */
export async function putAndCheck(
  remote: RemoteHost,
  trees: FileTrees,
  request: { readonly version: 'new' | 'old'; readonly signal: AbortSignal },
): Promise<void> {
  await putFiles(remote, trees, request);
  const { isNew, isOld } = await filesState(remote, trees, request.signal);
  if (request.version === 'new' ? isNew : isOld) return;
  const { name } = remote.host;
  throw new BackupError(
    'RESTORE_CHECK',
    `${name}: what is in ${trees.roots.join(', ')} now is not what was put there`,
    {
      host: name,
      hint: 'Does another program write there at the same time?',
    },
  );
}
