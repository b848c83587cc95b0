import { z } from 'zod';
import type { RemoteHost } from '../../remote/remote-host.js';
import { queryJson, type Server } from './server.js';

const databaseSchema = z.object({
  name: z.string(),
  /** What a rename does not change. */
  oid: z.number().int().positive(),
  owner: z.string(),
  encoding: z.string(),
  collate: z.string().nullable(),
  ctype: z.string().nullable(),
  size: z.number(),
  template: z.boolean(),
  connectable: z.boolean(),
  /** Left behind by an interrupted DROP DATABASE. */
  valid: z.boolean(),
});
export type Database = z.infer<typeof databaseSchema>;

const factsSchema = z.object({
  recovery: z.boolean(),
  version: z.string(),
  versionNumber: z.number(),
  systemIdentifier: z.string(),
  /** When the postmaster started, in seconds with their fraction. */
  started: z.string(),
  timeline: z.number(),
  lsn: z.string().nullable(),
  clusterName: z.string(),
  checksums: z.string(),
  superuser: z.string(),
  files: z.array(z.string()),
  standbys: z.number(),
  databases: z.array(databaseSchema),
});
export type ServerFacts = z.infer<typeof factsSchema>;

/** A database whose directory is gone, as an interrupted DROP DATABASE leaves it, has the size NULL (dbsize.c, pg_database_size_oid). */
const databasesSql = `(SELECT json_agg(json_build_object('name', datname, 'oid', oid::bigint, 'owner', pg_get_userbyid(datdba), 'encoding', pg_encoding_to_char(encoding),
    'collate', datcollate, 'ctype', datctype, 'size', coalesce(pg_database_size(oid), 0), 'template', datistemplate, 'connectable', datallowconn, 'valid', datconnlimit <> -2)
    ORDER BY oid) FROM pg_database)`;

/** Relative file settings are relative to the data directory. */
const filesSql = `(SELECT coalesce(json_agg(DISTINCT CASE WHEN file LIKE '/%' THEN file ELSE current_setting('data_directory') || '/' || file END), '[]') FROM (
    SELECT setting AS file FROM pg_settings WHERE name IN ('config_file', 'hba_file', 'ident_file', 'ssl_cert_file', 'ssl_key_file', 'ssl_ca_file', 'ssl_crl_file', 'ssl_dh_params_file')
    UNION SELECT sourcefile FROM pg_file_settings) AS files WHERE file <> '')`;

const factsSql = `SELECT json_build_object('recovery', pg_is_in_recovery(), 'version', current_setting('server_version'),
  'versionNumber', current_setting('server_version_num')::int, 'systemIdentifier', (SELECT system_identifier::text FROM pg_control_system()),
  'started', extract(epoch FROM pg_postmaster_start_time())::text,
  'timeline', (SELECT timeline_id FROM pg_control_checkpoint()),
  'lsn', CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text,
  'clusterName', current_setting('cluster_name'), 'checksums', current_setting('data_checksums'), 'superuser', current_setting('is_superuser'),
  'standbys', (SELECT count(*) FROM pg_stat_replication), 'files', ${filesSql}, 'databases', ${databasesSql})`;

/** What the plan and the metadata need to know of one server. Errors: SERVICE_DOWN, SERVICE_ANSWER. */
export function readFacts(remote: RemoteHost, server: Server, signal: AbortSignal): Promise<ServerFacts> {
  return queryJson(remote, server, { sql: factsSql, schema: factsSchema, signal });
}

/** The databases that are there now. */
export function listDatabases(remote: RemoteHost, server: Server, signal: AbortSignal): Promise<readonly Database[]> {
  return queryJson(remote, server, { sql: `SELECT ${databasesSql}`, schema: z.array(databaseSchema), signal });
}

/** Why a database is not dumped; undefined when it is. */
export function reasonToSkip(database: Database, excluded: readonly string[]): string | undefined {
  if (database.name === 'template0') return 'template0 is the same in every PostgreSQL';
  if (excluded.includes(database.name)) return 'the option postgresql.exclude_databases names it';
  if (!database.valid) return 'it is invalid: a DROP DATABASE was interrupted';
  if (!database.connectable) return 'it accepts no connections (datallowconn is false)';
  return undefined;
}
