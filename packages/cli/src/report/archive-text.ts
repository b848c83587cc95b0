import type { Metadata } from '@lsbackup/core';
import { secretsText } from './backup-summary.js';
import { notBackedUp, notBackedUpText } from './not-backed-up.js';
import { bytesText, counted, indented, printable, tableText } from './text.js';

/** An archive for people. */
export function archiveText(archive: {
  readonly name: string;
  readonly bytes: number;
  readonly contentBytes: number;
  readonly metadata: Metadata;
}): string {
  const { metadata } = archive;
  const head = [
    ['archive', archive.name],
    ['cluster', metadata.cluster.name],
    ['status', metadata.status === 'complete' ? 'complete' : 'PARTIAL'],
    ['started', metadata.startedAt],
    ['finished', metadata.finishedAt],
    [
      'size',
      `${bytesText(archive.bytes)}, content ${bytesText(archive.contentBytes)} in ${counted(metadata.artifacts.length, 'artifact')}`,
    ],
    ['run', `${metadata.runId} by ${metadata.tool.name} ${metadata.tool.version}`],
  ].map(([key = '', value = '']) => printable(`${key.padEnd(9)} ${value}`));
  const secrets = secretsText(metadata);
  const parts = [
    [...head, ...(secrets === '' ? [] : [secrets])].join('\n'),
    `Units\n${indented(unitTable(metadata))}`,
    ...(metadata.artifacts.length > 0 ? [`Artifacts\n${indented(artifactTable(metadata))}`] : []),
    warningsText(metadata),
    notBackedUpText(notBackedUp(metadata)),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function unitTable(metadata: Metadata): string {
  const rows = metadata.components.flatMap((component) =>
    component.units.map((unit) => [
      `${component.name}/${unit.name}`,
      unit.status,
      unit.product === undefined ? '-' : `${unit.product.name} ${unit.product.version}`,
      unit.consistency ?? '-',
      unit.hosts.join(', '),
    ]),
  );
  return tableText(['unit', 'status', 'version', 'consistency', 'hosts'], rows);
}

function artifactTable(metadata: Metadata): string {
  const rows = metadata.artifacts.map((artifact) => [
    artifact.path,
    bytesText(artifact.bytes),
    artifact.format,
    artifact.parts === 0 ? '' : counted(artifact.parts, 'part'),
  ]);
  return tableText(['path', 'bytes', 'format', ''], rows);
}

function warningsText(metadata: Metadata): string {
  const warnings = [
    ...metadata.components.flatMap(({ name, units }) =>
      units.flatMap((unit) => unit.warnings.map((warning) => `${name}/${unit.name}: ${warning.message}`)),
    ),
    ...metadata.artifacts.flatMap(({ path, warnings: own }) => own.map((warning) => `${path}: ${warning.message}`)),
  ];
  return warnings.length === 0
    ? ''
    : ['Warnings', ...warnings.map((warning) => indented(printable(warning)))].join('\n');
}
