import type { AnyComponent } from '../components/component.js';
import { BackupError } from '../model/errors.js';
import type { RestoreOptions } from './api.js';

/** Errors: COMPONENT_UNKNOWN, OPTION_INVALID for a key that the component does not have. */
export function checkSelectors(
  select: NonNullable<RestoreOptions['select']>,
  components: readonly AnyComponent[],
): void {
  for (const [name, keys] of Object.entries(select)) {
    const component = components.find((each) => each.name === name);
    if (component === undefined)
      throw new BackupError('COMPONENT_UNKNOWN', `--select: unknown component "${name}"`, {
        hint: `Known components: ${components.map((each) => each.name).join(', ')}.`,
      });
    const selectors = component.selectors ?? {};
    const unknown = Object.keys(keys).find((key) => !Object.hasOwn(selectors, key));
    if (unknown === undefined) continue;
    const known = Object.entries(selectors).map(([key, text]) => `${name}.${key} (${text})`);
    throw new BackupError('OPTION_INVALID', `--select: ${name} has no selector "${unknown}"`, {
      component: name,
      hint: known.length === 0 ? `${name} has none.` : `There are ${known.join(', ')}.`,
    });
  }
}
