import { readdir } from 'node:fs/promises';
import { openArchive } from '@lsbackup/core';
import { postgresql } from '../../packages/core/src/components/postgresql/index.js';
import { postgresqlOptions, type PostgresqlOptions } from '../../packages/core/src/components/postgresql/options.js';
import type { Finding, RestoreContext, StepContext, UnitBackup } from '../../packages/core/src/components/restore.js';
import type { Warning } from '../../packages/core/src/model/artifact.js';
import { silentLogger } from '../../packages/core/src/model/logger.js';
import type { RemoteHost } from '../../packages/core/src/remote/remote-host.js';
import { localDriver } from '../../packages/core/src/stores/local.js';
import { openStore } from '../../packages/core/src/stores/target.js';

/** The unit of PostgreSQL in the only archive of a directory, and what a restore of it to one host is given. */
export interface PostgresqlRestore {
  readonly backup: UnitBackup;
  readonly context: RestoreContext<PostgresqlOptions> & StepContext;
  readonly warnings: Warning[];
  readonly findings: Finding[];
}

export interface RestoreRequest {
  readonly directory: string;
  readonly remote: RemoteHost;
  readonly runId: string;
  readonly selected?: Readonly<Record<string, readonly string[]>>;
  readonly options?: Readonly<Record<string, unknown>>;
}

export async function openRestore({
  directory,
  remote,
  runId,
  selected = {},
  options = {},
}: RestoreRequest): Promise<PostgresqlRestore> {
  const [name = ''] = (await readdir(directory)).filter((entry) => entry.endsWith('.tar.gz'));
  const archive = await openArchive(await openStore(directory, [localDriver]), name);
  const { metadata } = archive;
  const unit = metadata.components.find((component) => component.name === postgresql.name)?.units[0];
  if (unit === undefined) throw new Error(`${name} has no unit of ${postgresql.name}`);
  const warnings: Warning[] = [];
  const findings: Finding[] = [];
  const parsed = postgresqlOptions.parse(options);
  const isOurs = (one: { readonly component: string }): boolean => one.component === postgresql.name;
  return {
    backup: {
      component: postgresql.name,
      unit,
      artifacts: metadata.artifacts.filter(isOurs),
      failed: metadata.failed.filter(isOurs),
    },
    context: {
      runId,
      target: () => remote.host,
      optionsFor: () => parsed,
      remote: () => Promise.resolve(remote),
      selected: (key) => selected[key],
      read: (path) => archive.read(path),
      report: (finding) => findings.push(finding),
      warn: (warning) => warnings.push(warning),
      signal: new AbortController().signal,
      log: silentLogger,
    },
    warnings,
    findings,
  };
}
