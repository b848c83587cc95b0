import type { Step } from '../components/restore.js';
import type { StepSet } from './run-set.js';

/** The steps by set, in their order. `componentOf`: of each set, by its name. */
export function stepSets(steps: readonly Step[], componentOf: ReadonlyMap<string, string>): readonly StepSet[] {
  const names = [...new Set(steps.map(({ set }) => set))];
  return names.map((name) => ({
    name,
    component: componentOf.get(name) ?? '',
    steps: steps.filter(({ set }) => set === name),
  }));
}
