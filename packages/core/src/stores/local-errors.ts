import { BackupError, type ErrorCode } from '../model/errors.js';

const codes: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'TARGET_MISSING',
  ENOTDIR: 'TARGET_MISSING',
  EROFS: 'TARGET_READ_ONLY',
  EACCES: 'TARGET_READ_ONLY',
  EPERM: 'TARGET_READ_ONLY',
  ENOSPC: 'TARGET_NO_SPACE',
  EDQUOT: 'TARGET_NO_SPACE',
  ENOTCONN: 'TARGET_UNREACHABLE',
  ESTALE: 'TARGET_UNREACHABLE',
  ETIMEDOUT: 'TARGET_UNREACHABLE',
};

const messages: Partial<Record<ErrorCode, readonly [message: string, hint: string]>> = {
  TARGET_MISSING: [
    'is not an existing directory',
    'create the directory, or mount the share that should be there; lsbackup never creates a target',
  ],
  TARGET_READ_ONLY: ['cannot be written', 'mount it writable, or give the user who runs lsbackup write permission'],
  TARGET_NO_SPACE: ['has no space left', 'free space or a quota on the target, or choose another target'],
  TARGET_UNREACHABLE: ['does not answer', 'check the mount'],
};

/** The `code` of a system error (`ENOENT`), or undefined. Source: errno(3). */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The same for an upload under way: a directory that was there and is not any more went away with its mount. */
export function lateLocalError(error: unknown, directory: string): BackupError {
  const known = localError(error, directory);
  if (known.code !== 'TARGET_MISSING') return known;
  const hint = 'check the mount; what was there of the archive is gone or stands where the directory is now';
  return new BackupError('TARGET_UNREACHABLE', `target ${directory} went away while the archive was written`, {
    hint,
    cause: error,
  });
}

/** The same for looking into the target: what is not permitted then has nothing to do with writing. */
export function localReadError(error: unknown, directory: string): BackupError {
  const known = localError(error, directory);
  if (known.code !== 'TARGET_READ_ONLY') return known;
  const detail = error instanceof Error ? error.message : String(error);
  return new BackupError('TARGET_UNREADABLE', `target ${directory} cannot be read (${detail})`, {
    hint: 'give the user who runs lsbackup permission to read this directory, and to enter it and those above it',
    cause: error,
  });
}

/**
 * How filesystems say that they have no hard links: EPERM by link(2) (FAT, exFAT), EOPNOTSUPP (CIFS without Unix extensions), ENOSYS
 * (FUSE without `link`). The other reasons of EPERM are about files of others; what is linked here was just made by this process.
 */
function isWithoutHardLinks(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('syscall' in error) || error.syscall !== 'link') return false;
  return ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(systemCode(error) ?? '');
}

function withoutHardLinks(cause: unknown, directory: string): BackupError {
  const detail = cause instanceof Error ? cause.message : String(cause);
  const hint =
    'an archive gets its name by a hard link, which never replaces another; choose a target on a filesystem that has them, such as ext4, XFS or NFS (FAT and exFAT do not)';
  const message = `target ${directory} is on a filesystem without hard links (${detail})`;
  return new BackupError('TARGET_IO', message, { hint, cause });
}

/** What a failed file operation in the target directory means. A BackupError stays itself. */
export function localError(error: unknown, directory: string): BackupError {
  if (error instanceof BackupError) return error;
  if (isWithoutHardLinks(error)) return withoutHardLinks(error, directory);
  const code = codes[systemCode(error) ?? ''] ?? 'TARGET_IO';
  const detail = error instanceof Error ? error.message : String(error);
  const [message, hint] = messages[code] ?? ['failed', undefined];
  return new BackupError(code, `target ${directory} ${message} (${detail})`, { hint, cause: error });
}
