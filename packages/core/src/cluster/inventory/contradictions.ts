import { nameList } from '../../model/name-list.js';
import type { Variable } from './inventory.js';
import { mayBeNamed } from './inventory-text.js';
import { refuseSeveral } from './inventory-directory.js';

/** Variables that say where a host is. */
const whereabouts: ReadonlySet<string> = new Set([
  'ansible_host',
  'ansible_ssh_host',
  'ansible_port',
  'ansible_ssh_port',
]);

/** A host that two files put in different places. */
export interface Contradiction {
  readonly host: string;
  readonly before: Variable;
  readonly after: Variable;
}

/** Whether two files say in a variable of one host that it is in different places. Values that are neither text nor numbers are not compared. */
export function isContradiction(name: string, before: Variable, after: Variable): boolean {
  if (!whereabouts.has(name) || before.file === after.file) return false;
  const [left, right] = [textOf(before), textOf(after)];
  return left !== undefined && right !== undefined && left !== right;
}

/** Throws INVENTORY_MISSING, with the first hosts and where each is said to be, where the files of a directory are of several clusters. */
export function refuseContradictions(directory: string, contradictions: readonly Contradiction[]): void {
  if (contradictions.length === 0) return;
  refuseSeveral(directory, nameList(contradictions.map(shown)));
}

function shown({ host, before, after }: Contradiction): string {
  const name = mayBeNamed(host, after) && mayBeNamed(host, before) ? host : 'a host';
  return `${name} is in another place in ${after.file}:${after.line} than in ${before.file}:${before.line}`;
}

function textOf({ value }: Variable): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}
