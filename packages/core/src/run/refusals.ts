import type { Cluster } from '../cluster/cluster.js';
import { BackupError } from '../model/errors.js';
import type { SelectedComponent } from './selection.js';

/** Refusals that are written out; the others are counted. */
const shown = 10;

/** Throws what makes a selected host impossible to reach, for all such hosts in one error; hosts that are left out do not matter. */
export function refuseUnreachable({ hosts }: Cluster, selected: readonly SelectedComponent[]): void {
  const wanted = new Set(selected.flatMap((component) => component.hosts));
  const refused = hosts.filter((host) => wanted.has(host.name));
  const refusals = refused.flatMap(({ refusal }) => (refusal === undefined ? [] : [refusal]));
  const [first] = refusals;
  if (first === undefined) return;
  const reasons = [...new Set(refusals.map(({ message }) => message))];
  if (reasons.length === 1) throw first;
  const more = reasons.length > shown ? [`and ${reasons.length - shown} more`] : [];
  throw new BackupError(
    first.code,
    `${refusals.length} hosts cannot be reached as the inventory says:\n  ${[...reasons.slice(0, shown), ...more].join('\n  ')}`,
    {
      cause: first,
      hint: 'Leave these hosts out with --limit or --skip; lsbackup inventory shows how each host is reached.',
    },
  );
}
