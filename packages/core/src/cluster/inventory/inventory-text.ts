import { isUtf8 } from 'node:buffer';

import { BackupError } from '../../model/errors.js';
import type { Place } from './inventory.js';
import { splitLines } from '../python/python-text.js';

/** Where the text of an inventory comes from. */
export interface InventoryText {
  /** Absolute path. */
  readonly file: string;
  /** The file is encrypted as a whole: its values must not be shown. */
  readonly encrypted: boolean;
}

/** The place of a line, from 1. */
export function placeIn({ file, encrypted }: InventoryText, line: number): Place {
  return encrypted ? { file, line, encrypted } : { file, line };
}

/** What names have; much else in the place of one is a value that got there by mistake. */
const nameShape = /^[\w.-]{1,255}$/;

/**
 * What is called so, for messages: `group "web"`; `a group` where nothing must be quoted, as the file is encrypted as a whole, or as the text
 * is not written as names are and may be a password in the wrong place.
 */
export function named(what: 'group' | 'host' | 'key' | 'name', name: string, place: Pick<Place, 'encrypted'>): string {
  return mayBeNamed(name, place) ? `${what} "${name}"` : `a ${what}`;
}

/** Whether messages may quote what stands there as a name. */
export function mayBeNamed(name: string, { encrypted }: Pick<Place, 'encrypted'> = {}): boolean {
  return encrypted !== true && nameShape.test(name);
}

/**
 * The lines of an INI inventory. Comments may be in any encoding; everything else must be UTF-8 without a byte
 * order mark, else INVENTORY_SYNTAX with its line.
 */
export function decodeLines(bytes: Buffer, file: string): string[] {
  refuseUtf16(bytes, file);
  if (bytes.toString('utf8', 0, 3) === '\ufeff') {
    throw new BackupError(
      'INVENTORY_SYNTAX',
      `${file}:1: the file begins with a byte order mark, which Ansible would take for a part of the first line`,
      { hint: 'Save the file as UTF-8 without a byte order mark.' },
    );
  }
  if (isUtf8(bytes)) return splitLines(bytes.toString('utf8'));
  const lines = bytes.toString('latin1').split(/\r\n|\n|\r/);
  return lines.map((text, index) => {
    if (/^\s*[#;]/.test(text)) return '';
    const line = Buffer.from(text, 'latin1');
    if (isUtf8(line)) return line.toString('utf8');
    throw notText(file, index + 1);
  });
}

/** The text of a YAML or JSON file, which must be UTF-8 as a whole, else INVENTORY_SYNTAX with the first line that is not. */
export function decodeText(bytes: Buffer, file: string): string {
  refuseUtf16(bytes, file);
  if (isUtf8(bytes)) return bytes.toString('utf8');
  const lines = bytes.toString('latin1').split('\n');
  throw notText(file, lines.findIndex((line) => !isUtf8(Buffer.from(line, 'latin1'))) + 1);
}

/** Its byte order mark is no UTF-8 text. */
function refuseUtf16(bytes: Buffer, file: string): void {
  if (!['fffe', 'feff'].includes(bytes.toString('hex', 0, 2))) return;
  throw new BackupError('INVENTORY_SYNTAX', `${file}:1: the file is UTF-16 text, and only UTF-8 is read`, {
    hint: 'Save the file as UTF-8 without a byte order mark.',
  });
}

function notText(file: string, line: number): BackupError {
  return new BackupError('INVENTORY_SYNTAX', `${file}:${line}: the line is not UTF-8 text`);
}
