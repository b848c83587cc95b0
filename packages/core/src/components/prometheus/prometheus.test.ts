import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import type { RequestListener, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { fakeBackupContext, fakeDiscoverContext, onlyUnit } from '../../testing/fake-contexts.js';
import { FakeHost, runHere, type FakeRule } from '../../testing/fake-host.js';
import { blocksBaseline, linkBlocksCommand, removeCommand } from './blocks.js';
import { prometheus } from './index.js';
import { prometheusOptions } from './options.js';

const options = prometheusOptions.parse({});
const oldBlock = '01M81ZPJWNS22DTVA0AHKNTWHC';
const newBlock = '01M81ZQ2SDB8YW9CSRE7CTR5N1';
const snapshot = '20261122T162247Z-5e0a85e729662c9a';
let root = '';
let data = '';

function writeBlock(directory: string, ulid: string, minTime: number): void {
  mkdirSync(join(directory, ulid, 'chunks'), { recursive: true });
  writeFileSync(join(directory, ulid, 'chunks', '000001'), 'samples');
  writeFileSync(
    join(directory, ulid, 'meta.json'),
    JSON.stringify(
      {
        ulid,
        minTime,
        maxTime: minTime + 7_200_000,
        stats: { numSamples: 110_160, numSeries: 153 },
        compaction: { level: 1 },
      },
      null,
      1,
    ),
  );
}

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'prometheus-')));
  data = join(root, 'data');
  writeFileSync(join(root, 'prometheus.yml'), 'global: {}\n');
  writeBlock(data, oldBlock, 1_795_298_400_000);
  writeBlock(data, newBlock, 1_795_305_600_000);
  mkdirSync(join(data, 'wal'));
  mkdirSync(join(data, 'alertmanager'));
  mkdirSync(join(data, `${oldBlock}.tmp-for-deletion`));
});
afterEach(() => {
  for (const path of [join(root, 'above'), data]) if (existsSync(path)) chmodSync(path, 0o700);
  rmSync(root, { recursive: true });
});

interface Server {
  admin?: boolean;
  /** Status of the answer about targets. */
  targetsStatus?: number;
  /** Status of the snapshot call. */
  snapshotStatus?: number;
  status?: number;
  /** Answers the snapshot call in place of the server. */
  answerSnapshot?: (response: ServerResponse) => void;
}

/** A server that makes its snapshot as Prometheus does. */
function api({
  admin = true,
  targetsStatus = 200,
  snapshotStatus = 200,
  status = 200,
  answerSnapshot,
}: Server): RequestListener {
  const wrap = (value: unknown): string => JSON.stringify({ status: 'success', data: value });
  return (request, response) => {
    const path = request.url?.replace(/\?.*/, '') ?? '';
    response.statusCode = status;
    if (path === '/api/v1/status/flags')
      response.end(wrap({ 'storage.tsdb.path': `${data}/`, 'web.enable-admin-api': String(admin) }));
    else if (path === '/api/v1/status/buildinfo') response.end(wrap({ version: '2.42.0+ds' }));
    else if (path === '/api/v1/status/tsdb') response.end(wrap({ headStats: { numSeries: 707 } }));
    else if (path === '/api/v1/targets') {
      response.statusCode = targetsStatus;
      response.end(wrap({ activeTargets: [{ health: 'up' }, { health: 'down' }] }));
    } else if (path === '/api/v1/admin/tsdb/snapshot' && request.method === 'POST') {
      response.statusCode = snapshotStatus;
      if (answerSnapshot !== undefined) answerSnapshot(response);
      else if (snapshotStatus === 200) {
        for (const block of [oldBlock, newBlock])
          writeBlock(join(data, 'snapshots', snapshot), block, 1_795_298_400_000);
        response.end(wrap({ name: snapshot }));
      } else response.end('{"status":"error","errorType":"unavailable","error":"admin APIs disabled"}');
    } else {
      response.statusCode = 404;
      response.end();
    }
  };
}

function monitoringHost(server: Server | undefined, ...rules: FakeRule[]): FakeHost {
  const show = `Id=prometheus.service\nLoadState=loaded\nActiveState=active\nMainPID=81\nWorkingDirectory=\nFragmentPath=/etc/systemd/system/prometheus.service\n`;
  return new FakeHost({
    name: 'mon1',
    rules: [
      ...rules,
      { argv: /^systemctl show .* prometheus.service$/, answer: { stdout: show } },
      {
        argv: ['cat', '/proc/81/cmdline'],
        answer: {
          stdout: `/opt/none/prometheus\0--config.file=${root}/prometheus.yml\0--storage.tsdb.path=${data}\0--web.listen-address=:9090\0`,
        },
      },
      { argv: /^(?:sh|tar|cat|ls) /, answer: runHere },
    ],
    ...(server === undefined ? {} : { http: { '127.0.0.1:9090': api(server) } }),
  });
}

function withoutPrometheus(name: string, group: string): FakeHost {
  const stdout = 'Id=prometheus.service\nLoadState=not-found\nActiveState=inactive\n';
  return new FakeHost({ name, groups: [group], rules: [{ argv: /^systemctl/, answer: { stdout } }] });
}

async function discovered(remote: FakeHost) {
  return onlyUnit(await prometheus.discover(fakeDiscoverContext({ hosts: [remote], options })));
}

const names = (content: Buffer | undefined): string[] =>
  execFileSync('tar', ['-tf', '-'], { input: content ?? '' })
    .toString()
    .trimEnd()
    .split('\n');

describe('prometheus', () => {
  it('saves a snapshot and removes it', async () => {
    const remote = monitoringHost({});
    const unit = await discovered(remote);
    expect(unit).toMatchObject({
      name: 'mon1',
      product: { version: '2.42.0+ds' },
      consistency: 'point-in-time',
      identity: { dataDirectory: data },
      warnings: [],
    });
    expect(unit.tempSpace).toMatchObject([{ host: 'mon1', path: `${data}/snapshots` }]);
    expect(JSON.parse(JSON.stringify(unit))).toEqual(unit);
    const run = fakeBackupContext({ hosts: [remote], options });
    await prometheus.backup(run.context, unit);
    expect([...run.saved.keys()]).toEqual(unit.artifacts.map(({ path }) => path));
    expect(names(run.saved.get('prometheus/mon1/tsdb.tar'))).toContain(`./${newBlock}/meta.json`);
    expect(run.recorded).toEqual([`mon1:${data}/snapshots/lsbackup-run-1`, `mon1:${data}/snapshots/${snapshot}`]);
    expect(run.baseline()).toMatchObject({
      blockCount: 2,
      samples: 220_320,
      minTime: 1_795_298_400_000,
      headSeries: 707,
      targets: 2,
    });
    await run.cleanUp();
    expect(readdirSync(join(data, 'snapshots'))).toEqual([]);
  });

  it('saves the time series also when neither its configuration nor its targets can be saved', async () => {
    const remote = monitoringHost({ targetsStatus: 500 });
    const unit = await discovered(remote);
    remote.answer(/^tar .* --directory=\/ /, { status: 2, stderr: 'tar: File removed before we read it' });
    const run = fakeBackupContext({ hosts: [remote], options });
    await prometheus.backup(run.context, unit);
    expect([...run.failed].map(([path, { code }]) => [path, code])).toEqual([
      ['prometheus/mon1/config.tar', 'COMMAND_FAILED'],
      ['prometheus/mon1/targets.json', 'SERVICE_ANSWER'],
    ]);
    expect([...run.saved.keys()]).toEqual(['prometheus/mon1/tsdb.tar']);
    expect(run.baseline()).toMatchObject({ blockCount: 2, targets: null });
  });

  it('tells of the time series why they are not saved, also when the configuration failed before', async () => {
    const remote = monitoringHost({ snapshotStatus: 500 });
    const unit = await discovered(remote);
    remote.answer(/^tar .* --directory=\/ /, { status: 2, stderr: 'tar: File removed before we read it' });
    const run = fakeBackupContext({ hosts: [remote], options });
    await expect(prometheus.backup(run.context, unit)).rejects.toMatchObject({ code: 'SERVICE_ANSWER' });
    expect([...run.failed].map(([path, { code }]) => [path, code])).toEqual([
      ['prometheus/mon1/config.tar', 'COMMAND_FAILED'],
      ['prometheus/mon1/tsdb.tar', 'SERVICE_ANSWER'],
    ]);
  });

  it.each([
    ['the flags say so', { admin: false }, 'finished-blocks'],
    ['the call is refused', { snapshotStatus: 403 }, 'point-in-time'],
  ])('copies finished blocks when the admin API is off because %s', async (_title, server, consistency) => {
    const remote = monitoringHost(server);
    const unit = await discovered(remote);
    expect(unit.consistency).toBe(consistency);
    const run = fakeBackupContext({ hosts: [remote], options });
    await prometheus.backup(run.context, unit);
    expect([...unit.warnings, ...run.warnings].map(({ code }) => code)).toEqual(['PROM_ADMIN']);
    const saved = names(run.saved.get('prometheus/mon1/tsdb.tar'));
    expect(saved.filter((name) => name.endsWith('meta.json'))).toEqual([
      `./${oldBlock}/meta.json`,
      `./${newBlock}/meta.json`,
    ]);
    expect(saved.join()).not.toMatch(/wal|alertmanager|tmp/);
    expect([...new Set(run.recorded)]).toEqual([`mon1:${data}/snapshots/lsbackup-run-1`]);
    const order = remote.transcript.findIndex((line) => line.includes('cp -al'));
    expect(remote.transcript.slice(order).some((line) => line.startsWith('tar '))).toBe(true);
    await run.cleanUp();
    expect(existsSync(join(data, 'snapshots'))).toBe(false);
    expect(existsSync(join(data, oldBlock, 'meta.json'))).toBe(true);
  });

  it('saves the configuration of one that does not answer, and fails', async () => {
    const remote = monitoringHost(undefined);
    const unit = await discovered(remote);
    expect(unit.warnings.map(({ code }) => code)).toEqual(['SERVICE_DOWN']);
    expect(unit.artifacts.map(({ path, refusal }) => [path, refusal?.code])).toEqual([
      ['prometheus/mon1/config.tar', undefined],
      ['prometheus/mon1/targets.json', 'SERVICE_DOWN'],
      ['prometheus/mon1/tsdb.tar', 'SERVICE_DOWN'],
    ]);
    const run = fakeBackupContext({ hosts: [remote], options });
    await expect(prometheus.backup(run.context, unit)).rejects.toMatchObject({ code: 'SERVICE_DOWN', host: 'mon1' });
    expect([...run.saved.keys()]).toEqual(['prometheus/mon1/config.tar']);
  });

  it.each([
    ['the host does not see the data directory', 'SERVICE_MISSING', (): void => rmSync(data, { recursive: true })],
    ['nobody may search a directory above it', 'HOST_SUDO', (): void => chmodSync(join(root, 'above'), 0o600)],
    ['what it makes there could not be removed', 'HOST_SUDO', (): void => chmodSync(data, 0o555)],
    ['only `snapshots` is writable', 'HOST_SUDO', (): void => mkdirSync(join(data, 'snapshots'), { mode: 0o777 })],
  ])('asks for no snapshot when %s, and saves the configuration', async (_title, code, prepare) => {
    chmodSync(root, 0o755);
    data = join(root, 'above', 'data');
    mkdirSync(join(data, 'wal'), { recursive: true });
    chmodSync(join(data, 'wal'), 0o555);
    prepare();
    const asNobody = process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];
    const remote = monitoringHost(
      { answerSnapshot: () => expect('asked for a snapshot').toBeUndefined() },
      {
        argv: /^(?:sh|tar|cat|ls) (?!\/proc)/,
        answer: (command, input) => runHere({ argv: [...asNobody, ...command.argv] }, input),
      },
    );
    const unit = await discovered(remote);
    expect(unit).toMatchObject({ product: { version: '2.42.0+ds' }, warnings: [{ code }] });
    const run = fakeBackupContext({ hosts: [remote], options });
    await expect(prometheus.backup(run.context, unit)).rejects.toMatchObject({
      code,
      host: 'mon1',
      message: expect.stringContaining(data),
      hint: expect.stringMatching(/container|become root/),
    });
    await run.cleanUp();
    expect(run.recorded).toEqual([]);
    expect([...run.saved.keys()]).toEqual(['prometheus/mon1/config.tar', 'prometheus/mon1/targets.json']);
  });

  it('makes a problem of a missing unit, and of an answer that refuses', async () => {
    const missing = withoutPrometheus('mon2', 'prometheus');
    const { problems } = await prometheus.discover(
      fakeDiscoverContext({ hosts: [missing, monitoringHost({ status: 401 })], options }),
    );
    expect(problems.map(({ error }) => [error.host, error.code])).toEqual([
      ['mon2', 'SERVICE_MISSING'],
      ['mon1', 'SERVICE_ANSWER'],
    ]);
    expect(problems[1]?.error.hint).toContain('password');
  });

  it('saves what the configuration names in the data directory, and tells what is missing there', async () => {
    writeFileSync(join(root, 'prometheus.yml'), `rule_files: ['${data}/rules/*.yml', '${data}/gone.yml']\n`);
    mkdirSync(join(data, 'rules'));
    writeFileSync(join(data, 'rules', 'one.yml'), 'groups: []\n');
    const { found, warnings } = await discovered(monitoringHost({}));
    expect(found.files.names).toContain(join(data, 'rules/one.yml').slice(1));
    expect(warnings).toContainEqual({ code: 'FILE_MISSING', message: expect.stringContaining(`${data}/gone.yml`) });
  });

  it('accepts a host of the group monitoring without one beside another, but not all of them', async () => {
    const [first, second] = [withoutPrometheus('mon2', 'monitoring'), withoutPrometheus('mon3', 'monitoring')];
    const some = await prometheus.discover(fakeDiscoverContext({ hosts: [first, monitoringHost({})], options }));
    expect(some).toMatchObject({ units: [{ name: 'mon1' }], problems: [], absent: [{ host: 'mon2' }] });
    const none = await prometheus.discover(fakeDiscoverContext({ hosts: [first, second], options }));
    expect(none.problems.map(({ error }) => [error.host, error.code])).toEqual([
      ['mon2', 'SERVICE_MISSING'],
      ['mon3', 'SERVICE_MISSING'],
    ]);
    expect(none.absent).toEqual([]);
  });

  it('refuses a host where none of its files can be seen', async () => {
    rmSync(join(root, 'prometheus.yml'));
    const { problems } = await prometheus.discover(fakeDiscoverContext({ hosts: [monitoringHost({})], options }));
    expect(problems).toMatchObject([
      { error: { code: 'SERVICE_MISSING', message: expect.stringContaining(`${root}/prometheus.yml`) } },
    ]);
  });

  it('fails when the snapshot fails, and reports snapshots that are not its own', async () => {
    mkdirSync(join(data, 'snapshots', '20200101T000000Z-1'), { recursive: true });
    const remote = monitoringHost({ snapshotStatus: 500 });
    const unit = await discovered(remote);
    expect(unit.warnings).toMatchObject([
      { code: 'SNAPSHOT_LEFTOVER', message: expect.stringContaining('20200101T000000Z-1') },
    ]);
    const run = fakeBackupContext({ hosts: [remote], options });
    await expect(prometheus.backup(run.context, unit)).rejects.toMatchObject({
      code: 'SERVICE_ANSWER',
      message: expect.stringContaining('2.42.0+ds'),
    });
    await run.cleanUp();
    expect(readdirSync(join(data, 'snapshots'))).toEqual(['20200101T000000Z-1']);
  });
});

describe('a snapshot whose answer comes late or never', () => {
  const old = '20200101T000000Z-1';
  const future = '29990101T000000Z-1';
  const make = (name: string): void => {
    writeBlock(join(data, 'snapshots', name), oldBlock, 1_795_298_400_000);
  };
  const answer = (response: ServerResponse, name: string): void => {
    response.end(JSON.stringify({ status: 'success', data: { name } }));
  };
  const left = (): readonly string[] => readdirSync(join(data, 'snapshots')).sort();

  beforeEach(() => {
    for (const name of [old, future]) make(name);
  });

  function asking(): {
    readonly promise: Promise<ServerResponse>;
    readonly resolve: (response: ServerResponse) => void;
  } {
    let resolve: (response: ServerResponse) => void = () => undefined;
    const promise = new Promise<ServerResponse>((resolved) => {
      resolve = resolved;
    });
    return { promise, resolve };
  }

  /** A backup that can be aborted while its clean-up cannot. */
  async function started(answerSnapshot: (response: ServerResponse) => void, chosen = options) {
    const remote = monitoringHost({ answerSnapshot });
    const unit = await discovered(remote);
    const abort = new AbortController();
    const run = fakeBackupContext({ hosts: [remote], options: chosen });
    const work = prometheus.backup({ ...run.context, signal: abort.signal }, unit);
    work.catch(() => undefined);
    return { run, work, abort };
  }

  it('is removed by its name when the run was aborted meanwhile', async () => {
    const asked = asking();
    const { run, work, abort } = await started(asked.resolve);
    const response = await asked.promise;
    abort.abort();
    await expect(work).rejects.toMatchObject({ code: 'ABORTED' });
    const cleaned = run.cleanUp();
    make(snapshot);
    make('29990101T000000Z-2');
    answer(response, snapshot);
    await cleaned;
    expect(run.recorded).toContain(`mon1:${data}/snapshots/${snapshot}`);
    expect(left()).toEqual([old, future, '29990101T000000Z-2']);
  });

  it('is removed by its name after snapshot_timeout', async () => {
    const asked = asking();
    const { run, work } = await started(asked.resolve, { ...options, snapshot_timeout: 0.2 });
    const response = await asked.promise;
    await expect(work).rejects.toMatchObject({
      code: 'HTTP_FAILED',
      hint: expect.stringContaining('snapshot_timeout'),
    });
    make(snapshot);
    answer(response, snapshot);
    await run.cleanUp();
    expect(left()).toEqual([old, future]);
  });

  it.each([
    [
      'the connection is lost',
      (response: ServerResponse) => response.writeHead(200, { 'content-length': '99' }).end('{'),
      'HTTP_FAILED',
    ],
    ['the answer is no answer', (response: ServerResponse) => response.end('<html>'), 'SERVICE_ANSWER'],
    ['the request failed', (response: ServerResponse) => response.writeHead(500).end(), 'SERVICE_ANSWER'],
  ])("is left for a person, with a warning, when %s: it may be somebody else's", async (_title, end, code) => {
    const { run, work } = await started((response) => {
      for (const name of ['29990101T000000Z-3', '20200101T000000Z-2', 'mine']) make(name);
      end(response);
    });
    await expect(work).rejects.toMatchObject({ code });
    await run.cleanUp();
    expect(left()).toEqual([old, '20200101T000000Z-2', future, '29990101T000000Z-3', 'mine'].sort());
    const [warning] = run.warnings.filter((each) => each.code === 'SNAPSHOT_LEFTOVER');
    expect(warning?.message).toMatch(/29990101T000000Z-3$/);
  });

  const fresh = '29990101T000000Z-3';
  it.each([
    ['is removed when the error names it', [fresh], [old, future]],
    ['is left when the error names one that was there before', [old], [old, future, fresh]],
    ['is left when the error names several', [fresh, future], [old, future, fresh]],
    ['is left when the error names something in it only by its beginning', [`${fresh}x`], [old, future, fresh]],
  ])('%s', async (_title, named, kept) => {
    const { run, work } = await started((response) => {
      make(fresh);
      const links = named.map((name) => `link ${data}/x/meta.json ${data}/snapshots/${name}/x/meta.json`).join('; ');
      const error = `create snapshot: ${links}: operation not permitted`;
      response.writeHead(500).end(JSON.stringify({ status: 'error', errorType: 'internal', error }));
    });
    await expect(work).rejects.toMatchObject({ code: 'SERVICE_ANSWER', message: expect.stringContaining('link') });
    await run.cleanUp();
    expect(left()).toEqual([...kept].sort());
    const messages = run.warnings.filter((each) => each.code === 'SNAPSHOT_LEFTOVER').map(({ message }) => message);
    expect(messages).toEqual(
      kept.length > 2 ? [expect.stringMatching(/remove with rm -rf .*: 29990101T000000Z-3$/)] : [],
    );
  });

  it('is not asked for by a run that was aborted before', async () => {
    let asked = false;
    const remote = monitoringHost({ answerSnapshot: () => (asked = true) });
    const unit = await discovered(remote);
    const abort = new AbortController();
    const run = fakeBackupContext({ hosts: [remote], options });
    const record = (): Promise<void> => {
      abort.abort();
      return Promise.resolve();
    };
    await expect(prometheus.backup({ ...run.context, signal: abort.signal, record }, unit)).rejects.toThrow();
    await run.cleanUp();
    expect(asked).toBe(false);
    expect(left()).toEqual([old, future]);
  });
});

describe('linking blocks', () => {
  const link = () => runHere(linkBlocksCommand(data, join(data, 'snapshots', 'x')), '');

  it('shares the files and leaves everything else out', () => {
    expect(link()).toMatchObject({ status: 0 });
    expect(readdirSync(join(data, 'snapshots', 'x')).sort()).toEqual([oldBlock, newBlock]);
    expect(statSync(join(data, 'snapshots', 'x', oldBlock, 'meta.json')).ino).toBe(
      statSync(join(data, oldBlock, 'meta.json')).ino,
    );
  });

  it('keeps a snapshots directory that was there', () => {
    mkdirSync(join(data, 'snapshots'));
    const { stdout } = link();
    expect(String(stdout)).toBe('');
    runHere(removeCommand(join(data, 'snapshots', 'x'), undefined), '');
    expect(readdirSync(join(data, 'snapshots'))).toEqual([]);
  });

  it('fails when the data directory is not there', () => {
    expect(runHere(linkBlocksCommand(join(data, 'none'), join(data, 'x')), '').status).not.toBe(0);
  });
});

describe('blocksBaseline', () => {
  it('has no times without blocks', () => {
    expect(blocksBaseline([])).toEqual({ blockCount: 0, samples: 0, minTime: null, maxTime: null, blocks: [] });
  });
});
