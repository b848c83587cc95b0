import type { AnyComponent } from '../components/component.js';
import type { RestoreContext } from '../components/restore.js';
import { BackupError } from '../model/errors.js';
import { nameList } from '../model/name-list.js';
import type { RestoreOptions } from './api.js';
import type { Choice } from './choose-units.js';

type Select = NonNullable<RestoreOptions['select']>;

/** Errors: COMPONENT_UNKNOWN, OPTION_INVALID for a key that the component does not have. */
export function checkSelectors(select: Select, components: readonly AnyComponent[]): void {
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

/** What is selected in a component of which nothing is restored would be passed over in silence. Errors: OPTION_INVALID. */
export function refuseIdle(select: Select, { units, left }: Choice): void {
  for (const [name, keys] of Object.entries(select)) {
    if (units.some(({ component }) => component.name === name)) continue;
    const [first] = Object.entries(keys).flatMap(([key, values]) => values.map((value) => `${key}=${value}`));
    const reason = left.find(({ component }) => component === name)?.reason;
    throw new BackupError('OPTION_INVALID', `--select ${name}.${first ?? ''}: nothing of ${name} is restored`, {
      component: name,
      hint: reason ?? 'Name it with --only too, or leave the --select out.',
    });
  }
}

/** What `--select` means for one unit, and what came of it when the unit was planned. */
export interface UnitSelection {
  readonly component: string;
  readonly unit: string;
  readonly selected: RestoreContext<unknown>['selected'];
  /** In the order in which the component asked. */
  readonly asked: readonly Asked[];
}

interface Asked {
  readonly key: string;
  readonly named: readonly string[];
  readonly available: readonly string[];
  readonly missing: ReadonlyMap<string, string>;
}

/** `keys`: what is named for the component. */
export function selectionOf(
  component: string,
  unit: string,
  keys: Readonly<Record<string, readonly string[]>> = {},
): UnitSelection {
  const asked: Asked[] = [];
  const selection: UnitSelection = {
    component,
    unit,
    asked,
    selected: (key, available, missing = new Map()) => {
      const values = Object.hasOwn(keys, key) ? keys[key] : undefined;
      if (values === undefined || available === undefined) return values;
      const named = [...new Set(values)];
      asked.push({ key, named, available, missing });
      const found = named.filter((value) => available.includes(value));
      if (found.length > 0) return found;
      throw refusal([selection], key, named);
    },
  };
  return selection;
}

/** Of what the unit was asked for, nothing is there. */
export function hasNothing({ asked }: UnitSelection): boolean {
  return asked.some(({ named, available }) => !named.some((value) => available.includes(value)));
}

/** What is named, belongs to the unit and could not be saved, for people. */
export function missedIn(selection: UnitSelection): readonly string[] {
  return selection.asked.flatMap(({ key, named, missing }) =>
    named.filter((value) => missing.has(value)).map((value) => refusal([selection], key, [value]).message),
  );
}

/** Something that is named belongs to the unit, saved or not. */
export function concerns({ asked }: UnitSelection): boolean {
  return asked.some(({ named, available, missing }) =>
    named.some((value) => available.includes(value) || missing.has(value)),
  );
}

/** Errors: OPTION_INVALID for a value that none of the component's units has. */
export function refuseUnknown(selections: readonly UnitSelection[]): void {
  for (const { component, asked } of selections)
    for (const { key, named } of asked) {
      const own = selections.filter((each) => each.component === component);
      const there = own.flatMap((each) => each.asked.flatMap((one) => (one.key === key ? one.available : [])));
      const unknown = named.filter((value) => !there.includes(value));
      if (unknown.length > 0) throw refusal(own, key, unknown);
    }
}

function refusal(selections: readonly UnitSelection[], key: string, values: readonly string[]): BackupError {
  const [{ component, unit } = { component: '', unit: '' }] = selections;
  const asked = selections.flatMap((each) =>
    each.asked.filter((one) => one.key === key).map((one) => ({ ...one, unit: each.unit })),
  );
  const reasons = values.flatMap((value) =>
    asked.flatMap((one) => {
      const reason = one.missing.get(value);
      return reason === undefined ? [] : [`unit ${one.unit}: it could not be saved: ${reason}`];
    }),
  );
  const nobody = selections.length === 1 ? `unit ${unit} does not have it` : 'no unit has it';
  const what = values.map((value) => `${component}.${key}=${value}`).join(', ');
  const there = asked.map((one) => `unit ${one.unit} has ${nameList(one.available) || 'none'}`);
  return new BackupError('OPTION_INVALID', `--select ${what}: ${reasons.join('; ') || nobody}`, {
    component,
    hint: `In the archive, ${there.join('; ')}.`,
  });
}
