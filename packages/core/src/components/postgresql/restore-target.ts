import { z } from 'zod';
import { abortError, BackupError } from '../../model/errors.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import type { RestoreContext, UnitBackup } from '../restore.js';
import { componentName } from './artifacts.js';
import { readFacts, type ServerFacts } from './facts.js';
import type { PostgresqlOptions } from './options.js';
import { findServers, queryJson, type Server } from './server.js';
import { standbysSql } from './verify-database.js';

/** The server that a unit is restored to, and what it has. */
export interface Target {
  /** The host, with the port where it has several servers. */
  readonly label: string;
  readonly remote: RemoteHost;
  readonly server: Server;
  readonly options: PostgresqlOptions;
  readonly facts: ServerFacts;
  readonly catalogue: Catalogue;
}

const catalogueSchema = z.object({
  roles: z.array(z.string()),
  tablespaces: z.array(z.string()),
  extensions: z.array(z.string()),
  locales: z.array(z.string()),
  /** By database. */
  prepared: z.record(z.string(), z.array(z.string())),
  /** Logical replication slots and subscriptions, by database: they stay with the database that is moved aside. */
  replication: z.record(z.string(), z.array(z.string())),
  standbys: z.array(z.string()),
});
export type Catalogue = z.infer<typeof catalogueSchema>;

const catalogueSql = `SELECT json_build_object(
  'roles', (SELECT json_agg(rolname) FROM pg_roles), 'tablespaces', (SELECT json_agg(spcname) FROM pg_tablespace),
  'extensions', (SELECT coalesce(json_agg(name), '[]') FROM pg_available_extensions),
  'locales', (SELECT coalesce(json_agg(DISTINCT locale), '[]') FROM (SELECT collcollate AS locale FROM pg_collation UNION SELECT datcollate FROM pg_database UNION SELECT datctype FROM pg_database) AS known WHERE locale IS NOT NULL),
  'prepared', (SELECT coalesce(json_object_agg(database, gids), '{}') FROM (SELECT database, json_agg(gid) AS gids FROM pg_prepared_xacts GROUP BY 1) AS one),
  'replication', (SELECT coalesce(json_object_agg(datname, names), '{}') FROM (SELECT datname, json_agg(name) AS names FROM (
      SELECT datoid, 'slot ' || slot_name AS name FROM pg_replication_slots WHERE datoid IS NOT NULL
      UNION ALL SELECT subdbid, 'subscription ' || subname FROM pg_subscription) AS things JOIN pg_database AS d ON d.oid = datoid GROUP BY 1) AS two),
  'standbys', (${standbysSql}))`;

const rolesSchema = z.object({ primary: z.string(), port: z.number().optional() });

/** Where the unit was in the archive. */
export function archivedPlace({ unit }: UnitBackup): z.infer<typeof rolesSchema> {
  const roles = rolesSchema.safeParse(unit.roles);
  if (roles.success) return roles.data;
  throw new BackupError('RESTORE_REFUSED', `the archive does not say which host of unit ${unit.name} was its primary`, {
    component: componentName,
    cause: roles.error,
  });
}

/**
 * The primary that stands in the place of the archived one: on that one's host, or, where a standby runs there, on another host of the unit. Errors:
 * SERVICE_MISSING, SERVICE_DOWN, PG_ROLE, RESTORE_VERSION, RESTORE_REFUSED.
 */
export async function findTarget(context: RestoreContext<PostgresqlOptions>, backup: UnitBackup): Promise<Target> {
  const { primary, port } = archivedPlace(backup);
  const others = backup.unit.hosts.filter((host) => host !== primary);
  const first = await askServer(context, primary, port);
  const found = first.facts.recovery ? await findPrimary(context, { first, others, port }) : first;
  refuseOlder(found, backup);
  if (found.facts.superuser !== 'on')
    throw new BackupError(
      'RESTORE_REFUSED',
      `${found.server.host}: ${found.server.user} is no superuser in PostgreSQL`,
      {
        host: found.server.host,
        component: componentName,
      },
    );
  const { remote, server } = found;
  const request = { sql: catalogueSql, schema: catalogueSchema, signal: context.signal };
  return { ...found, catalogue: await queryJson(remote, server, request) };
}

type Found = Omit<Target, 'catalogue'>;

async function askServer(
  context: RestoreContext<PostgresqlOptions>,
  archived: string,
  port: number | undefined,
): Promise<Found> {
  const host = context.target(archived);
  const options = context.optionsFor(host);
  const remote = await context.remote(host);
  const { running } = await findServers(remote, { ...options, ignore_stopped: true }, context.signal);
  const server = running.length === 1 ? running[0] : running.find((one) => one.port === port);
  if (server === undefined)
    throw new BackupError(
      'RESTORE_REFUSED',
      `${host.name}: there are several PostgreSQL servers (ports ${running.map((one) => String(one.port)).join(', ')}), and none at the archived port ${String(port)}`,
      {
        host: host.name,
        component: componentName,
        hint: 'Say which one with the option postgresql.port of this host.',
      },
    );
  const label = running.length === 1 ? host.name : `${host.name}:${String(server.port)}`;
  return { label, remote, server, options, facts: await readFacts(remote, server, context.signal) };
}

async function findPrimary(
  context: RestoreContext<PostgresqlOptions>,
  {
    first,
    others,
    port,
  }: { readonly first: Found; readonly others: readonly string[]; readonly port: number | undefined },
): Promise<Found> {
  const answers = await Promise.allSettled(others.map((host) => askServer(context, host, port)));
  if (context.signal.aborted) throw abortError(context.signal);
  const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  const primaries = found.filter(
    ({ facts }) => !facts.recovery && facts.systemIdentifier === first.facts.systemIdentifier,
  );
  const [primary] = primaries;
  if (primary !== undefined && primaries.length === 1) return primary;
  const said = [
    `${first.server.host} is a standby`,
    ...answers.map((answer) =>
      answer.status === 'fulfilled'
        ? `${answer.value.server.host} is ${answer.value.facts.recovery ? 'a standby' : 'a primary'}${answer.value.facts.systemIdentifier === first.facts.systemIdentifier ? '' : ' of another cluster'}`
        : String(answer.reason instanceof Error ? answer.reason.message : answer.reason),
    ),
  ].join('; ');
  throw new BackupError('PG_ROLE', `expected one primary to restore to, found ${String(primaries.length)}: ${said}`, {
    host: first.server.host,
    component: componentName,
    hint: 'A standby takes no writes. Promote it, or start its primary.',
  });
}

/** `15.18 (Debian ...)` is 1500, `9.6.3` is 906. */
export function majorOf(version: string): number | undefined {
  const [, first, second = '0'] = /^(\d+)(?:\.(\d+))?/.exec(version) ?? [];
  if (first === undefined) return undefined;
  return Number(first) * 100 + (Number(first) < 10 ? Number(second) : 0);
}

/** What a newer pg_dump wrote an older server need not understand (PostgreSQL's documentation of pg_dump, "Notes"). */
function refuseOlder({ server, facts }: Found, { unit }: UnitBackup): void {
  const archived = unit.product?.version ?? '';
  const [before, now] = [majorOf(archived), majorOf(facts.version)];
  if (before === undefined || now === undefined || now >= before) return;
  throw new BackupError(
    'RESTORE_VERSION',
    `${server.host}: PostgreSQL ${facts.version} is older than ${archived}, which the backup was made of`,
    { host: server.host, component: componentName, hint: 'Upgrade the server first.' },
  );
}
