import type { ByHand } from '../model/by-hand.js';
import { asBackupError } from '../model/errors.js';
import { unitRecord, type FinishedUnit } from './describe.js';
import type { Session } from './session.js';

/**
 * What the components say about putting their units back by hand, as sections of RESTORE.txt. A component that fails at it is told as a warning: its
 * artifacts are saved by then, and RESTORE.txt still says how each is taken out.
 */
export function byHandSections(
  session: Pick<Session, 'components' | 'emit'>,
  units: readonly FinishedUnit[],
): readonly ByHand[] {
  return units.flatMap((finished) => {
    const component = session.components.find(({ name }) => name === finished.planned.component);
    const artifacts = (finished.outcome?.artifacts ?? []).toSorted((a, b) => (a.path < b.path ? -1 : 1));
    if (component?.byHand === undefined || artifacts.length === 0) return [];
    try {
      return component.byHand({ unit: unitRecord(finished), artifacts });
    } catch (error) {
      session.emit({
        type: 'warning',
        component: component.name,
        code: 'NO_RESTORE_TEXT',
        message: `${finished.planned.name}: RESTORE.txt only says how the artifacts are taken out: ${asBackupError(error).message}`,
      });
      return [];
    }
  });
}
