import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fakeBackupContext, fakeDiscoverContext, onlyUnit } from '../../testing/fake-contexts.js';
import { FakeHost, fakeInventoryHost, runHere, type FakeRule } from '../../testing/fake-host.js';
import { alertmanager } from './index.js';
import { alertmanagerOptions } from './options.js';

const options = alertmanagerOptions.parse({});
let root = '';

beforeAll(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'alertmanager-')));
  mkdirSync(join(root, 'storage'));
  writeFileSync(join(root, 'am.yml'), `route:\n  receiver: x\ntemplates: ['${root}/*.tmpl']\n`);
  writeFileSync(join(root, 'a.tmpl'), '{{ define "x" }}');
  for (const name of ['silences', 'nflog', 'nflog.7af3']) writeFileSync(join(root, 'storage', name), 'state');
});
afterAll(() => {
  rmSync(root, { recursive: true });
});

/** Shortened answers of 0.25.0. */
const api: RequestListener = (request, response) => {
  if (request.url === '/api/v2/status')
    response.end(
      JSON.stringify({
        cluster: { status: 'ready' },
        config: { original: 'route: {}\n' },
        versionInfo: { version: '0.25.0' },
      }),
    );
  else if (request.url === '/api/v2/silences')
    response.end(
      JSON.stringify([
        { id: '1', status: { state: 'active' } },
        { id: '2', status: { state: 'expired' } },
        { id: '3', status: { state: 'active' } },
      ]),
    );
  else {
    response.statusCode = 404;
    response.end();
  }
};

function host(state: 'active' | 'inactive', answers: boolean, ...rules: FakeRule[]): FakeHost {
  const none = 'Id=alertmanager.service\nLoadState=not-found\nActiveState=inactive\n';
  const show = `${none}\nId=prometheus-alertmanager.service\nLoadState=loaded\nActiveState=${state}\nMainPID=55\nExecStart={ path=/x/am ; argv[]=/x/am --config.file=${root}/am.yml --storage.path=${root}/storage/ ; ignore_errors=no ; }\n`;
  return new FakeHost({
    name: 'mon1',
    rules: [
      ...rules,
      { argv: /^systemctl show .* alertmanager.service prometheus-alertmanager.service$/, answer: { stdout: show } },
      {
        argv: ['cat', '/proc/55/cmdline'],
        answer: { stdout: `/x/am\0--config.file=${root}/am.yml\0--storage.path\0${root}/storage/\0` },
      },
      { argv: /^(?:sh|tar|cat) /, answer: runHere },
    ],
    ...(answers ? { http: { '127.0.0.1:9093': api } } : {}),
  });
}

const files = (content: Buffer | undefined): string[] =>
  execFileSync('tar', ['-tf', '-'], { input: content ?? '' })
    .toString()
    .trimEnd()
    .split('\n')
    .map((name) => `/${name}`.replace(root, ''));

describe('alertmanager', () => {
  it('saves files and the silences of the moment', async () => {
    const remote = host('active', true);
    const unit = onlyUnit(await alertmanager.discover(fakeDiscoverContext({ hosts: [remote], options })));
    expect(unit).toMatchObject({
      name: 'mon1',
      product: { name: 'Alertmanager', version: '0.25.0' },
      roles: { service: 'prometheus-alertmanager.service', state: 'active' },
      identity: { storage: `${root}/storage` },
      warnings: [],
    });
    const run = fakeBackupContext({ hosts: [remote], options });
    await alertmanager.backup(run.context, unit);
    expect([...run.saved.keys()]).toEqual(unit.artifacts.map(({ path }) => path));
    expect(files(run.saved.get('alertmanager/mon1/files.tar'))).toEqual([
      '/a.tmpl',
      '/am.yml',
      '/storage/nflog',
      '/storage/silences',
    ]);
    expect(run.baseline()).toEqual({
      entries: 4,
      configSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      silences: { active: 2, expired: 1 },
    });
  });

  it('saves the files of a stopped one, with a warning', async () => {
    const remote = host('inactive', false);
    const unit = onlyUnit(await alertmanager.discover(fakeDiscoverContext({ hosts: [remote], options })));
    expect(unit.warnings).toMatchObject([
      { code: 'SERVICE_DOWN', message: expect.stringContaining('its files are complete') },
    ]);
    const run = fakeBackupContext({ hosts: [remote], options });
    await alertmanager.backup(run.context, unit);
    expect([...run.saved.keys()]).toEqual(['alertmanager/mon1/files.tar']);
  });

  it('saves the files of one that runs and does not answer, and fails', async () => {
    const remote = host('active', false);
    const unit = onlyUnit(await alertmanager.discover(fakeDiscoverContext({ hosts: [remote], options })));
    expect(unit.warnings).toMatchObject([{ code: 'SERVICE_DOWN', message: expect.stringContaining('15 minutes') }]);
    expect(unit.artifacts.map(({ path, refusal }) => [path, refusal?.code])).toEqual([
      ['alertmanager/mon1/files.tar', undefined],
      ['alertmanager/mon1/silences.json', 'SERVICE_DOWN'],
    ]);
    const run = fakeBackupContext({ hosts: [remote], options });
    await expect(alertmanager.backup(run.context, unit)).rejects.toMatchObject({ code: 'HOST_FORWARD', host: 'mon1' });
    expect([...run.saved.keys()]).toEqual(['alertmanager/mon1/files.tar']);
  });

  it('saves the silences also when its files cannot be saved', async () => {
    const remote = host('active', true);
    const unit = onlyUnit(await alertmanager.discover(fakeDiscoverContext({ hosts: [remote], options })));
    remote.answer(/^tar /, { status: 2, stderr: 'tar: File removed before we read it' });
    const run = fakeBackupContext({ hosts: [remote], options });
    await alertmanager.backup(run.context, unit);
    expect([...run.failed.keys()]).toEqual(['alertmanager/mon1/files.tar']);
    expect([...run.saved.keys()]).toEqual(['alertmanager/mon1/silences.json']);
    expect(run.baseline()).toMatchObject({ entries: null, silences: { active: 2, expired: 1 } });
  });

  it('is a problem without the configuration file that its flags name, and warns without its storage', async () => {
    const started = (flags: string): FakeHost =>
      host('active', true, { argv: ['cat', '/proc/55/cmdline'], answer: { stdout: `/x/am\0${flags}\0` } });
    const discover = (remote: FakeHost) => alertmanager.discover(fakeDiscoverContext({ hosts: [remote], options }));
    const { units, problems } = await discover(started(`--config.file=${root}/none.yml`));
    expect(units).toEqual([]);
    expect(problems[0]?.error).toMatchObject({ code: 'SERVICE_MISSING', message: expect.stringContaining('none.yml') });
    const unit = onlyUnit(await discover(started(`--config.file=${root}/am.yml\0--storage.path=${root}/none`)));
    expect(unit.warnings.map(({ code }) => code)).toEqual(['FILE_MISSING']);
  });

  it('is absent where there is no unit, and a problem where the host does not answer', async () => {
    const without = new FakeHost({
      name: 'mon2',
      rules: [{ argv: /^systemctl/, answer: { stdout: 'Id=alertmanager.service\nLoadState=not-found\n' } }],
    });
    const discovery = await alertmanager.discover(
      fakeDiscoverContext({ hosts: [without], options, unreachable: [fakeInventoryHost('mon3')] }),
    );
    expect(discovery.absent).toEqual([
      {
        host: 'mon2',
        evidence: 'there is no alertmanager.service and no prometheus-alertmanager.service on this host',
      },
    ]);
    expect(discovery.problems).toMatchObject([{ unit: 'mon3', error: { code: 'HOST_UNREACHABLE' } }]);
    expect(discovery.units).toEqual([]);
  });
});
