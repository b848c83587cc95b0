import { createHash } from 'node:crypto';

import { BackupError } from './errors.js';

const plainBytes = /^[A-Za-z0-9._-]$/;
const maximumPieceBytes = 200;
/** Endings the archive gives a meaning of its own; an artifact whose name ends like this gets its last dot escaped. */
const reservedEnding = /\.(part-\d+|parts|entries|FAILED|try-\d+)$/;

/**
 * One piece of an artifact's path: bytes outside `[A-Za-z0-9._-]` become `%XX` (UTF-8), a reserved ending has its dot escaped,
 * and `.` and `..` are escaped whole. The result is at most 200 bytes: a longer one is cut and ends in a hash of the original,
 * so that two long names stay different. The original is kept in metadata.
 */
export function escapePiece(original: string): string {
  if (original === '') throw new BackupError('INTERNAL', 'an artifact name has an empty piece');
  let escaped = '';
  for (const byte of Buffer.from(original, 'utf8')) {
    const character = String.fromCharCode(byte);
    escaped += plainBytes.test(character) ? character : percent(byte);
  }
  if (escaped === '.' || escaped === '..') escaped = escaped.replaceAll('.', '%2E');
  if (reservedEnding.test(escaped)) {
    const dot = escaped.lastIndexOf('.');
    escaped = `${escaped.slice(0, dot)}%2E${escaped.slice(dot + 1)}`;
  }
  if (escaped.length <= maximumPieceBytes) return escaped;
  const hash = createHash('sha256').update(original).digest('hex').slice(0, 16);
  const head = escaped.slice(0, maximumPieceBytes - hash.length - 1).replace(/%[0-9A-F]?$/, '');
  return `${head}-${hash}`;
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}

/** `<component>/<host>/<artifact>`, each piece escaped. */
export function artifactPath(component: string, host: string, artifact: string): string {
  return [component, host, artifact].map(escapePiece).join('/');
}
