import { getSystemErrorMap } from 'node:util';

/** Why a file operation failed, without the path that the message has already: `no such file or directory (ENOENT)`. */
export function systemReason(error: unknown): string {
  const known = getSystemErrorMap().get(systemNumber(error) ?? 0);
  if (known !== undefined) return `${known[1]} (${known[0]})`;
  return error instanceof Error ? error.message : String(error);
}

/** Source: node's `SystemError`; errno(3). */
function systemNumber(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('errno' in error)) return undefined;
  return typeof error.errno === 'number' ? error.errno : undefined;
}

/** `ENOENT` and the like; undefined for an error that is none of the system's. */
export function systemErrorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
