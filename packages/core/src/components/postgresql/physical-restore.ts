import { z } from 'zod';
import { script } from '../../host-steps/stage-files.js';
import { BackupError } from '../../model/errors.js';
import { nameList } from '../../model/name-list.js';
import type { Json } from '../../model/json.js';
import type { ArtifactRecord } from '../../model/metadata.js';
import type { RestoreContext, Step, TarContents, UnitBackup } from '../restore.js';
import { componentName } from './artifacts.js';
import { baselinesOf } from './baseline.js';
import { readFacts } from './facts.js';
import type { PostgresqlOptions } from './options.js';
import { physicalRecordOf, type PhysicalRecord } from './physical-backup.js';
import { checkServer, type CheckServer } from './physical-check.js';
import { requireStageSpace, stageServer, type StageServer } from './physical-stage.js';
import { startNewServer, stopOldServer, swapDirectories } from './physical-steps.js';
import { dumpsHint, findPhysicalTarget, refusal, type PhysicalTarget } from './physical-target.js';
import { reportMoved } from './report-moved.js';
import { hasLocale, localesCommand } from './restore-checks.js';
import { archivedPlace, majorOf } from './restore-target.js';
import { findServers } from './server.js';

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
  warn(context, target, { backup, recorded });
  await reportMoved(context, backup);
  const check: CheckServer = {
    place: target.place,
    directory,
    systemIdentifier: identitySchema.parse(backup.unit.identity).systemIdentifier,
    versionNumber: recorded.versionNumber,
    countRows: target.options.count_rows,
    databases: recorded.databases.map(({ name, connectable }) => ({ name, connectable })),
    baselines: baselinesOf(backup.unit.baseline),
  };
  return stepsOf(target, { stage, check, contents });
}

const identitySchema = z.object({ systemIdentifier: z.string() });

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

/** Another server of the same cluster would be a second primary, or a standby that is ahead of its primary. */
async function refuseMembers(context: Context, backup: UnitBackup, target: PhysicalTarget): Promise<void> {
  const { systemIdentifier } = identitySchema.parse(backup.unit.identity);
  const { primary } = archivedPlace(backup);
  for (const name of backup.unit.hosts.filter((host) => host !== primary)) {
    const host = context.target(name);
    const remote = await context.remote(host);
    if (remote.facts.machineId === target.remote.facts.machineId) continue;
    const servers = await findServers(
      remote,
      { ...context.optionsFor(host), ignore_stopped: true },
      context.signal,
    ).catch((error: unknown) => {
      if (error instanceof BackupError && ['SERVICE_DOWN', 'SERVICE_MISSING'].includes(error.code)) return undefined;
      throw error;
    });
    for (const server of servers?.running ?? []) {
      const facts = await readFacts(remote, server, context.signal);
      if (facts.systemIdentifier === systemIdentifier || facts.systemIdentifier === target.facts?.systemIdentifier)
        throw refusal(
          target.place,
          `${host.name} runs a ${facts.recovery ? 'standby' : 'primary'} of the same cluster, which cannot follow what is restored`,
          `Stop it first (systemctl stop repmgrd and PostgreSQL on ${host.name}); afterwards clone it anew.`,
        );
    }
  }
}

/** Errors: RESTORE_VERSION, RESTORE_REFUSED for another kind of machine, SERVICE_MISSING. */
async function refuseOther(
  { signal }: Context,
  { remote, place, host }: PhysicalTarget,
  recorded: PhysicalRecord,
): Promise<void> {
  const program = `${place.binaries}/postgres`;
  const { stdout, status } = await remote.run({ argv: [program, '--version'], accept: [0, 126, 127] }, { signal });
  if (status !== 0)
    throw new BackupError('SERVICE_MISSING', `${place.host}: there is no ${program}`, {
      host: place.host,
      component: componentName,
      hint: 'Install the same major version of PostgreSQL there first.',
    });
  const [, version = ''] = /PostgreSQL\) (\S+)/.exec(stdout.toString('utf8')) ?? [];
  const major = Math.floor(recorded.versionNumber / 10_000);
  if (majorOf(version) !== major * 100)
    throw new BackupError(
      'RESTORE_VERSION',
      `${place.host}: a base backup of PostgreSQL ${String(major)} cannot be used by PostgreSQL ${version}`,
      { host: place.host, component: componentName, hint: dumpsHint },
    );
  if (host.architecture !== recorded.architecture)
    throw refusal(place, `the machine is ${host.architecture}, the backup is of ${recorded.architecture}`, dumpsHint);
}

/** A line for each thing that forbids to put another directory in the place of the data directory `$1` of the user `$2`. */
const layoutScript = `data=$1
parent=\${data%/*}
parent=\${parent:-/}
id -u -- "$2" >/dev/null 2>&1 || echo "there is no user $2"
[ -d "$parent" ] || { echo "there is no directory $parent"; exit 0; }
[ -e "$data" ] || [ -L "$data" ] || exit 0
if [ ! -d "$data" ] || [ -L "$data" ]; then echo 'it is no directory'; exit 0; fi
[ "$(stat -c %d -- "$data")" = "$(stat -c %d -- "$parent")" ] || echo 'it is a file system of its own, so nothing can be moved to its place'
[ ! -L "$data/pg_wal" ] || echo 'its WAL is elsewhere (pg_wal is a link)'
[ -z "$(ls -A "$data/pg_tblspc" 2>/dev/null)" ] || echo 'it has tablespaces'`;

async function refuseLayout({ signal }: Context, { remote, place }: PhysicalTarget): Promise<void> {
  const { stdout } = await remote.run(script(layoutScript, place.dataDirectory, place.user), { signal });
  const faults = stdout.toString('utf8').split('\n').filter(Boolean);
  if (faults.length > 0) throw refusal(place, faults.join('; '), dumpsHint);
}

function isPlain(locale: string): boolean {
  return /^(?:c|posix)(?:\.utf-?8)?$/i.test(locale);
}

/** A database whose locale the C library does not have lets nobody in (postinit.c, CheckMyDatabase). */
async function refuseLocales(
  { signal }: Context,
  { remote, place }: PhysicalTarget,
  recorded: PhysicalRecord,
): Promise<void> {
  const { stdout } = await remote.run(localesCommand, { signal });
  const locales = stdout.toString('utf8').split('\n').filter(Boolean);
  for (const { name, collate, ctype } of recorded.databases)
    for (const locale of [collate, ctype])
      if (locale !== null && !isPlain(locale) && !hasLocale(locales, locale))
        throw refusal(place, `database ${name} needs the locale ${locale}`, 'Create it (locale-gen).');
}

function warn(
  context: Context,
  { place, host, isArchiving }: PhysicalTarget,
  { backup, recorded }: { readonly backup: UnitBackup; readonly recorded: PhysicalRecord },
): void {
  const tell = (code: string, what: string): void => context.warn({ code, message: `${place.host}: ${what}` });
  const sorted = recorded.databases.filter(
    ({ provider, collate, ctype }) =>
      provider === 'c' && [collate, ctype].some((name) => name !== null && !isPlain(name)),
  );
  if (host.libc !== recorded.libc && sorted.length > 0)
    tell(
      'RESTORE_COLLATION',
      `indexes on text were made by ${recorded.libc}, and here is ${host.libc}, which may sort differently: afterwards run REINDEX DATABASE in ${nameList(sorted.map(({ name }) => name))}`,
    );
  if (isArchiving)
    tell(
      'RESTORE_ARCHIVING',
      'the restored server goes on in the timeline of the backup, so its WAL has the names of segments that are in the WAL archive already: empty the archive or give it another place',
    );
  const { standbys = [] } = z.object({ standbys: z.array(z.string()) }).safeParse(backup.unit.roles).data ?? {};
  if (standbys.length > 0)
    tell(
      'RESTORE_STANDBYS',
      `standbys (${nameList(standbys)}) must stay stopped, and be cloned anew afterwards, on each: repmgr standby clone --host=${place.host} --force, or pg_basebackup --host=${place.host} --pgdata=${place.dataDirectory} --wal-method=stream --write-recovery-conf`,
    );
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
