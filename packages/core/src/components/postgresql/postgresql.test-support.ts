import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fakeDiscoverContext, onlyUnit } from '../../testing/fake-contexts.js';
import { FakeHost, runHere, type FakeRule } from '../../testing/fake-host.js';
import type { PostgresqlFound } from './artifacts.js';
import type { Database } from './facts.js';
import { postgresql } from './index.js';
import { postgresqlOptions } from './options.js';
import { directoriesCommand, findCommand, type Server } from './server.js';

export const server: Server = {
  host: 'db1',
  port: 5432,
  socketDirectory: '/var/run/postgresql',
  dataDirectory: '/var/lib/postgresql/15/main',
  binaries: '/usr/lib/postgresql/15/bin',
  user: 'postgres',
  database: 'postgres',
};
export const foundLine =
  '/usr/lib/postgresql/15/bin/postgres\tpostgres\t/var/lib/postgresql/15/main\t5432\t/var/run/postgresql\n';
export const dump = readFileSync(join(import.meta.dirname, 'fixtures', 'pg15-piped.dump'));
const globals =
  '--\n-- PostgreSQL database cluster dump\n--\n\nCREATE ROLE x;\n\n--\n-- PostgreSQL database cluster dump complete\n--\n\n';

export function database(name: string, more: Partial<Database> = {}): Database {
  return {
    name,
    // Of its own for each name, as long as a test does not say otherwise.
    oid: Buffer.from(name).reduce((sum, byte) => (sum * 31 + byte) % 1_000_003, 16_384),
    owner: 'postgres',
    encoding: 'UTF8',
    collate: 'C',
    ctype: 'C',
    size: 7_000_000,
    template: false,
    connectable: true,
    valid: true,
    ...more,
  };
}

export interface Scene {
  name?: string;
  databases: Database[];
  recovery?: boolean;
  systemIdentifier?: string;
  /** Of its own for each host unless set. */
  started?: string;
  lines?: string;
  /** What counting prints: one row per table whose statement did not fail. */
  counts?: string;
  /** Answers to other queries. */
  answers?: (query: string) => string | undefined;
  /** Data directories as the host lists them. */
  directories?: string;
}

export function factsOf(scene: Scene): string {
  return JSON.stringify({
    recovery: scene.recovery ?? false,
    version: '15.18 (Debian 15.18-0+deb12u1)',
    versionNumber: 150_018,
    systemIdentifier: scene.systemIdentifier ?? '7562411111111111111',
    started: scene.started ?? `of ${scene.name ?? 'db1'}`,
    timeline: 1,
    lsn: '0/1F2B3C8',
    clusterName: '15/main',
    checksums: 'off',
    superuser: 'on',
    standbys: 0,
    files: ['/etc/postgresql/15/main/postgresql.conf'],
    databases: scene.databases,
  });
}

/** A host with a server whose databases can be changed while the test runs. */
export function databaseHost(scene: Scene): FakeHost {
  const names = (): string[] => scene.databases.map(({ name }) => name);
  const facts = (): string => factsOf(scene);
  const psql: FakeRule = {
    argv: /\/psql .*--dbname=dbname='postgres'$/,
    answer: (_command, input) => ({
      stdout:
        scene.answers?.(input) ?? (input.includes('pg_is_in_recovery') ? facts() : JSON.stringify(scene.databases)),
    }),
    talk: () => conversation(scene, 'postgres'),
  };
  return new FakeHost({
    name: scene.name ?? 'db1',
    rules: [
      { argv: findCommand.argv, answer: { stdout: scene.lines ?? foundLine } },
      { argv: directoriesCommand.argv, answer: { stdout: scene.directories ?? '' } },
      psql,
      ...names().map((name): FakeRule => ({
        argv: new RegExp(`/psql .*--dbname=dbname='${name}'$`),
        answer: { status: 2, stderr: 'gone' },
        talk: () => conversation(scene, name),
      })),
      { argv: /\/psql /, answer: { status: 2, stderr: 'psql: error: FATAL:  database "x" does not exist' } },
      { argv: /\/pg_dumpall /, answer: { stdout: globals } },
      { argv: /\/pg_dump .*--snapshot=00000003-0000001B-1 /, answer: { stdout: dump } },
      {
        argv: /^sh -c hidden/,
        answer: (command) => ({
          stdout: command.argv
            .slice(4)
            .map((path) =>
              path.startsWith('/etc/postgresql/15') || path === '/etc/pgbouncer'
                ? `directory\t8\t${path}\t${path}\n`
                : 'missing\n',
            )
            .join(''),
        }),
      },
      { argv: /^sh -c find/, answer: { stdout: '\0' } },
      { argv: /^sh -c help/, answer: { stdout: '--sort\n' } },
      { argv: /^tar /, answer: () => runHere({ argv: ['tar', '-cf', '-', '-C', '/etc', 'hostname'] }, '') },
    ],
  });
}

/** A psql on the database that has this name when it connects. */
function conversation(scene: Scene, name: string): (line: string) => string {
  const oid = scene.databases.find((candidate) => candidate.name === name)?.oid ?? 1;
  return (line) => {
    if (line.startsWith('SELECT oid')) return `${String(oid)}\n`;
    if (line.startsWith('\\echo ')) return `${line.slice(6)}\n`;
    if (line.includes('pg_export_snapshot')) return '00000003-0000001B-1\n';
    if (line.endsWith('current_database();'))
      return `${JSON.stringify({ owner: 'me', encoding: 'UTF8', collate: 'C', size: 8, largeObjects: 2, extensions: { plpgsql: '1.0' }, sequences: { 'public.s': null }, sequenceCount: 1 })}\n`;
    if (line.endsWith(') AS tables;')) return '"public.a"\n"public.big"\n';
    if (line.includes('ORDER BY coalesce'))
      return scene.counts ?? '["public.a", 60, false]\n["public.big", null, false]\n';
    return '';
  };
}

export const options = postgresqlOptions.parse({});

export async function plan(scene: Scene): Promise<ReturnType<typeof onlyUnit<PostgresqlFound>>> {
  return onlyUnit(await postgresql.discover(fakeDiscoverContext({ hosts: [databaseHost(scene)], options })));
}

export function dumpsOf({ saved }: { readonly saved: ReadonlyMap<string, unknown> }): readonly string[] {
  return [...saved.keys()].flatMap((path) => /database-.*/.exec(path)?.[0] ?? []).sort();
}

/** Counts the sessions that are open at once. */
export function countSessions(remote: FakeHost): { readonly remote: FakeHost; readonly most: () => number } {
  let open = 0;
  let most = 0;
  const start = remote.start.bind(remote);
  remote.start = async (command, more) => {
    open += 1;
    most = Math.max(most, open);
    const session = await start(command, more);
    return {
      ...session,
      [Symbol.asyncDispose]: async () => {
        open -= 1;
        await session[Symbol.asyncDispose]();
      },
    };
  };
  return { remote, most: () => most };
}
