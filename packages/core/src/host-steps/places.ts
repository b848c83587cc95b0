/** Where a restore keeps what it unpacks and what it moves aside: on the host itself, for root alone. */
const restores = '/var/lib/lsbackup/restores';

/** A directory of this run on a host; `name` tells apart what is restored on one host. */
export function restoreDirectory(runId: string, name: string): string {
  return `${restores}/${runId}/${name}`;
}

/** The end of a script that has removed what was in the directory `$1`: it, its run's and those above go too when nothing else is in them. */
export const removeEmptyDirectories = 'cd / && { rmdir -- "$1" 2>/dev/null; rmdir -p -- "${1%/*}" 2>/dev/null; } || :';
