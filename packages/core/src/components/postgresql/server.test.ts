import { describe, expect, it } from '@jest/globals';
import { configurationPaths } from './artifacts.js';
import { postgresqlOptions } from './options.js';
import { server } from './postgresql.test-support.js';
import { connectionTo, dumpCommand, globalsCommand, psqlCommand } from './server.js';
import { countsSql, factsSql } from './snapshot.js';

describe('postgresql commands', () => {
  it('quotes a database name so that libpq cannot take it for anything else', () => {
    expect(connectionTo('app')).toBe("dbname='app'");
    expect(connectionTo("postgres://evil host=x 'q' \\")).toBe("dbname='postgres://evil host=x \\'q\\' \\\\'");
  });

  it('runs the server’s own programs as its own user', () => {
    expect(globalsCommand(server)).toMatchObject({
      argv: [
        '/usr/lib/postgresql/15/bin/pg_dumpall',
        '--globals-only',
        '--no-password',
        '--host=/var/run/postgresql',
        '--port=5432',
        '--database=postgres',
      ],
      become: 'postgres',
    });
    expect(dumpCommand(server, { database: 'a b', snapshot: '0-1', lockWaitTimeout: 5 })).toMatchObject({
      argv: [
        '/usr/lib/postgresql/15/bin/pg_dump',
        '--format=custom',
        '--compress=0',
        '--lock-wait-timeout=5s',
        '--snapshot=0-1',
        '--no-password',
        '--host=/var/run/postgresql',
        '--port=5432',
        "--dbname=dbname='a b'",
      ],
      become: 'postgres',
    });
    expect(psqlCommand(server, 'a').argv.slice(0, 5)).toEqual([
      '/usr/lib/postgresql/15/bin/psql',
      '--no-psqlrc',
      '--quiet',
      '--no-align',
      '--tuples-only',
    ]);
  });

  it('takes Debian’s configuration directory whole, and only files where the data directory holds them', () => {
    const debian = configurationPaths(server, {
      files: ['/etc/postgresql/15/main/conf.d/local.conf'],
      versionNumber: 150_018,
    });
    expect(debian).toContain('/etc/postgresql/15/main');
    const redHat = configurationPaths(
      { ...server, dataDirectory: '/var/lib/pgsql/14/data' },
      { files: ['/var/lib/pgsql/14/data/postgresql.conf', '/etc/pki/server.key'], versionNumber: 140_000 },
    );
    expect(redHat).not.toContain('/var/lib/pgsql/14/data');
    expect(redHat).toEqual(
      expect.arrayContaining([
        '/var/lib/pgsql/14/data/pg_hba.conf',
        '/etc/pki/server.key',
        '/etc/repmgr/14',
        '/etc/systemd/system/postgresql-14.service.d',
      ]),
    );
  });

  it('counts no rows when told so', () => {
    expect(countsSql(0)).toContain('bytes IS NULL AND 0 > 0');
    expect(countsSql(2)).toContain('bytes <= 2097152 THEN');
  });

  it('names a bounded number of sequences, and counts all', () => {
    expect(factsSql).toContain('ORDER BY schemaname, sequencename LIMIT 500');
    expect(factsSql).toContain("'sequenceCount', (SELECT count(*) FROM pg_sequences)");
  });

  it('checks its options', () => {
    expect(postgresqlOptions.parse({ port: '5433', exclude_databases: ['a'], count_rows: 0 })).toMatchObject({
      port: 5433,
      exclude_databases: ['a'],
      count_rows: 0,
      lock_wait_timeout: 60,
    });
    for (const wrong of [{ port: 0 }, { port: 'x' }, { port: 70_000 }, { count_rows: -1 }, { unknown: 1 }])
      expect(postgresqlOptions.safeParse(wrong).success).toBe(false);
  });
});
