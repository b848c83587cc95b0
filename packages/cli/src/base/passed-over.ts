import type { ArchiveSummary } from '@lsbackup/core';
import { printable } from '../report/text.js';

/** When no archive was named: which newer ones were not taken, because they are not complete. Undefined: none. */
export function passedOverText(chosen: string, passedOver: readonly ArchiveSummary[]): string | undefined {
  if (passedOver.length === 0) return undefined;
  const names = passedOver.map((archive) => `${archive.name} (${archive.status})`);
  return printable(`Note: taking ${chosen}; newer but not complete: ${names.join(', ')}`);
}
