import type { BackupResult, Metadata, UnitStatus } from '@lsbackup/core';
import type { Outcome } from '../base/run-command.js';
import { notBackedUp, notBackedUpText } from './not-backed-up.js';
import { bytesText, counted, durationText, printable } from './text.js';

/** The last words of a backup that was published: status 0 when complete, 3 when partial. */
export function backupOutcome(result: BackupResult, target: string): Outcome {
  const { metadata } = result;
  const missed = notBackedUp(metadata);
  const seconds = secondsOf(metadata);
  const contentBytes = metadata.artifacts.reduce((sum, artifact) => sum + artifact.bytes, 0);
  const units = unitCounts(metadata);
  return {
    summary: {
      status: result.status,
      archive: result.archive,
      target,
      bytes: result.bytes,
      contentBytes,
      artifacts: metadata.artifacts.length,
      units,
      seconds,
      notBackedUp: missed,
    },
    text: [
      `${result.status === 'complete' ? 'Complete' : 'PARTIAL'}: ${printable(result.archive)}`,
      `  ${counted(units.complete, 'unit')}, ${counted(metadata.artifacts.length, 'artifact')}, ${bytesText(contentBytes)} in ${bytesText(result.bytes)}, ${durationText(seconds)}`,
      ...(secretsText(metadata) === '' ? [] : [`  ${secretsText(metadata)}`]),
      ...[notBackedUpText(missed)].filter((text) => text !== ''),
    ].join('\n'),
    exitStatus: result.status === 'complete' ? 0 : 3,
  };
}

export function unitCounts(metadata: Metadata): Record<UnitStatus, number> {
  const units = metadata.components.flatMap((component) => component.units);
  const count = (status: string): number => units.filter((unit) => unit.status === status).length;
  return {
    complete: count('complete'),
    partial: count('partial'),
    failed: count('failed'),
    absent: count('absent'),
    skipped: count('skipped'),
  };
}

/** The archive is not encrypted, so whoever keeps it should know what is in it. */
export function secretsText(metadata: Metadata): string {
  const names = metadata.components
    .filter((component) => component.units.some((unit) => unit.containsSecrets))
    .map(({ name }) => name);
  return names.length === 0 ? '' : printable(`contains secrets in clear: ${names.join(', ')}`);
}

function secondsOf(metadata: Metadata): number {
  return (Date.parse(metadata.finishedAt) - Date.parse(metadata.startedAt)) / 1000;
}
