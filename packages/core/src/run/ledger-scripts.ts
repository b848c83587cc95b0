/**
 * The shell side of the ledger (POSIX sh). They run as root where the host allows it, else as the login user; the state directory
 * follows from that. Nothing of what they are told becomes shell text: all of it is arguments or standard input.
 */

/** First argument of every script that needs it; empty: the default. Leaves the others in place. */
const stateDirectory = `
state=$1
shift
if [ -z "$state" ]; then
  if [ "$(id -u)" = 0 ]; then state=/var/lib/lsbackup; else state=$HOME/.local/state/lsbackup; fi
fi`;

/**
 * Removes what a run recorded, then its record; where something stays, the record stays too and says what. $1 of the function: the run's
 * directory.
 */
const removeRecorded = `
remove_recorded() {
  kept=
  if [ -f "$1/paths" ]; then
    while IFS= read -r path; do
      case $path in
        '') ;;
        */../* | */..) kept=$path ;;
        /*/*) rm -rf --one-file-system -- "$path" || kept=$path ;;
        *) kept=$path ;;
      esac
    done < "$1/paths"
  fi
  rm -rf --one-file-system -- "$1/workspace" || kept=$1/workspace
  if [ -n "$kept" ]; then
    printf '%s\\n' "not removed, so its record is kept: $kept" >&2
    return 1
  fi
  rm -rf --one-file-system -- "$1"
}`;

/**
 * Holds a run's record on a host. Arguments: state directory, run id, seconds until a dead run's leftovers are removed. Prints the run's directory,
 * then answers each line of standard input with \`ok\`: \`owner JSON\`, \`path ABSOLUTE\`, \`workspace\`, \`beat\`. When standard input ends, by us or because the connection
 * died, everything recorded is removed. A timer of systemd does the same if this process dies too or never learns of the loss.
 */
export const holdScript = `
set -eu
umask 077
${stateDirectory}
directory=$state/$1
seconds=$2
unit=lsbackup-sweep-$1
${removeRecorded}
disarm() { systemctl stop "$unit.timer" >/dev/null 2>&1 || :; }
arm() {
  [ "$(id -u)" = 0 ] && command -v systemd-run >/dev/null 2>&1 || return 0
  disarm
  systemd-run --quiet --unit="$unit" --on-active="$seconds" /bin/sh -c "$sweeper" sh "$directory" >/dev/null 2>&1 || :
}
sweeper='${removeRecorded.replaceAll("'", `'\\''`)}
remove_recorded "$1"'
give_back() {
  disarm
  remove_recorded "$directory" || return
  rmdir -- "$state" 2>/dev/null || :
}
trap 'give_back; exit 1' HUP INT TERM
# Another run that ends may remove the directory of all runs in between, when it is empty.
tries=0
until mkdir -p -- "$state" && mkdir -- "$directory" 2>/dev/null; do
  tries=$((tries + 1))
  if [ $tries -ge 20 ]; then mkdir -- "$directory"; break; fi
done
: > "$directory/paths"
arm
printf '%s\\n' "$directory"
while IFS= read -r line; do
  case $line in
    'owner '*)
      printf '%s\\n' "\${line#owner }" > "$directory/owner.new"
      mv -- "$directory/owner.new" "$directory/owner.json" ;;
    'path '*) printf '%s\\n' "\${line#path }" >> "$directory/paths" ;;
    workspace) mkdir -p -- "$directory/workspace" ;;
    beat)
      touch -- "$directory/owner.json"
      arm ;;
  esac
  printf 'ok\\n'
done
give_back
`;

/** Prints the state directory, which need not be there. Argument: state directory. */
export const whereScript = `
${stateDirectory}
printf '%s\\n' "$state"
`;

/** One line for every run recorded on the host: run id, seconds since its last beat, its owner record. */
export const listScript = `
${stateDirectory}
cd -- "$state" 2>/dev/null || exit 0
now=$(date +%s)
for directory in *; do
  [ -d "$directory" ] || continue
  touched=$(stat -c %Y -- "$directory/owner.json" 2>/dev/null || stat -c %Y -- "$directory" 2>/dev/null) || continue
  owner=$(cat -- "$directory/owner.json" 2>/dev/null) || owner='{}'
  printf '%s\\t%s\\t%s\\n' "$directory" "$((now - touched))" "$owner"
done
`;

/** Removes what the runs named behind the state directory recorded. One that resists keeps none of the others; in the end it is a failure. */
export const sweepScript = `
set -eu
${stateDirectory}
${removeRecorded}
failed=0
for run in "$@"; do
  systemctl stop "lsbackup-sweep-$run.timer" >/dev/null 2>&1 || :
  remove_recorded "$state/$run" || failed=1
done
rmdir -- "$state" 2>/dev/null || :
exit $failed
`;

/**
 * Holds a lock until standard input ends; prints `locked`, or `busy` where somebody else's lock does not go with it. Arguments: the directory that is locked
 * (empty: /run/lsbackup, which is in memory); `exclusive` for a restore, which has the host for itself, else the lock is shared, as backups do. flock(1)
 * needs no more than to read it, so nobody but its owner may: any user could keep every backup away otherwise. One made before is closed too; where it is
 * another user's it stays as it is.
 */
export const lockScript = `
lock=\${1:-/run/lsbackup}
mode=-s
[ "$2" = exclusive ] && mode=-x
mkdir -p -m 0700 -- "$lock" || exit
chmod 0700 -- "$lock" 2>/dev/null || :
flock $mode -n -E 75 "$lock" sh -c 'echo locked; exec cat >/dev/null'
status=$?
[ "$status" = 75 ] && echo busy && exit 0
exit "$status"
`;
