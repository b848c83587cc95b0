import { BackupError } from '../../model/errors.js';
import type { Json } from '../../model/json.js';
import type { ArtifactRecord } from '../../model/metadata.js';
import type { RestoreContext, Step, TarContents, UnitBackup } from '../restore.js';
import { componentName } from './artifacts.js';
import { baselinesOf } from './baseline.js';
import type { PostgresqlOptions } from './options.js';
import { physicalRecordOf, type PhysicalRecord } from './physical-backup.js';
import { checkServer, type CheckServer } from './physical-check.js';
import {
  refuseLayout,
  refuseLocales,
  refuseMembers,
  refuseOther,
  systemIdentifierOf,
  warnOfRest,
} from './physical-checks.js';
import { requireStageSpace, stageServer, type StageServer } from './physical-stage.js';
import { startNewServer, stopOldServer, swapDirectories } from './physical-steps.js';
import { findPhysicalTarget, type PhysicalTarget } from './physical-target.js';
import { reportMoved } from './report-moved.js';

type Context = RestoreContext<PostgresqlOptions>;

/** Whether `--select postgresql.physical=yes` asks for the server as a whole. Errors: OPTION_INVALID. */
export function isPhysical(context: Context): boolean {
  const [word = 'no', ...more] = context.selected('physical') ?? [];
  if ((word !== 'yes' && word !== 'no') || more.length > 0)
    throw invalid('--select postgresql.physical is either yes or no');
  const part = ['database', 'as', 'globals'].find((key) => context.selected(key) !== undefined);
  if (word === 'yes' && part !== undefined)
    throw invalid(
      `--select postgresql.physical=yes restores the whole server, so postgresql.${part} cannot be selected`,
    );
  return word === 'yes';
}

function invalid(message: string, hint?: string): BackupError {
  return new BackupError('OPTION_INVALID', message, { component: componentName, hint });
}

/** The whole server as pg_basebackup saved it, in the place of the one that is there: one set of steps. */
export async function restorePhysical(context: Context, backup: UnitBackup): Promise<readonly Step[]> {
  const { artifact, recorded } = archived(backup);
  const target = await findPhysicalTarget(context, backup, recorded);
  await refuseMembers(context, backup, target);
  await refuseOther(context, target, recorded);
  await refuseLayout(context, target);
  await refuseLocales(context, target, recorded);
  const contents = await context.surveyTar(artifact.path);
  const directory = workDirectory(context.runId, target.place.dataDirectory);
  const stage: StageServer = {
    place: target.place,
    directory,
    artifact: artifact.path,
    entries: contents.entries,
    bytes: contents.bytes,
    configuration: [...new Set([...usualConfiguration, ...target.configuration])],
  };
  await requireStageSpace(target.remote, stage, context.signal);
  warnOfRest(context, target, { backup, recorded });
  await reportMoved(context, backup);
  const check: CheckServer = {
    place: target.place,
    directory,
    systemIdentifier: systemIdentifierOf(backup),
    versionNumber: recorded.versionNumber,
    countRows: target.options.count_rows,
    databases: recorded.databases.map(({ name, connectable }) => ({ name, connectable })),
    baselines: baselinesOf(backup.unit.baseline),
  };
  return stepsOf(target, { stage, check, contents });
}

/** What servers have in their data directory even where the rest of their configuration is elsewhere. */
const usualConfiguration = ['postgresql.conf', 'postgresql.auto.conf', 'pg_hba.conf', 'pg_ident.conf'];

function archived({ unit, artifacts, failed }: UnitBackup): {
  readonly artifact: ArtifactRecord;
  readonly recorded: PhysicalRecord;
} {
  const isBase = ({ path }: { readonly path: string }): boolean => /\/(?:\d+-)?base\.tar$/.test(path);
  const artifact = artifacts.find(isBase);
  const recorded = physicalRecordOf(unit.baseline);
  if (artifact !== undefined && recorded !== undefined) return { artifact, recorded };
  const why = failed.find(isBase)?.reason ?? 'the archive has no base backup of it';
  throw invalid(
    `--select postgresql.physical=yes: unit ${unit.name}: ${why}`,
    'It is saved where the option postgresql.physical is true.',
  );
}

/** Beside the data directory, so that it can be renamed; hidden, so that nobody takes what is in it for a stopped server. */
function workDirectory(runId: string, dataDirectory: string): string {
  const [, parent = '', name = ''] = /^(.*)\/([^/]+)$/.exec(dataDirectory) ?? [];
  return `${parent}/.lsbackup-${runId}-${name}`;
}

function stepsOf(
  { label, place, facts }: PhysicalTarget,
  {
    stage,
    check,
    contents,
  }: { readonly stage: StageServer; readonly check: CheckServer; readonly contents: TarContents },
): readonly Step[] {
  const set = `${componentName}@${label}/server`;
  const { dataDirectory, unit, host, user, binaries } = place;
  const { directory } = stage;
  const params = { place, directory };
  const step = (name: string, more: Omit<Step, 'id' | 'set' | 'host' | 'after'>): Step => ({
    id: `${set}/${name}`,
    set,
    host,
    after: [],
    ...more,
  });
  const clients = { beginsDowntime: `all clients of PostgreSQL in ${dataDirectory}` };
  return [
    step('stage', {
      kind: stageServer.name,
      params: stage,
      title: `Unpack the server beside ${dataDirectory} (${String(contents.entries)} files) and check it`,
      preview: [
        `install -d -o ${user} -m 0700 ${directory}/new`,
        `tar -xp -C ${directory}/new <${stage.artifact}`,
        `${binaries}/pg_verifybackup ${directory}/new`,
        `rm -f ${directory}/new/standby.signal ${directory}/new/recovery.signal`,
        `cp -a ${dataDirectory}/{${stage.configuration.join(',')}} ${directory}/new`,
      ],
      reads: [stage.artifact],
    }),
    ...(facts === undefined
      ? []
      : [
          step('stop', {
            kind: stopOldServer.name,
            params,
            title: `Stop ${unit}`,
            preview: [`systemctl stop ${unit}`],
            reads: [],
            isDestructive: true,
            ...clients,
          }),
        ]),
    step('swap', {
      kind: swapDirectories.name,
      params,
      title: `Move ${dataDirectory} to ${directory}/old, and what was unpacked to its place`,
      preview: [`mv -T ${dataDirectory} ${directory}/old`, `mv -T ${directory}/new ${dataDirectory}`],
      reads: [],
      isDestructive: true,
    }),
    step('start', {
      kind: startNewServer.name,
      params,
      title: `Start ${unit} and wait until its recovery has ended`,
      preview: [`systemctl start ${unit}`],
      reads: [],
      ...(facts === undefined ? {} : { endsDowntime: true }),
    }),
    step('check', {
      kind: checkServer.name,
      params: JSON.parse(JSON.stringify(check)) as Json,
      title: 'Compare its databases with what the backup counted',
      preview: [],
      reads: [],
    }),
  ];
}
