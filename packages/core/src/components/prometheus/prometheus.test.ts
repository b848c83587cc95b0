import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { fakeBackupContext, fakeDiscoverContext } from '../../testing/fake-contexts.js';
import { FakeHost, runHere } from '../../testing/fake-host.js';
import { prometheus } from './index.js';

import {
  options,
  oldBlock,
  newBlock,
  snapshot,
  root,
  data,
  monitoringHost,
  moveData,
  discovered,
  useDataDirectory,
} from './prometheus.test-support.js';

useDataDirectory();

function withoutPrometheus(name: string, group: string): FakeHost {
  const stdout = 'Id=prometheus.service\nLoadState=not-found\nActiveState=inactive\n';
  return new FakeHost({ name, groups: [group], rules: [{ argv: /^systemctl/, answer: { stdout } }] });
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
    moveData('above/data');
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
