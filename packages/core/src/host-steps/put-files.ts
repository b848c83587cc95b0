import { BackupError } from '../model/errors.js';
import { nameList } from '../model/name-list.js';
import type { RemoteHost } from '../remote/remote-host.js';
import { script } from './stage-files.js';

/** Files of a service, of which a staged and a kept version lie in a directory of the run, with the lists that keep-files has written. */
export interface FileTrees {
  readonly directory: string;
  /** Relative to `/`. */
  readonly roots: readonly string[];
}

/**
 * Makes each root what it is in the version: contents are replaced, the directory itself stays, because a container may have it mounted. What the version does
 * not have is removed: the kept version has it. Of shared directories only the archived files, and directories that were not there. `changing` marks that
 * this was begun. 3: the version is gone.
 */
const putScript = `set -e
umask 022
directory=$1
version=$directory/$2
[ -d "$version" ] && [ -e "$directory/leaves" ] || exit 3
: > "$directory/changing"
selinux=
if command -v restorecon >/dev/null && selinuxenabled 2>/dev/null; then selinux=yes; fi
remove='source=$1
shift
for path do
  if [ -L "$source/$path" ]; then [ -L "$path" ] && continue
  elif [ -d "$source/$path" ]; then [ -d "$path" ] && [ ! -L "$path" ] && continue
  elif [ -e "$source/$path" ]; then [ -f "$path" ] && [ ! -L "$path" ] && continue
  fi
  rm -rf --one-file-system -- "$path" || exit
done'
place='version=$1
shift
for name do
  source=$version/$name
  path=/$name
  if [ -d "$source" ] && [ ! -L "$source" ]; then
    if [ -L "$path" ] || { [ -e "$path" ] && [ ! -d "$path" ]; }; then rm -f -- "$path" || exit 255; fi
    mkdir -p -- "$path" || exit 255
    (cd -- "$path" && find . -mindepth 1 -depth -exec sh -c "$remove" sh "$source" {} +) || exit 255
  elif [ -e "$source" ] || [ -L "$source" ]; then
    mkdir -p -- "\${path%/*}" || exit 255
    if [ -d "$path" ] && [ ! -L "$path" ]; then rm -rf --one-file-system -- "$path" || exit 255; fi
  else
    rm -rf --one-file-system -- "$path" || exit 255
    continue
  fi
  cp -a --remove-destination -T -- "$source" "$path" || exit 255
  if [ -n "$selinux" ] && [ -e "$path" ]; then restorecon -RF -- "$path" || exit 255; fi
done'
export selinux remove
xargs -0r sh -c "$place" sh "$version" < "$directory/roots"
if [ "$2" = new ]; then
  xargs -0r sh -c 'version=$1
shift
for name do
  [ -d "/$name" ] && continue
  mkdir -p -- "/$name" && chown --reference="$version/$name" -- "/$name" && chmod --reference="$version/$name" -- "/$name" || exit 255
done' sh "$version" < "$directory/directories"
fi
xargs -0r sh -c "$place" sh "$version" < "$directory/leaves"
if [ "$2" = old ]; then
  sort -rz -- "$directory/directories" | xargs -0r sh -c 'version=$1
shift
for name do [ -d "$version/$name" ] || rmdir -- "/$name" 2>/dev/null || :; done' sh "$version"
fi
sync -f -- "$directory" 2>/dev/null || sync`;

/** One line: live, then each version, as a checksum over everything that a file is but its change time; then whether a change was begun; then whether the kept version is there. */
const stateScript = `directory=$1
there() {
  cat -- "$directory/roots" "$directory/leaves" 2>/dev/null | xargs -0r sh -c 'for name do if [ -e "$name" ] || [ -L "$name" ]; then printf "%s\\0" "$name"; fi; done' sh
}
sum() {
  cd -- "$1" 2>/dev/null || { echo absent; return; }
  {
    there | xargs -0r sh -c 'find "$@" -printf "%p|%y|%m|%U|%G|%s|%T@|%l\\0"' sh | sort -z
    there | xargs -0r sh -c 'find "$@" -type f -print0' sh | sort -z | xargs -0r sha256sum -z --
  } | sed -z 's/|d|\\([0-7]*|[0-9]*|[0-9]*\\)|[0-9]*|[0-9.]*|/|d|\\1|||/' | sha256sum | cut -d ' ' -f 1
}
for base in / "$directory/new" "$directory/old"; do (sum "$base"); done
if [ -e "$directory/changing" ]; then echo changing; else echo untouched; fi
if [ -d "$directory/old" ] && [ -e "$directory/leaves" ]; then echo kept; else echo gone; fi`;

/** Puts the staged (`new`) or the kept (`old`) version in place; the same again changes nothing. */
async function putFiles(
  remote: RemoteHost,
  trees: FileTrees,
  { version, signal }: { readonly version: 'new' | 'old'; readonly signal: AbortSignal },
): Promise<void> {
  const command = script(putScript, trees.directory, version);
  const { status } = await remote.run({ ...command, deadline: 600, accept: [0, 3] }, { signal });
  if (status !== 0) throw versionGone(remote, trees, version);
}

/** Somebody has removed what a restore has put aside, or beside. */
export function versionGone(remote: RemoteHost, { directory }: FileTrees, version: 'new' | 'old'): BackupError {
  const host = remote.host.name;
  const what = version === 'old' ? 'what was there before is no longer kept' : 'what was unpacked is no longer there';
  return new BackupError('RESTORE_REFUSED', `${host}: ${what}: ${directory}/${version} was removed`, {
    host,
    hint:
      version === 'old' ? 'The restored files stay. Restore another backup instead.' : 'Roll back, then restore again.',
  });
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
  /** What was there before can be put back. */
  readonly isKept: boolean;
}

export async function filesState(remote: RemoteHost, trees: FileTrees, signal: AbortSignal): Promise<FilesState> {
  const command = script(stateScript, trees.directory);
  const { stdout } = await remote.run({ ...command, deadline: 600 }, { signal });
  const [live, staged, kept, mark, hasKept] = stdout.toString('utf8').trim().split('\n');
  if (live === undefined || staged === undefined || kept === undefined || mark === undefined)
    throw new BackupError('SERVICE_ANSWER', `${remote.host.name}: the files to restore cannot be compared`, {
      host: remote.host.name,
    });
  return { isNew: live === staged, isOld: live === kept, isChanging: mark === 'changing', isKept: hasKept === 'kept' };
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
  throw new BackupError('RESTORE_CHECK', `${name}: what is in ${nameList(trees.roots)} now is not what was put there`, {
    host: name,
    hint: 'Does another program write there at the same time?',
  });
}
