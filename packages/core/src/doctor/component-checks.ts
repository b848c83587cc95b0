import type { PlannedUnit } from '../run/api.js';
import type { DiscoveredUnit } from '../run/discover.js';
import { bytesText } from '../model/bytes-text.js';
import type { BackupError } from '../model/errors.js';
import { about, type Check, failed, type Finding, ok, refused, skipped, warning, withoutName } from './diagnosis.js';

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
  const refusals = unit.artifacts.flatMap(({ path, refusal }) => (refusal === undefined ? [] : [{ path, ...refusal }]));
  const told = new Set(refusals.map(({ message }) => message));
  return [
    ok('discovery', savedText(unit)),
    ...refusals.map(({ path, code, message, hint }) =>
      refused('discovery', code, `${path} cannot be saved: ${withoutName(message, unit.name)}`, hint),
    ),
    ...unit.warnings
      .filter(({ message }) => !told.has(message))
      .map(({ code, message }) => warning('discovery', withoutName(message, unit.name), remedies[code], code)),
  ];
}

/** Of warnings that do not say it themselves. */
const remedies: Readonly<Partial<Record<string, string>>> = {
  SERVICE_DOWN: 'Start it, if it should run.',
  SNAPSHOT_LEFTOVER: 'Remove them, if nobody needs them.',
  RMQ_NODE: 'Start these members, and add their hosts to the group rabbitmq of the inventory.',
};

function savedText({ product, artifacts }: PlannedUnit): string {
  const sizes = artifacts.map(({ size }) => size).filter((size) => size !== undefined);
  const sum = bytesText(sizes.reduce((total, size) => total + size, 0));
  const size = sizes.length === artifacts.length ? `about ${sum}` : `${sum} and some of unknown size`;
  const count = `${artifacts.length} ${artifacts.length === 1 ? 'artifact' : 'artifacts'}`;
  return `${product?.name ?? ''} ${product?.version ?? ''}: ${count}, ${size}`.trim();
}
