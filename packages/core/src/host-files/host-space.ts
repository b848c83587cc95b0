import type { Unit } from '../components/component.js';
import { BackupError } from '../model/errors.js';
import type { Command, RemoteHost } from '../remote/remote-host.js';

const kibibyte = 1024;
const gibibyte = 1024 ** 3;
/** What a backup must leave free on a host's file system, for those who share it: the larger of the two. */
const shareKept = 0.1;
const bytesKept = 2 * gibibyte;
/** A backup that writes less than this share is none that fills a disk. It must leave the smaller of 5 % and 2 GiB, so that a disk that is merely well used is backed up. */
const smallShare = 0.01;
const shareKeptBySmall = 0.05;

/** Of the directory, or of the nearest one above that is there already. */
const spaceScript =
  'path=$1; until test -e "$path" || test "$path" = /; do path=$(dirname "$path"); done; exec df -P -k "$path"';

export type TempSpace = NonNullable<Unit['tempSpace']>[number];

export function spaceCommand(path: string): Command {
  return { argv: ['sh', '-c', spaceScript, 'space', path], become: 'root', accept: [0, 1, 127] };
}

/** Bytes. */
export interface FileSystem {
  readonly size: number;
  /** For users other than root. */
  readonly free: number;
}

/** The file system that `path` is on, or would be; undefined where df does not tell. */
export async function readSpace(
  remote: RemoteHost,
  path: string,
  signal: AbortSignal,
): Promise<FileSystem | undefined> {
  const { stdout } = await remote.run(spaceCommand(path), { signal });
  return readFileSystem(stdout.toString('utf8'));
}

/**
 * Refuses to begin what would fill a host's disk. Errors: HOST_SPACE, with the numbers. Where df does not tell (it fails, or
 * a network or FUSE mount has no size), nothing is refused.
 */
export async function requireSpace(
  remote: RemoteHost,
  { host, path, bytes, why }: TempSpace,
  signal: AbortSignal,
): Promise<void> {
  if (bytes <= 0) return;
  const system = await readSpace(remote, path, signal);
  if (system === undefined) return;
  const kept = keptFree(system, bytes);
  if (system.free - bytes >= kept) return;
  throw new BackupError(
    'HOST_SPACE',
    `${host}: too little space for ${path}: ${gibibytes(bytes)} needed for a while (${why}), ${gibibytes(system.free)} free of ${gibibytes(system.size)}, ${gibibytes(kept)} must stay free`,
    { host, hint: `Free space on the file system of ${path}, or leave this host out of the backup.`, retryable: true },
  );
}

/** What must be free afterwards. */
function keptFree({ size }: FileSystem, bytes: number): number {
  return bytes < size * smallShare
    ? Math.min(size * shareKeptBySmall, bytesKept)
    : Math.max(size * shareKept, bytesKept);
}

/** The columns of `df -P` (POSIX): file system, 1024-blocks, used, available, capacity, where it is mounted. */
function readFileSystem(output: string): FileSystem | undefined {
  const [, size, free] = /\s(\d+)\s+\d+\s+(-?\d+)\s+(?:\d+%|-)\s+\//.exec(output) ?? [];
  if (size === undefined || free === undefined || Number(size) === 0) return undefined;
  return { size: Number(size) * kibibyte, free: Number(free) * kibibyte };
}

function gibibytes(bytes: number): string {
  return `${(bytes / gibibyte).toFixed(1)} GiB`;
}
