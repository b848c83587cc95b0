import { BackupError } from '../model/errors.js';
import type { ErrorCode } from '../model/errors.js';
import { printable } from '../model/byte-names.js';

const codes: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ['ENOSPC', 'TARGET_NO_SPACE'],
  ['EDQUOT', 'TARGET_NO_SPACE'],
  ['EACCES', 'TARGET_READ_ONLY'],
  ['EPERM', 'TARGET_READ_ONLY'],
  ['EROFS', 'TARGET_READ_ONLY'],
  ['EEXIST', 'EXTRACT_EXISTS'],
  ['ENOTEMPTY', 'EXTRACT_EXISTS'],
  ['ENOTDIR', 'EXTRACT_EXISTS'],
  ['ELOOP', 'EXTRACT_EXISTS'],
  ['ENAMETOOLONG', 'EXTRACT_UNSUPPORTED'],
  ['EILSEQ', 'EXTRACT_UNSUPPORTED'],
  ['EINVAL', 'EXTRACT_UNSUPPORTED'],
]);

/** What a file system error means for the file at `path` (bytes, one character per byte). A BackupError stays itself. */
export function writeError(path: string, cause: unknown): BackupError {
  if (cause instanceof BackupError) return cause;
  const system = systemCode(cause);
  return new BackupError(codes.get(system) ?? 'TARGET_IO', `cannot write ${printable(path)}: ${system}`, { cause });
}

/** `ENOENT` and the like; `unknown error` for anything else. */
export function systemCode(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return 'unknown error';
  return typeof error.code === 'string' ? error.code : 'unknown error';
}
