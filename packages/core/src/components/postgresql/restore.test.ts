import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import type { Warning } from '../../model/artifact.js';
import { BackupError } from '../../model/errors.js';
import type { ArtifactRecord, FailedRecord, UnitRecord } from '../../model/metadata.js';
import { silentLogger } from '../../model/logger.js';
import type { FakeHost } from '../../testing/fake-host.js';
import { selectAlone } from '../../restore/select-alone.test-support.js';
import type { Finding, RestoreContext, Step, UnitBackup } from '../restore.js';
import { postgresql } from './index.js';
import { postgresqlOptions, type PostgresqlOptions } from './options.js';
import { database, databaseHost, factsOf, foundLine, type Scene } from './postgresql.test-support.js';
import type { Catalogue } from './restore-target.js';

const dump = readFileSync(join(import.meta.dirname, 'fixtures', 'pg15-database.dump'));
const globals = readFileSync(join(import.meta.dirname, 'fixtures', 'pg15-globals.sql'));

/** What the server has that the fixture needs. */
const catalogue: Catalogue = {
  roles: ['postgres', 'pg_monitor', 'fixture; owner', 'fixture_reader'],
  tablespaces: ['pg_default', 'pg_global', 'fast'],
  extensions: ['hstore', 'plpgsql'],
  locales: ['C.UTF-8'],
  prepared: {},
  replication: {},
  standbys: [],
};

interface RestoreScene extends Partial<Scene> {
  readonly catalogue?: Partial<Catalogue>;
  readonly version?: string;
}

function restoreHost(scene: RestoreScene = {}): FakeHost {
  const full: Scene = { databases: [database('postgres'), database('template1'), database('app')], ...scene };
  const host = databaseHost(full);
  host.answer(/\/psql .*--dbname=dbname='postgres'$/, (_command, input) => ({
    stdout: input.includes('pg_available_extensions')
      ? JSON.stringify({ ...catalogue, ...scene.catalogue })
      : factsOf(full).replace('15.18 (Debian 15.18-0+deb12u1)', scene.version ?? '15.18'),
  }));
  host.answer(/locale -a/, { stdout: 'C\nC.utf8\nPOSIX\n' });
  host.answer(/^df /, {
    stdout: 'Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/x 9 1 100000 1% /\n',
  });
  host.answer(/for path do/, { stdout: 'no\n' });
  return host;
}

interface Asked {
  readonly hosts?: readonly FakeHost[];
  readonly unit?: Partial<UnitRecord>;
  readonly databases?: readonly string[];
  readonly failed?: readonly string[];
  readonly selected?: Readonly<Record<string, readonly string[]>>;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly moved?: RestoreContext<PostgresqlOptions>['moved'];
  readonly surveyTar?: RestoreContext<PostgresqlOptions>['surveyTar'];
  readonly dump?: Buffer;
}

function artifact(name: string): ArtifactRecord {
  const format = name.endsWith('.sql') ? 'sql' : name.endsWith('.tar') ? 'tar' : 'pg-custom';
  return {
    path: `postgresql/db1/${name}`,
    component: 'postgresql',
    unit: 'db1',
    host: 'db1',
    format,
  } as ArtifactRecord;
}

interface Planned {
  readonly steps: readonly Step[];
  readonly warnings: readonly Warning[];
  readonly findings: readonly Finding[];
}

async function plan(asked: Asked = {}): Promise<Planned> {
  const hosts = asked.hosts ?? [restoreHost()];
  const warnings: Warning[] = [];
  const findings: Finding[] = [];
  const options: PostgresqlOptions = postgresqlOptions.parse(asked.options ?? {});
  const context: RestoreContext<PostgresqlOptions> = {
    runId: '20261122T101500Z-4f1c9a2b',
    target: (name) => hosts.find(({ host }) => host.name === name)!.host,
    optionsFor: () => options,
    remote: ({ name }) => Promise.resolve(hosts.find(({ host }) => host.name === name)!),
    selected: selectAlone('postgresql', 'db1', asked.selected),
    read: (path) => Promise.resolve(Readable.from([path.endsWith('.sql') ? globals : (asked.dump ?? dump)])),
    surveyTar: asked.surveyTar ?? (() => Promise.reject(new Error('no tar is read'))),
    moved: asked.moved ?? [],
    report: (finding) => findings.push(finding),
    warn: (warning) => warnings.push(warning),
    signal: new AbortController().signal,
    log: silentLogger,
  };
  const unit = {
    name: 'db1',
    hosts: hosts.map(({ host }) => host.name),
    product: { name: 'PostgreSQL', version: '15.18 (Debian)', detectedBy: '' },
    roles: { primary: 'db1', standbys: [], port: 5432 },
    ...asked.unit,
  } as UnitRecord;
  const backup: UnitBackup = {
    component: 'postgresql',
    unit,
    artifacts: [
      artifact('globals.sql'),
      artifact('config.tar'),
      ...(asked.databases ?? ['app']).map((name) => artifact(`database-${name}.dump`)),
    ],
    failed: (asked.failed ?? []).map((name): FailedRecord => ({
      ...artifact(`database-${name}.dump`),
      code: 'X',
      reason: 'a table was locked',
    })),
  };
  return { steps: await postgresql.restore!(context, backup), warnings, findings };
}

const ids = async (asked: Asked = {}): Promise<readonly string[]> => (await plan(asked)).steps.map(({ id }) => id);
const refusal = (code: string, message: string | RegExp) => ({
  code,
  message: expect.stringMatching(message) as unknown,
});

describe('a plan', () => {
  it('has the roles, then each database in sets of their own, and last the one that the others are connected to', async () => {
    const { steps } = await plan({ databases: ['postgres', 'app', 'template1', 'gone'] });
    expect(steps.map(({ id }) => id)).toEqual([
      'postgresql@db1/globals/roles',
      ...['app', 'template1'].flatMap((name) =>
        ['load', 'verify', 'hold-off', 'swap', 'let-in'].map((step) => `postgresql@db1/${name}/${step}`),
      ),
      // Nobody to be held off.
      ...['load', 'verify', 'swap', 'let-in'].map((step) => `postgresql@db1/gone/${step}`),
      ...['load', 'verify', 'hold-off', 'swap', 'let-in'].map((step) => `postgresql@db1/postgres/${step}`),
    ]);
    const step = (id: string): Step => steps.find((one) => one.id === `postgresql@db1/${id}`)!;
    expect(step('app/load').after).toEqual(['postgresql@db1/globals/roles']);
    expect(step('postgres/load').after).toEqual(
      ['app', 'template1', 'gone'].map((name) => `postgresql@db1/${name}/let-in`),
    );
    expect(step('postgres/swap').params).toMatchObject({ server: { database: 'template1' } });
    expect(step('app/swap').params).toMatchObject({
      server: { database: 'postgres' },
      oldName: 'app.lsbackup-old-4f1c9a2b-2',
    });
    expect([step('app/hold-off').beginsDowntime, step('app/let-in').endsDowntime]).toEqual([
      'clients of database app',
      true,
    ]);
    expect(step('gone/let-in').endsDowntime).toBeUndefined();
  });

  it('has no secret of the archive', async () => {
    expect(JSON.stringify(await plan())).not.toMatch(/canary|SCRAM/);
  });

  it('changes nothing', async () => {
    const host = restoreHost();
    await plan({ hosts: [host] });
    for (const line of host.transcript) expect(line).not.toMatch(/pg_restore|pg_dumpall|mkdir|createdb|dropdb/);
  });

  it('has only what is selected', async () => {
    expect(await ids({ databases: ['app', 'other'], selected: { database: ['app'] } })).toEqual(
      ['load', 'verify', 'hold-off', 'swap', 'let-in'].map((step) => `postgresql@db1/app/${step}`),
    );
    expect(await ids({ selected: { database: ['app'], globals: ['yes'] } })).toContain('postgresql@db1/globals/roles');
    expect(await ids({ selected: { globals: ['no'] } })).not.toContain('postgresql@db1/globals/roles');
    expect(await ids({ selected: { database: ['app'], as: ['copy'] } })).toEqual(
      ['load', 'verify', 'swap', 'let-in'].map((step) => `postgresql@db1/copy/${step}`),
    );
  });

  it('leaves out the database of repmgr unless it is selected', async () => {
    const asked = {
      databases: ['app', 'repmgr'],
      unit: { baseline: { databases: { app: {}, repmgr: { extensions: { repmgr: '5.3' } } } } },
    };
    const { steps, warnings } = await plan(asked);
    expect(steps.some(({ id }) => id.includes('repmgr'))).toBe(false);
    expect(warnings).toEqual([expect.objectContaining({ code: 'RESTORE_LEFT_OUT' })]);
    expect(await ids({ ...asked, selected: { database: ['repmgr'] } })).toContain('postgresql@db1/repmgr/swap');
  });

  it('names what could not be saved, and refuses it where it is selected', async () => {
    const { warnings } = await plan({ failed: ['broken'] });
    expect(warnings).toEqual([
      {
        code: 'RESTORE_NOT_SAVED',
        message: expect.stringMatching(/database-broken\.dump.*a table was locked/) as unknown,
      },
    ]);
    await expect(plan({ failed: ['broken'], selected: { database: ['broken'] } })).rejects.toMatchObject(
      refusal('OPTION_INVALID', 'a table was locked'),
    );
  });

  it('warns of logical replication that stays behind', async () => {
    const hosts = [restoreHost({ catalogue: { replication: { app: ['slot a', 'subscription b'] } } })];
    expect((await plan({ hosts })).warnings).toEqual([
      { code: 'RESTORE_REPLICATION', message: expect.stringContaining('slot a, subscription b') as unknown },
    ]);
  });

  it('creates a tablespace that is missing before the roles, where its directory is there', async () => {
    const missing = restoreHost({ catalogue: { tablespaces: ['pg_default'] } });
    const { steps, warnings } = await plan({ hosts: [missing] });
    expect(steps[0]!.id).toBe('postgresql@db1/globals/roles');
    expect(warnings).toEqual([
      { code: 'RESTORE_LEFT_OUT', message: expect.stringContaining('there is no directory /srv/fast') as unknown },
    ]);
    const ready = restoreHost({ catalogue: { tablespaces: ['pg_default'] } });
    ready.answer(/for path do/, { stdout: 'yes\n' });
    const [first, second] = (await plan({ hosts: [ready] })).steps;
    expect([first!.id, second!.id]).toEqual(['postgresql@db1/globals/tablespace fast', 'postgresql@db1/globals/roles']);
    expect(second!.params).toMatchObject({ tablespaces: ['fast'] });
  });
});

describe('archived configuration', () => {
  const moved = [{ archived: ['db1', '10.0.0.5'], target: 'db1', address: '10.9.0.5' }];

  it('is reported where it names hosts that moved', async () => {
    const { findings, warnings, steps } = await plan({
      moved,
      surveyTar: (path, visit) => {
        expect(path).toBe('postgresql/db1/config.tar');
        const hba = '# db1\nhost all all 10.0.0.5/32 trust\nhost all all 10.0.0.50/32 trust\n';
        visit?.('etc/postgresql/15/main/pg_hba.conf', Buffer.from(hba));
        const conninfo = "primary_conninfo = 'host=10.0.0.5 password=hush'";
        visit?.('var/lib/postgresql/15/main/postgresql.auto.conf', Buffer.from(conninfo));
        visit?.('var/lib/postgresql/.pgpass', Buffer.from('10.0.0.5:*:*:x:hush'));
        return Promise.resolve({ roots: [], entries: 3, bytes: 0 });
      },
    });
    const why = expect.stringMatching(
      /^10\.0\.0\.5 is 10\.9\.0\.5 now; .* not restored: compare .* by hand/,
    ) as unknown;
    expect(findings).toEqual([
      {
        host: 'db1',
        where: '/etc/postgresql/15/main/pg_hba.conf:2',
        text: 'host all all 10.0.0.5/32 trust',
        why,
      },
      {
        host: 'db1',
        where: '/var/lib/postgresql/15/main/postgresql.auto.conf:1',
        text: expect.stringContaining('host=10.0.0.5') as unknown,
        why,
      },
    ]);
    expect(JSON.stringify(findings)).not.toContain('hush');
    expect(warnings).toEqual([]);
    expect(steps.flatMap(({ reads }) => reads)).not.toContain('postgresql/db1/config.tar');
  });

  it.each([['ARCHIVE_CORRUPT', true] as const, ['ARCHIVE_HOSTILE', false] as const])(
    '%s: the databases are restored: %s',
    async (code, isPlanned) => {
      const planned = plan({ moved, surveyTar: () => Promise.reject(new BackupError(code, 'broken')) });
      if (isPlanned)
        expect((await planned).warnings).toEqual([{ code, message: expect.stringMatching(/broken/) as unknown }]);
      else await expect(planned).rejects.toMatchObject({ code });
    },
  );
});

describe('a target', () => {
  const standby = { recovery: true, systemIdentifier: '1' };
  const asked = (...scenes: readonly RestoreScene[]): Asked => ({
    hosts: scenes.map((scene, index) => restoreHost({ ...scene, name: `db${String(index + 1)}` })),
  });

  it('is the primary, wherever it is now', async () => {
    const { steps } = await plan(asked(standby, { systemIdentifier: '2' }, { systemIdentifier: '1' }));
    expect(new Set(steps.map(({ host }) => host))).toEqual(new Set(['db3']));
  });

  it.each([
    [[standby], 'found 0: db1 is a standby'],
    [[standby, standby], 'db2 is a standby'],
    [[standby, { systemIdentifier: '2' }], 'db2 is a primary of another cluster'],
  ])('is refused where there is none %#', async (scenes, message) => {
    await expect(plan(asked(...scenes))).rejects.toMatchObject(refusal('PG_ROLE', message));
  });

  it.each([
    ['14.9', true],
    ['9.6.3', true],
    ['15.0', false],
    ['17.2', false],
  ])('of version %s is refused: %s', async (version, isRefused) => {
    const planned = plan({ hosts: [restoreHost({ version })] });
    if (isRefused) await expect(planned).rejects.toMatchObject(refusal('RESTORE_VERSION', /older than 15\.18/));
    else await expect(planned).resolves.toBeDefined();
  });

  it('is the server at the archived port where there are several', async () => {
    const lines = foundLine + foundLine.replaceAll('5432', '5433').replace('15/main', '15/other');
    const several = { hosts: [restoreHost({ lines })] };
    expect((await ids(several))[0]).toBe('postgresql@db1:5432/globals/roles');
    const other = { ...several, unit: { roles: { primary: 'db1', port: 5555 } } };
    await expect(plan(other)).rejects.toMatchObject({
      ...refusal('RESTORE_REFUSED', '5432, 5433'),
      hint: expect.stringContaining('postgresql.port') as unknown,
    });
    expect((await ids({ ...other, options: { port: 5433 } }))[0]).toBe('postgresql@db1/globals/roles');
  });

  it.each<[string, RestoreScene, string]>([
    ['an extension', { catalogue: { extensions: [] } }, 'database app needs extensions .*: hstore'],
    ['a prepared transaction', { catalogue: { prepared: { app: ['one'] } } }, 'prepared transactions.*: one'],
  ])('is refused for %s', async (_name, scene, message) => {
    await expect(plan({ hosts: [restoreHost(scene)] })).rejects.toMatchObject(refusal('RESTORE_REFUSED', message));
  });

  it('is refused for roles that are not there and not restored', async () => {
    const hosts = [restoreHost({ catalogue: { roles: ['postgres'] } })];
    await expect(plan({ hosts, selected: { database: ['app'] } })).rejects.toMatchObject({
      ...refusal('RESTORE_REFUSED', 'roles .*: fixture; owner, fixture_reader, pg_monitor'),
      hint: expect.stringContaining('postgresql.globals=yes') as unknown,
    });
  });

  it.each([
    [{ stdout: 'C\nPOSIX\n' }, refusal('RESTORE_REFUSED', 'the locale X, which db1 does not have')],
    [{ status: 1, stdout: 'C\nX\n', stderr: 'locale: I/O error' }, { code: 'COMMAND_FAILED' }],
    // Where nothing lists locales, none can be missing.
    [{ status: 127, stderr: 'sh: 1: locale: not found' }, undefined],
    [{ stdout: 'C\nPOSIX\nX\n' }, undefined],
  ])('has the locale of a database by %j: %j', async (answer, error) => {
    const host = restoreHost();
    host.answer(/^locale -a/, answer);
    const other = Buffer.from(dump.toString('latin1').replace("LOCALE = 'C'", "LOCALE = 'X'"), 'latin1');
    const planned = plan({ hosts: [host], dump: other });
    if (error === undefined) await expect(planned).resolves.toBeDefined();
    else await expect(planned).rejects.toMatchObject(error);
  });

  it('is refused for want of space', async () => {
    const unit = { baseline: { databases: { app: { size: 200_000 * 1024 } } } };
    await expect(plan({ unit })).rejects.toMatchObject(refusal('HOST_SPACE', '196 MiB'));
  });
});
