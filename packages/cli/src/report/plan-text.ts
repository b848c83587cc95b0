import type { Plan } from '@lsbackup/core';
import { notBackedUpText, notPlanned } from './not-backed-up.js';
import { bytesText, counted, indented, printable } from './text.js';

/** A plan for people. */
export function planText(plan: Plan): string {
  const units = plan.units.filter((unit) => unit.status === 'planned');
  const artifacts = units.reduce((sum, unit) => sum + unit.artifacts.length, 0);
  const parts = [
    `Cluster ${plan.cluster}: ${counted(units.length, 'unit')}, ${counted(artifacts, 'artifact')}, about ${bytesText(plan.expectedBytes)}; at most ${bytesText(plan.memory)} of memory for buffers`,
    ...units.map(unitText),
    notBackedUpText(notPlanned(plan), 'Would NOT be backed up'),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function unitText(unit: Plan['units'][number]): string {
  const product = unit.product === undefined ? '' : `  ${unit.product.name} ${unit.product.version}`;
  const artifacts = unit.artifacts.flatMap(({ path, size, commands }) => [
    `${path}  ${size === undefined ? 'size unknown' : `about ${bytesText(size)}`}`,
    ...commands.map((command) => `  $ ${command}`),
  ]);
  const notes = [
    ...unit.tempSpace.map(
      ({ host, path, bytes, why }) => `temporary: ${bytesText(bytes)} in ${path} on ${host} (${why})`,
    ),
    ...(unit.containsSecrets ? ['contains secrets; the archive is not encrypted'] : []),
    ...unit.warnings.map((warning) => `warning: ${warning.message}`),
  ];
  const head = `${unit.component}/${unit.name}${product}  ${unit.consistency ?? ''}`.trimEnd();
  return [head, ...[...artifacts, ...notes].map((line) => indented(line))].map(printable).join('\n');
}
