import type { Step } from '../components/restore.js';
import type { RestoredUnit } from './api.js';
import type { StepSet } from './run-set.js';

/** The steps by set, in their order. `units`: whose sets they are. */
export function stepSets(steps: readonly Step[], units: readonly RestoredUnit[]): readonly StepSet[] {
  const names = [...new Set(steps.map(({ set }) => set))];
  return names.map((name) => ({
    name,
    component: units.find(({ sets }) => sets.includes(name))?.component ?? '',
    steps: steps.filter(({ set }) => set === name),
  }));
}
