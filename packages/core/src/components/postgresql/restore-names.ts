import { createHash } from 'node:crypto';

/** PostgreSQL cuts longer names without an error (NAMEDATALEN is 64, one byte of it is the end mark). */
export const maximumNameBytes = 63;

/** Eight characters that stand for a run: those its id ends in, as run ids do, or made of it. */
export function shortRun(runId: string): string {
  return /-([0-9a-f]{8})$/.exec(runId)?.[1] ?? createHash('sha256').update(runId).digest('hex').slice(0, 8);
}

/** The name of a database while it is loaded; also what our sessions for it are called. `number` tells the databases of one restore apart. */
export function newName(runId: string, number: number): string {
  return `lsbackup_new_${shortRun(runId)}_${String(number)}`;
}

/** The name under which what was there before is kept: the name itself, cut between characters where it would become too long. */
export function oldName(runId: string, name: string, number: number): string {
  const suffix = `.lsbackup-old-${shortRun(runId)}-${String(number)}`;
  let head = name;
  while (Buffer.byteLength(head + suffix) > maximumNameBytes) head = head.replace(/.$/su, '');
  return head + suffix;
}
