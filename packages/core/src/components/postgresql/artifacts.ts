import type { FoundFiles } from '../../host-files/found-files.js';
import { artifactPath } from '../../model/names.js';
import type { TarPolicy } from '../../remote/remote-host.js';
import type { ServerFacts } from './facts.js';
import type { Server } from './server.js';

export const componentName = 'postgresql';

/** A rename changes the name and leaves the oid. */
export type FoundDatabase = Readonly<{ name: string; oid: number }>;

/** What `backup` needs to know again. Not an interface, so that it is Json. */
export type PostgresqlFound = Readonly<{
  server: Server;
  versionNumber: number;
  /** Put before artifact names where a host has several servers. */
  prefix: string;
  databases: readonly FoundDatabase[];
  /** Of every member's host. */
  configurations: readonly Readonly<{ prefix: string; files: FoundFiles }>[];
}>;

export function dumpName(prefix: string, database: string): string {
  return `${prefix}database-${database}.dump`;
}

export function configurationPath(host: string, prefix: string): string {
  return artifactPath(componentName, host, `${prefix}config.tar`);
}

/** A configuration file that changes while it is read is torn, and fails the artifact. */
export const configurationPolicy: TarPolicy = { mayChange: false, mayVanish: false };

/** Beside the files the server itself names: what it always has in the data directory, and what stands around it. */
export function configurationPaths(
  server: Server,
  facts: Pick<ServerFacts, 'files' | 'versionNumber'>,
): readonly string[] {
  const data = server.dataDirectory;
  const major = String(Math.floor(facts.versionNumber / 10_000));
  const outside = facts.files.filter((file) => !file.startsWith(`${data}/`));
  // Debian's directory of one cluster holds nothing else; elsewhere only the files themselves are taken.
  const directories = outside.flatMap((file) => /^\/etc\/postgresql\/[^/]+\/[^/]+(?=\/)/.exec(file)?.[0] ?? []);
  return [
    ...facts.files,
    ...directories,
    ...['postgresql.conf', 'postgresql.auto.conf', 'pg_hba.conf', 'pg_ident.conf', 'conf.d', 'PG_VERSION'].map(
      (name) => `${data}/${name}`,
    ),
    ...[
      '/etc/postgresql-common',
      '/etc/repmgr.conf',
      '/etc/repmgr',
      `/etc/repmgr/${major}`,
      '/etc/default/repmgrd',
      '/etc/pgbouncer',
      '/etc/pgpool2',
    ],
    ...['/var/lib/postgresql', '/var/lib/pgsql'].map((home) => `${home}/.pgpass`),
    ...['postgresql.service.d', `postgresql@${major}-main.service.d`, `postgresql-${major}.service.d`].map(
      (name) => `/etc/systemd/system/${name}`,
    ),
  ];
}
