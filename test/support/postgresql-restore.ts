import { setMaxListeners } from 'node:events';
import { readdir } from 'node:fs/promises';
import { openArchive } from '@lsbackup/core';
import { postgresql } from '../../packages/core/src/components/postgresql/index.js';
import { postgresqlOptions, type PostgresqlOptions } from '../../packages/core/src/components/postgresql/options.js';
import type {
  AnyStepKind,
  Finding,
  RestoreContext,
  Step,
  StepContext,
  UnitBackup,
} from '../../packages/core/src/components/restore.js';
import type { Warning } from '../../packages/core/src/model/artifact.js';
import { silentLogger } from '../../packages/core/src/model/logger.js';
import type { RemoteHost } from '../../packages/core/src/remote/remote-host.js';
import { selectAlone } from '../../packages/core/src/restore/select-alone.test-support.js';
import { localDriver } from '../../packages/core/src/stores/local.js';
import { openStore } from '../../packages/core/src/stores/target.js';
import { lsbackup, must, temporaryDirectory } from './lsbackup.js';
import { runSteps, type RanSteps, type StepHooks } from './run-steps.js';
import { connectAs } from './test-users.js';

export const kinds: readonly AnyStepKind[] = postgresql.stepKinds ?? [];

/** One restore of the unit of PostgreSQL in an archive to db1. */
export interface PostgresqlRestore {
  readonly backup: UnitBackup;
  readonly context: RestoreContext<PostgresqlOptions> & StepContext;
  readonly warnings: Warning[];
  readonly findings: Finding[];
  plan(): Promise<readonly Step[]>;
  /** Plans and runs. */
  run(hooks?: StepHooks): Promise<RanSteps & { readonly steps: readonly Step[] }>;
}

export interface RestoreTest extends AsyncDisposable {
  readonly path: string;
  readonly remote: RemoteHost;
  /** A backup of db1's PostgreSQL; resolves with its directory. */
  backUp(): Promise<string>;
  open(directory: string, selected?: Readonly<Record<string, readonly string[]>>): Promise<PostgresqlRestore>;
}

/** What restores of db1 have in common. In the end db1 is as it was seeded. */
export async function restoreTest(): Promise<RestoreTest> {
  const directory = await temporaryDirectory();
  const remote = await connectAs({ name: 'db1', address: '172.28.0.21' });
  const session = Math.floor(Math.random() * 0xffff);
  let runs = 0;
  return {
    path: directory.path,
    remote,
    async backUp() {
      const target = `${directory.path}/target-${String((runs += 1))}`;
      await must('mkdir', target);
      const { status, stdout, stderr } = await lsbackup(
        ...['-b', 'test/cluster/build', '-t', target, '--only', 'postgresql'],
      );
      if (status !== 0) throw new Error(`the backup ended with ${String(status)}: ${stdout}${stderr}`);
      return target;
    },
    async open(target, selected = {}) {
      const run = (session * 0x10000 + (runs += 1)).toString(16).padStart(8, '0');
      return openRestore({ target, remote, runId: `20261123T000000Z-${run}`, selected });
    },
    async [Symbol.asyncDispose]() {
      await remote[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

interface RestoreRequest {
  readonly target: string;
  readonly remote: RemoteHost;
  readonly runId: string;
  readonly selected: Readonly<Record<string, readonly string[]>>;
}

async function openRestore({ target, remote, runId, selected }: RestoreRequest): Promise<PostgresqlRestore> {
  const [name = ''] = (await readdir(target)).filter((entry) => entry.endsWith('.tar.gz'));
  const archive = await openArchive(await openStore(target, [localDriver]), name);
  const { metadata } = archive;
  const unit = metadata.components.find((component) => component.name === postgresql.name)?.units[0];
  if (unit === undefined) throw new Error(`${name} has no unit of ${postgresql.name}`);
  const warnings: Warning[] = [];
  const findings: Finding[] = [];
  const options = postgresqlOptions.parse({});
  const isOurs = (one: { readonly component: string }): boolean => one.component === postgresql.name;
  const backup = {
    component: postgresql.name,
    unit,
    artifacts: metadata.artifacts.filter(isOurs),
    failed: metadata.failed.filter(isOurs),
  };
  const { signal } = new AbortController();
  setMaxListeners(0, signal);
  const context: PostgresqlRestore['context'] = {
    runId,
    target: () => remote.host,
    optionsFor: () => options,
    remote: () => Promise.resolve(remote),
    selected: selectAlone(postgresql.name, unit.name, selected),
    read: (path) => archive.read(path),
    surveyTar: () => Promise.reject(new Error('no tar is read')),
    moved: [],
    report: (finding) => findings.push(finding),
    warn: (warning) => warnings.push(warning),
    signal,
    log: silentLogger,
  };
  const plan = (): Promise<readonly Step[]> => postgresql.restore?.(context, backup) ?? Promise.reject(new Error());
  return {
    backup,
    context,
    warnings,
    findings,
    plan,
    async run(hooks) {
      const steps = await plan();
      return { steps, ...(await runSteps(steps, kinds, context, hooks)) };
    },
  };
}
