import { z } from 'zod';
import type { Json } from '../../model/json.js';
import { asBackupError, BackupError } from '../../model/errors.js';
import { nameList } from '../../model/name-list.js';
import { artifactPath } from '../../model/names.js';
import type { Command, RemoteHost } from '../../remote/remote-host.js';
import type { Refusal } from '../component.js';
import { saveAlone } from '../save-alone.js';
import { componentName } from './artifacts.js';
import { limitOf, type Work } from './databases.js';
import { baseBackupFormat, type BaseBackup } from './physical-format.js';
import { hostOfServer } from './physical-place.js';
import { connectionArguments, psqlCommand, queryJson, type Server } from './server.js';
import { Session } from './snapshot.js';
import { serverSchema } from './sql-session.js';

/** pg_basebackup says nothing until its checkpoint has been written, which takes as long as there are changed pages. */
const quiet = 1800;
/** With a manifest that says what the backup has. */
const oldestVersion = 130_000;

const factsSchema = z.object({
  blockSize: z.number(),
  walBlockSize: z.number(),
  catalogVersion: z.number(),
  dataChecksums: z.boolean(),
  /** WAL goes to an archive, whose segments have the names that a restored server gives its own. */
  archiving: z.boolean(),
  tablespaces: z.array(z.string()),
  freeSlots: z.number(),
  /** Relative to the data directory: what of its configuration lies in it, which belongs to the host. */
  configuration: z.array(z.string()),
  /** With the versions of their sort orders, where PostgreSQL (since 15) knows them. */
  databases: z.array(
    z.object({
      name: z.string(),
      oid: z.number(),
      connectable: z.boolean(),
      collate: z.string().nullable(),
      ctype: z.string().nullable(),
      provider: z.string(),
      collationVersion: z.string().nullable(),
    }),
  ),
});
type PhysicalFacts = z.infer<typeof factsSchema>;

/** What the metadata say of a base backup. */
const recordSchema = factsSchema.omit({ tablespaces: true, freeSlots: true }).extend({
  timeline: z.number(),
  walStart: z.string(),
  walStop: z.string(),
  versionNumber: z.number(),
  architecture: z.string(),
  libc: z.string(),
  server: serverSchema.extend({ unit: z.string().optional() }),
});
export type PhysicalRecord = z.infer<typeof recordSchema>;

/** Of a unit's baseline; undefined where the backup has none. */
export function physicalRecordOf(baseline: Json | undefined): PhysicalRecord | undefined {
  return z.object({ physical: recordSchema }).safeParse(baseline).data?.physical;
}

const factsSql = `SELECT json_build_object('blockSize', current_setting('block_size')::int, 'walBlockSize', current_setting('wal_block_size')::int,
  'catalogVersion', (SELECT catalog_version_no FROM pg_control_system()), 'dataChecksums', current_setting('data_checksums') = 'on',
  'archiving', current_setting('archive_mode') <> 'off',
  'tablespaces', (SELECT coalesce(json_agg(spcname ORDER BY spcname), '[]') FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')),
  'freeSlots', current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots),
  'configuration', (SELECT coalesce(json_agg(DISTINCT substr(file, length(current_setting('data_directory')) + 2)), '[]') FROM (
    SELECT CASE WHEN file LIKE '/%' THEN file ELSE current_setting('data_directory') || '/' || file END AS file FROM (
      SELECT setting AS file FROM pg_settings WHERE name IN ('config_file', 'hba_file', 'ident_file', 'ssl_cert_file', 'ssl_key_file', 'ssl_ca_file', 'ssl_crl_file', 'ssl_dh_params_file')
      UNION SELECT sourcefile FROM pg_file_settings) AS named WHERE file <> '') AS files
    WHERE starts_with(file, current_setting('data_directory') || '/')),
  'databases', (SELECT json_agg(json_build_object('name', datname, 'oid', oid::bigint, 'connectable', datallowconn AND datconnlimit <> -2, 'collate', datcollate, 'ctype', datctype,
    'provider', coalesce(to_jsonb(d)->>'datlocprovider', 'c'), 'collationVersion', to_jsonb(d)->>'datcollversion') ORDER BY oid) FROM pg_database AS d))`;

export function readPhysicalFacts(remote: RemoteHost, server: Server, signal: AbortSignal): Promise<PhysicalFacts> {
  return queryJson(remote, server, { sql: factsSql, schema: factsSchema, signal });
}

export function physicalPath(host: string, prefix: string): string {
  return artifactPath(componentName, host, `${prefix}base.tar`);
}

/** The whole server as one tar on standard output, with the WAL that makes it consistent behind it. Nothing is written on the host. */
export function baseBackupCommand(server: Server): Command {
  return {
    argv: [
      `${server.binaries}/pg_basebackup`,
      '--pgdata=-',
      '--format=tar',
      '--wal-method=fetch',
      '--checkpoint=fast',
      '--label=lsbackup',
      ...connectionArguments(server),
    ],
    become: server.user,
    env: { PGAPPNAME: 'lsbackup' },
  };
}

/** A session of the kind that pg_basebackup opens: pg_hba.conf has lines of their own for it, and it takes one of `max_wal_senders`. */
function replicationCommand(server: Server): Command {
  const psql = psqlCommand(server, server.database);
  return {
    ...psql,
    argv: [...psql.argv.slice(0, -1), '--dbname=replication=true', '--command=IDENTIFY_SYSTEM'],
    accept: [0, 1, 2, 3],
  };
}

/** Why it is known already that a base backup of this server will fail; undefined where nothing is. */
export async function physicalRefusal(
  remote: RemoteHost,
  { server, versionNumber, signal }: { server: Server; versionNumber: number; signal: AbortSignal },
): Promise<Refusal | undefined> {
  const refuse = (what: string, hint: string): Refusal => ({
    code: 'HOST_PREFLIGHT',
    message: `${server.host}: no physical backup of PostgreSQL at port ${String(server.port)}: ${what}`,
    hint,
  });
  const without = 'or set the option postgresql.physical of this host to false';
  if (versionNumber < oldestVersion) return refuse('its version is older than 13', `Upgrade PostgreSQL, ${without}.`);
  try {
    const { tablespaces, freeSlots } = await readPhysicalFacts(remote, server, signal);
    if (tablespaces.length > 0)
      return refuse(
        `pg_basebackup writes servers with tablespaces into several files: ${nameList(tablespaces)}`,
        `Use the dumps: set the option postgresql.physical of this host to false.`,
      );
    if (freeSlots < 1)
      return refuse(
        'no replication slot is free, which keeps the WAL it needs',
        `Raise max_replication_slots, ${without}.`,
      );
    const { status, stderr } = await remote.run(replicationCommand(server), { signal });
    if (status !== 0)
      return refuse(
        `it takes no replication connection: ${stderr.trim()}`,
        `It needs a line "local replication ${server.user} peer" in pg_hba.conf, a role with the attribute REPLICATION, and a free one of max_wal_senders; ${without}.`,
      );
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    const { message, hint = '' } = asBackupError(error);
    return refuse(message, hint);
  }
}

/**
 * Saves the whole server, and answers what the metadata has to say of it; undefined where that failed. It counts as one of the host's dumps, which run two at
 * a time.
 */
export async function savePhysical(work: Work): Promise<Json | undefined> {
  const { context, remote, found } = work;
  const { server, versionNumber, prefix } = found;
  return limitOf(remote)(async () => {
    let before: PhysicalFacts | undefined;
    let backup: BaseBackup | undefined;
    let slot: Session | undefined;
    try {
      const saved = await saveAlone(context, {
        path: physicalPath(server.host, prefix),
        format: baseBackupFormat((seen) => (backup = seen)),
        host: server.host,
        quiet,
        open: async ({ signal }) => {
          const refusal = await physicalRefusal(remote, { server, versionNumber, signal });
          if (refusal !== undefined)
            throw new BackupError(refusal.code, refusal.message, { ...refusal, host: server.host });
          before = await readPhysicalFacts(remote, server, signal);
          slot = await holdWal(work, signal);
          return remote.read(baseBackupCommand(server), { signal, quiet });
        },
      });
      if (!saved) return undefined;
    } finally {
      await slot?.[Symbol.asyncDispose]();
    }
    if (backup === undefined || before === undefined) return undefined;
    const { databases, ...facts } = before;
    const after = await readPhysicalFacts(remote, server, context.signal);
    const { unit, ...host } = await hostOfServer(remote, server.dataDirectory, context.signal);
    return {
      ...backup,
      ...facts,
      ...host,
      versionNumber,
      // One that was created or dropped meanwhile may be in it or not.
      databases: databases.filter(({ oid }) => after.databases.some((database) => database.oid === oid)),
      server: { ...server, ...(unit === undefined ? {} : { unit }) },
    };
  });
}

/**
 * pg_basebackup fetches the WAL at its end and holds nothing until then, so that the server may have removed it (PostgreSQL's documentation of pg_basebackup,
 * `--wal-method=fetch`). A physical slot that reserves at once holds everything from the last checkpoint on (slot.c, ReplicationSlotReserveWal), which is before
 * the one that the backup begins with; it never moves, for nobody reads from it. It is temporary: the server itself drops it when this session
 * ends, however it ends ("Streaming Replication Protocol", CREATE_REPLICATION_SLOT), so it cannot be left behind and fill the disk. Where
 * `max_slot_wal_keep_size` is too small for it the session is ended and the WAL removed, and pg_basebackup fails.
 */
async function holdWal({ remote, found, context }: Work, signal: AbortSignal): Promise<Session> {
  const { server, versionNumber } = found;
  const session = await Session.open({ remote, server, database: server.database, versionNumber, signal });
  try {
    await session.holdWal(`lsbackup_${context.runId.replaceAll(/[^a-z0-9]/gi, '_').toLowerCase()}`.slice(0, 63));
    return session;
  } catch (cause) {
    await session[Symbol.asyncDispose]();
    const { message } = asBackupError(cause);
    throw new BackupError('COMMAND_FAILED', `${server.host}: no replication slot to keep the WAL by: ${message}`, {
      host: server.host,
      component: componentName,
      hint: 'Is one of max_replication_slots free?',
      cause,
    });
  }
}
