import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import type { Warning } from '../../model/artifact.js';
import type { Json } from '../../model/json.js';
import { silentLogger } from '../../model/logger.js';
import type { ArtifactRecord, FailedRecord, UnitRecord } from '../../model/metadata.js';
import { fakeBackupContext, fakeDiscoverContext, onlyUnit } from '../../testing/fake-contexts.js';
import type { FakeHost } from '../../testing/fake-host.js';
import type { RestoreContext, Step, StepContext } from '../restore.js';
import { postgresql } from './index.js';
import { postgresqlOptions } from './options.js';
import { stepKinds } from './step-kinds.js';
import { database, databaseHost, factsOf, foundLine } from './postgresql.test-support.js';
import { baseTar } from './physical.test-support.js';

const options = postgresqlOptions.parse({ physical: 'yes', count_rows: 0 });
const basePath = 'postgresql/db1/base.tar';

const physicalFacts = {
  blockSize: 8192,
  walBlockSize: 8192,
  catalogVersion: 202209061,
  dataChecksums: true,
  archiving: false,
  tablespaces: [] as string[],
  freeSlots: 10,
  configuration: ['postgresql.auto.conf'],
  databases: [
    {
      name: 'postgres',
      oid: 5,
      connectable: true,
      collate: 'de_DE.UTF-8',
      ctype: 'C',
      provider: 'c',
      collationVersion: null,
    },
  ],
};

interface Scene {
  readonly facts?: Partial<typeof physicalFacts>;
  readonly standbys?: number;
  readonly recovery?: boolean;
  readonly replication?: { readonly status: number; readonly stderr: string };
  readonly base?: Buffer;
  readonly lines?: string;
  state?: string;
  readonly load?: string;
  readonly unit?: string;
  readonly machine?: string;
  readonly libc?: string;
  readonly version?: string;
  readonly layout?: string;
  readonly locales?: string;
  readonly free?: number;
}

function physicalHost(scene: Scene = {}): FakeHost {
  const databases = [database('postgres')];
  const facts = JSON.parse(factsOf({ databases, recovery: scene.recovery ?? false })) as object;
  const host = databaseHost({
    databases,
    lines: scene.lines ?? foundLine,
    answers: (query) =>
      query.includes('wal_block_size')
        ? JSON.stringify({ ...physicalFacts, ...scene.facts })
        : query.includes('pg_is_in_recovery')
          ? JSON.stringify({ ...facts, standbys: scene.standbys ?? 0 })
          : undefined,
  });
  host.answer(/--command=IDENTIFY_SYSTEM$/, scene.replication ?? { stdout: '7562411111111111111|1|0/5000000|\n' });
  host.answer(/\/pg_basebackup /, { stdout: scene.base ?? baseTar });
  host.answer(/^sh -c read -r pid/, {
    stdout: `${scene.unit ?? 'postgresql@15-main.service'}\n${scene.machine ?? 'x86_64'}\n${scene.libc ?? 'glibc 2.36'}\n`,
  });
  host.answer(/^sh -c state=stopped/, () => ({ stdout: `${scene.state ?? 'ready'}\n${scene.load ?? 'loaded'}\n` }));
  host.answer(/\/postgres --version$/, { stdout: `postgres (PostgreSQL) ${scene.version ?? '15.20 (Debian)'}\n` });
  host.answer(/^sh -c data=\$1\nparent=/, { stdout: scene.layout ?? '' });
  host.answer(/^locale -a/, { stdout: scene.locales ?? 'C\nde_DE.utf8\n' });
  host.answer(/^sh -c path=\$1; until/, {
    stdout: `Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/x 200000000 1 ${String(scene.free ?? 100_000_000)} 1% /\n`,
  });
  return host;
}

async function backUp(scene: Scene = {}) {
  const host = physicalHost(scene);
  const unit = onlyUnit(await postgresql.discover(fakeDiscoverContext({ hosts: [host], options })));
  const run = fakeBackupContext({ hosts: [host], options });
  const ended = await Promise.allSettled([postgresql.backup(run.context, unit)]);
  return { host, unit, run, ended };
}

describe('a physical backup', () => {
  it('is planned, saved while a session of its own keeps the WAL, and described', async () => {
    const { host, unit, run } = await backUp();
    const expected = unit.artifacts.find(({ path }) => path === basePath);
    expect(expected?.commands).toEqual([expect.stringMatching(/pg_basebackup .*--wal-method=fetch --checkpoint=fast/)]);
    expect(expected?.refusal).toBeUndefined();
    expect(run.saved.get(basePath)?.equals(baseTar)).toBe(true);
    expect(run.baseline()).toMatchObject({
      databases: {},
      physical: {
        timeline: 1,
        walStart: '0/5000028',
        walStop: '0/5200000',
        blockSize: 8192,
        dataChecksums: true,
        architecture: 'x86_64',
        libc: 'glibc 2.36',
        versionNumber: 150_018,
        server: { dataDirectory: '/var/lib/postgresql/15/main', unit: 'postgresql@15-main.service' },
      },
    });
    const order = host.transcript.filter((line) => /pg_basebackup|psql .*'postgres'$/.test(line));
    expect(order.findIndex((line) => line.includes('pg_basebackup'))).toBeGreaterThan(0);
  });

  it('is not even looked at where it is not wanted', async () => {
    const host = physicalHost();
    const plain = postgresqlOptions.parse({});
    const unit = onlyUnit(await postgresql.discover(fakeDiscoverContext({ hosts: [host], options: plain })));
    expect(unit.artifacts.map(({ path }) => path)).not.toContain(basePath);
    expect(host.transcript.join('\n')).not.toContain('IDENTIFY_SYSTEM');
  });

  it('is refused beforehand where it cannot be, and the dumps are saved', async () => {
    const noLine = 'FATAL:  no pg_hba.conf entry for replication connection from host "[local]"';
    const cases: readonly (readonly [Scene, RegExp])[] = [
      [{ facts: { tablespaces: ['fast', 'slow'] } }, /tablespaces.*fast, slow/],
      [{ facts: { freeSlots: 0 } }, /no replication slot is free/],
      [{ replication: { status: 2, stderr: noLine } }, /takes no replication connection: FATAL: {2}no pg_hba/],
    ];
    for (const [scene, text] of cases) {
      const { unit, run, ended, host } = await backUp(scene);
      const refusal = unit.artifacts.find(({ path }) => path === basePath)?.refusal;
      expect(refusal).toMatchObject({ code: 'HOST_PREFLIGHT', message: expect.stringMatching(text) as unknown });
      expect(refusal?.hint).toContain('postgresql.physical');
      expect(run.failed.get(basePath)).toMatchObject({ code: 'HOST_PREFLIGHT', message: refusal?.message });
      expect(host.transcript.join('\n')).not.toContain('/pg_basebackup ');
      expect(run.saved.has('postgresql/db1/globals.sql')).toBe(true);
      expect(ended).toMatchObject([{ status: 'fulfilled' }]);
      expect(JSON.stringify(run.baseline())).not.toContain('physical');
    }
  });

  it('counts only when it is whole', async () => {
    const { run } = await backUp({ base: baseTar.subarray(0, 4096) });
    expect(run.failed.get(basePath)).toMatchObject({ code: 'FORMAT_INVALID' });
    expect(JSON.stringify(run.baseline())).not.toContain('physical');
  });
});

const recorded = {
  ...physicalFacts,
  ...{ timeline: 1, walStart: '0/5000028', walStop: '0/5200000', versionNumber: 150_018 },
  ...{ architecture: 'x86_64', libc: 'glibc 2.36' },
  server: {
    ...{ host: 'db1', port: 5432, socketDirectory: '/var/run/postgresql', user: 'postgres', database: 'postgres' },
    dataDirectory: '/var/lib/postgresql/15/main',
    binaries: '/usr/lib/postgresql/15/bin',
    unit: 'postgresql@15-main.service',
  },
};

interface Asked {
  readonly selected?: Readonly<Record<string, readonly string[]>>;
  readonly baseline?: Json;
  readonly failed?: readonly FailedRecord[];
  readonly others?: readonly FakeHost[];
  readonly standbys?: readonly string[];
}

async function plan(host: FakeHost, asked: Asked = {}) {
  const warnings: Warning[] = [];
  const hosts = [host, ...(asked.others ?? [])];
  const context: RestoreContext<typeof options> = {
    runId: '20261122T101500Z-4f1c9a2b',
    target: (name) => hosts.find((each) => each.host.name === name)!.host,
    optionsFor: () => options,
    remote: ({ name }) => Promise.resolve(hosts.find((each) => each.host.name === name)!),
    selected: (key) => (asked.selected ?? { physical: ['yes'] })[key],
    read: () => Promise.reject(new Error('nothing is read')),
    surveyTar: () => Promise.resolve({ roots: [], entries: 10, bytes: 1_000_000 }),
    moved: [],
    report: () => undefined,
    warn: (warning) => warnings.push(warning),
    signal: new AbortController().signal,
    log: silentLogger,
  };
  const unit = {
    name: 'db1',
    hosts: hosts.map((each) => each.host.name),
    product: { name: 'PostgreSQL', version: '15.18', detectedBy: '' },
    roles: { primary: 'db1', standbys: asked.standbys ?? [], port: 5432 },
    identity: { systemIdentifier: '7562411111111111111' },
    baseline: asked.baseline ?? { databases: {}, physical: recorded },
  } as unknown as UnitRecord;
  const artifacts = asked.failed ? [] : [{ path: basePath, format: 'tar' } as ArtifactRecord];
  const backup = { component: 'postgresql', unit, artifacts, failed: asked.failed ?? [] };
  return { steps: await postgresql.restore!(context, backup), warnings };
}

const refused = (code: string, text: string | RegExp) => ({ code, message: expect.stringMatching(text) as unknown });
const names = (steps: readonly Step[]): readonly string[] => steps.map(({ id }) => id);

describe('the plan of a physical restore', () => {
  it('has one set: unpacked and checked beside, stopped, swapped, started, checked', async () => {
    const { steps, warnings } = await plan(physicalHost());
    expect(names(steps)).toEqual(
      ['stage', 'stop', 'swap', 'start', 'check'].map((name) => `postgresql@db1/server/${name}`),
    );
    expect(steps.map(({ reads }) => reads)).toEqual([[basePath], [], [], [], []]);
    expect(steps.findIndex(({ beginsDowntime }) => beginsDowntime !== undefined)).toBe(1);
    expect(steps.findIndex(({ endsDowntime }) => endsDowntime)).toBe(3);
    expect(steps[0]?.params).toMatchObject({
      directory: '/var/lib/postgresql/15/.lsbackup-20261122T101500Z-4f1c9a2b-main',
      configuration: ['postgresql.conf', 'postgresql.auto.conf', 'pg_hba.conf', 'pg_ident.conf'],
    });
    for (const step of steps) stepKinds.find(({ name }) => name === step.kind)!.params.parse(step.params);
    expect(warnings).toEqual([]);
  });

  it('takes the archived place where no server runs, and stops nothing then', async () => {
    const host = physicalHost({ lines: '', state: 'stopped' });
    host.answer(/^sh -c hidden/, (command) => ({
      stdout: command.argv
        .slice(4)
        .map((path) => (path === '/etc/postgresql' ? `directory\t8\t${path}\t${path}\n` : 'missing\n'))
        .join(''),
    }));
    expect(names((await plan(host)).steps).map((id) => id.split('/')[2])).toEqual(['stage', 'swap', 'start', 'check']);
  });

  it('never takes another server of the host', async () => {
    const other = foundLine.replaceAll('15/main', '15/other').replace('\t5432\t', '\t5433\t');
    const host = physicalHost({ lines: other, state: 'stopped' });
    host.answer(/^sh -c \[ -d "\$1" \]/, { status: 0 });
    const { steps } = await plan(host);
    expect(steps[1]?.params).toMatchObject({ place: { dataDirectory: '/var/lib/postgresql/15/main', port: 5432 } });
    const only = physicalHost({ lines: other });
    only.answer(/^sh -c \[ -d "\$1" \]/, { status: 1 });
    expect((await plan(only)).steps[0]?.params).toMatchObject({
      place: { dataDirectory: '/var/lib/postgresql/15/other' },
    });
    const two = physicalHost({ lines: other + other.replaceAll('other', 'third').replace('5433', '5434') });
    two.answer(/^sh -c \[ -d "\$1" \]/, { status: 1 });
    await expect(plan(two)).rejects.toMatchObject(refused('RESTORE_REFUSED', 'several servers'));
  });

  it('refuses what could not run or would harm others', async () => {
    const cases: readonly (readonly [Scene, string, RegExp])[] = [
      [{ version: '16.2' }, 'RESTORE_VERSION', /PostgreSQL 15 cannot be used by PostgreSQL 16\.2/],
      [{ machine: 'aarch64' }, 'RESTORE_REFUSED', /the machine is aarch64, the backup is of x86_64/],
      [{ facts: { blockSize: 16_384 } }, 'RESTORE_REFUSED', /block size is 16384/],
      [{ layout: 'it has tablespaces\nits WAL is elsewhere\n' }, 'RESTORE_REFUSED', /tablespaces; its WAL/],
      [{ standbys: 2 }, 'RESTORE_REFUSED', /2 standbys or other receivers/],
      [{ state: 'standby' }, 'PG_ROLE', /is a standby/],
      [{ state: 'starting' }, 'RESTORE_REFUSED', /the server is starting/],
      [{ unit: '' }, 'RESTORE_REFUSED', /systemd did not start/],
      [{ load: 'not-found' }, 'RESTORE_REFUSED', /no unit postgresql@15-main\.service/],
      [{ locales: 'C\nen_US.utf8\n' }, 'RESTORE_REFUSED', /locale de_DE\.UTF-8/],
      [{ free: 1000 }, 'HOST_SPACE', /too little space/],
    ];
    for (const [scene, code, text] of cases)
      await expect(plan(physicalHost(scene))).rejects.toMatchObject(refused(code, text));
    const damaged = physicalHost();
    damaged.answer(/\/psql /, { status: 1, stderr: 'ERROR:  could not open file "base/5/1259"' });
    await expect(plan(damaged)).rejects.toMatchObject({
      ...refused('RESTORE_REFUSED', 'cannot be asked: .*could not open file'),
      hint: expect.stringContaining('systemctl stop postgresql@15-main.service') as unknown,
    });
    const member = databaseHost({ name: 'db2', databases: [database('postgres')], recovery: true });
    Object.assign(member.facts, { machineId: 'another' });
    await expect(plan(physicalHost(), { others: [member] })).rejects.toMatchObject(
      refused('RESTORE_REFUSED', 'db2 runs a standby of the same cluster'),
    );
  });

  it('refuses selections that do not go together, and archives that have none', async () => {
    const host = physicalHost();
    for (const [selected, text] of [
      [{ physical: ['maybe'] }, 'either yes or no'],
      [{ physical: ['yes'], database: ['app'] }, 'postgresql.database cannot be selected'],
      [{ physical: ['yes'], globals: ['yes'] }, 'postgresql.globals cannot be selected'],
    ] as const)
      await expect(plan(host, { selected })).rejects.toMatchObject(refused('OPTION_INVALID', text));
    await expect(plan(host, { baseline: { databases: {} } })).rejects.toMatchObject(
      refused('OPTION_INVALID', 'no base backup'),
    );
    const failed = [{ path: basePath, reason: 'the WAL was removed' } as FailedRecord];
    await expect(plan(host, { failed })).rejects.toMatchObject(refused('OPTION_INVALID', 'the WAL was removed'));
  });

  it('says what has to be done afterwards', async () => {
    const host = physicalHost({ libc: 'glibc 2.31', facts: { archiving: true } });
    const { warnings } = await plan(host, { standbys: ['db2'] });
    expect(warnings.map(({ code }) => code)).toEqual(['RESTORE_COLLATION', 'RESTORE_ARCHIVING', 'RESTORE_STANDBYS']);
    expect(warnings[0]?.message).toMatch(/glibc 2\.36, and here is glibc 2\.31.*REINDEX DATABASE in postgres/);
    expect(warnings[2]?.message).toContain('pg_basebackup --host=db1');
  });
});

describe('its steps', () => {
  function stepContext(host: FakeHost): StepContext & { readonly warnings: Warning[] } {
    const warnings: Warning[] = [];
    return {
      runId: 'run-1',
      remote: () => Promise.resolve(host),
      read: () => Promise.resolve(Readable.from([baseTar])),
      warn: (warning) => void warnings.push(warning),
      signal: new AbortController().signal,
      log: silentLogger,
      warnings,
    };
  }

  async function stepOf(scene: Scene, name: string) {
    const host = physicalHost(scene);
    const step = (await plan(physicalHost())).steps.find(({ id }) => id.endsWith(`/${name}`))!;
    const kind = stepKinds.find((each) => each.name === step.kind)!;
    return { host, kind, params: kind.params.parse(step.params), context: stepContext(host) };
  }

  it('are told by what the server does', async () => {
    const states = ['stopped', 'starting', 'ready', 'stopping'];
    const probes = async (name: string): Promise<readonly string[]> =>
      Promise.all(
        states.map(async (state) => {
          const { kind, params, context } = await stepOf({ state }, name);
          return kind.probe(context, params, name === 'start' ? { hasOld: true } : null);
        }),
      );
    expect(await probes('stop')).toEqual(['done', 'half', 'not done', 'half']);
    expect(await probes('start')).toEqual(['not done', 'half', 'done', 'half']);
  });

  it('never move files under a server that runs', async () => {
    const { kind, params, context, host } = await stepOf({ state: 'ready' }, 'swap');
    const undo = { newId: '1:2', oldId: '1:3' };
    for (const act of [
      kind.prepare(context, params),
      kind.apply(context, params, undo),
      kind.revert!(context, params, undo),
    ])
      await expect(act).rejects.toMatchObject(refused('RESTORE_REFUSED', 'somebody has started'));
    expect(host.transcript.join('\n')).not.toContain('mv -T');
  });

  it('fail where the server does not start or stop', async () => {
    const start = await stepOf({ state: 'stopped' }, 'start');
    start.host.answer(/^systemctl /, { status: 1 });
    await expect(start.kind.apply(start.context, start.params, { hasOld: true })).rejects.toMatchObject(
      refused('RESTORE_FAILED', 'postgresql@15-main.service does not start'),
    );
    const stop = await stepOf({ state: 'stopping' }, 'stop');
    stop.host.answer(/^systemctl /, { status: 1, stderr: 'busy' });
    await expect(stop.kind.apply(stop.context, stop.params, null)).rejects.toMatchObject(
      refused('RESTORE_FAILED', 'does not stop: the server is stopping. busy'),
    );
  });

  it('do not stop the new server when the old one is gone', async () => {
    const { kind, params, context, host } = await stepOf({}, 'start');
    host.answer(/^sh -c \[ -d "\$1\/old" \]/, { status: 1 });
    await expect(kind.revert!(context, params, { hasOld: true })).rejects.toMatchObject(
      refused('RESTORE_REFUSED', 'is no longer in'),
    );
    expect(host.transcript.join('\n')).not.toContain('systemctl stop');
  });

  it('say what pg_verifybackup finds, and where there is none', async () => {
    const bad = await stepOf({}, 'stage');
    bad.host.answer(/^sh -c (?:umask|directory=)/, {});
    bad.host.answer(/^sh -c \[ -x "\$2\/pg_verifybackup"/, {
      status: 1,
      stderr: 'checksum mismatch for file "base/5/1259"',
    });
    await expect(bad.kind.apply(bad.context, bad.params, null)).rejects.toMatchObject(
      refused('RESTORE_CHECK', 'checksum mismatch for file "base/5/1259"'),
    );
    const none = await stepOf({}, 'stage');
    none.host.answer(/^sh -c (?:umask|directory=)/, {});
    none.host.answer(/^sh -c \[ -x "\$2\/pg_verifybackup"/, { stdout: 'missing\n' });
    await none.kind.apply(none.context, none.params, null);
    expect(none.context.warnings).toMatchObject([{ code: 'RESTORE_NOT_COMPARED' }]);
  });
});
