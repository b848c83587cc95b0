import type { RestoreContext } from '../components/restore.js';
import { refuseUnknown, selectionOf } from './selectors.js';

/** `RestoreContext.selected` for the only unit of a component, as the engine gives it; what the unit does not have is refused at once. */
export function selectAlone(
  component: string,
  unit: string,
  keys: Readonly<Record<string, readonly string[]>> = {},
): RestoreContext<unknown>['selected'] {
  const selection = selectionOf(component, unit, keys);
  return (...asked) => {
    const found = selection.selected(...asked);
    refuseUnknown([selection]);
    return found;
  };
}
