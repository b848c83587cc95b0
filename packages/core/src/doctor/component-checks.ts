import type { PlannedUnit } from '../run/api.js';
import type { DiscoveredUnit } from '../run/discover.js';
import { bytesText } from '../model/bytes-text.js';
import type { BackupError } from '../model/errors.js';
import { about, type Check, failed, type Finding, ok, skipped, warning, withoutName } from './diagnosis.js';

/** What a backup would save of one unit, or why not. `unreached`: hosts about which the report says already that they cannot be had. */
export function unitChecks(discovered: DiscoveredUnit, unreached: ReadonlySet<string>): readonly Check[] {
  const { planned, error } = discovered;
  const { component, name, hosts } = planned;
  return about({ kind: 'component', component, unit: name, hosts }, findings(planned, error, unreached));
}

function findings(
  unit: PlannedUnit,
  error: BackupError | undefined,
  unreached: ReadonlySet<string>,
): readonly Finding[] {
  if (error !== undefined) {
    const told = error.host !== undefined && unreached.has(error.host);
    return [
      told
        ? skipped('discovery', `not looked for: ${error.host} cannot be reached`)
        : failed('discovery', error, unit.name),
    ];
  }
  if (unit.status !== 'planned') return [skipped('discovery', withoutName(unit.reason ?? unit.status, unit.name))];
  return [
    ok('discovery', savedText(unit)),
    ...unit.warnings.map(({ code, message }) => warning('discovery', withoutName(message, unit.name), undefined, code)),
  ];
}

function savedText({ product, artifacts }: PlannedUnit): string {
  const sizes = artifacts.map(({ size }) => size).filter((size) => size !== undefined);
  const sum = bytesText(sizes.reduce((total, size) => total + size, 0));
  const size = sizes.length === artifacts.length ? `about ${sum}` : `${sum} and some of unknown size`;
  const count = `${artifacts.length} ${artifacts.length === 1 ? 'artifact' : 'artifacts'}`;
  return `${product?.name ?? ''} ${product?.version ?? ''}: ${count}, ${size}`.trim();
}
