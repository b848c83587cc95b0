import { z } from 'zod';
import { script } from '../../host-steps/stage-files.js';
import { BackupError } from '../../model/errors.js';
import { nameList } from '../../model/name-list.js';
import type { RestoreContext, UnitBackup } from '../restore.js';
import { componentName } from './artifacts.js';
import { readFacts } from './facts.js';
import type { PostgresqlOptions } from './options.js';
import type { PhysicalRecord } from './physical-backup.js';
import { dumpsHint, refusal, type PhysicalTarget } from './physical-target.js';
import { hasLocale, localesCommand } from './restore-checks.js';
import { archivedPlace, majorOf } from './restore-target.js';
import { findServers } from './server.js';

type Context = RestoreContext<PostgresqlOptions>;

/** Of the cluster that was backed up. */
export function systemIdentifierOf({ unit }: UnitBackup): string {
  return z.object({ systemIdentifier: z.string() }).parse(unit.identity).systemIdentifier;
}

/** Another server of the same cluster would be a second primary, or a standby that is ahead of its primary. */
export async function refuseMembers(context: Context, backup: UnitBackup, target: PhysicalTarget): Promise<void> {
  const systemIdentifier = systemIdentifierOf(backup);
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
export async function refuseOther(
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

export async function refuseLayout({ signal }: Context, { remote, place }: PhysicalTarget): Promise<void> {
  const { stdout } = await remote.run(script(layoutScript, place.dataDirectory, place.user), { signal });
  const faults = stdout.toString('utf8').split('\n').filter(Boolean);
  if (faults.length > 0) throw refusal(place, faults.join('; '), dumpsHint);
}

function isPlain(locale: string): boolean {
  return /^(?:c|posix)(?:\.utf-?8)?$/i.test(locale);
}

/** A database whose locale the C library does not have lets nobody in (postinit.c, CheckMyDatabase). */
export async function refuseLocales(
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

/** What has to be done afterwards. */
export function warnOfRest(
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
