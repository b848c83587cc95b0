import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fakeBackupContext, fakeDiscoverContext, onlyUnit } from '../../testing/fake-contexts.js';
import { FakeHost, fakeInventoryHost, runHere, type FakeRule } from '../../testing/fake-host.js';
import { configurationOf, versionCommands, workingDirectoryOf } from './discover.js';
import { haproxy } from './index.js';
import { haproxyOptions } from './options.js';

let root = '';
const version: FakeRule = {
  argv: /haproxy -v$/,
  answer: { stdout: 'HAProxy version 2.6.12-1+deb12u3 2025/10/03 - https://haproxy.org/\nStatus: long-term\n' },
};

/** Runs sh, tar and cat for real; everything else is not there. */
function sampleHost(name: string, ...rules: FakeRule[]): FakeHost {
  return new FakeHost({ name, become: false, rules: [...rules, { argv: /^(?:sh|tar|cat) /, answer: runHere }] });
}

beforeAll(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'haproxy-')));
  mkdirSync(join(root, 'certs'));
  writeFileSync(
    join(root, 'haproxy.cfg'),
    `global\nfrontend f\n  bind :443 ssl crt ${root}/certs/a.pem\n  acl x src -f ${root}/gone.acl\n`,
  );
  writeFileSync(join(root, 'certs', 'a.pem'), 'key');
  writeFileSync(join(root, 'extra'), 'more');
});
afterAll(() => {
  rmSync(root, { recursive: true });
});

describe('haproxy', () => {
  it('backs up files named by options, without systemd, haproxy or become', async () => {
    const remote = sampleHost('lb 1');
    const options = haproxyOptions.parse({ config_file: join(root, 'haproxy.cfg'), paths: [join(root, 'extra')] });
    const discovery = await haproxy.discover(fakeDiscoverContext({ hosts: [remote], options }));
    const unit = onlyUnit(discovery);
    expect(unit).toMatchObject({
      name: 'lb 1',
      product: { name: 'HAProxy', version: 'unknown' },
      consistency: 'file-copy',
      containsSecrets: true,
    });
    expect(unit.warnings).toEqual([{ code: 'FILE_MISSING', message: expect.stringContaining(`${root}/gone.acl`) }]);
    expect(unit.artifacts[0]).toMatchObject({
      path: 'haproxy/lb%201/config.tar',
      host: 'lb 1',
      commands: [expect.stringMatching(/^tar --create .* -- /)],
    });

    const run = fakeBackupContext({ hosts: [remote], options });
    await haproxy.backup(run.context, unit);
    const content = run.saved.get('haproxy/lb%201/config.tar') ?? Buffer.alloc(0);
    expect(execFileSync('tar', ['-tf', '-'], { input: content }).toString().trimEnd().split('\n')).toEqual(
      ['certs/a.pem', 'extra', 'haproxy.cfg'].map((name) => `${root.slice(1)}/${name}`),
    );
    expect(run.baseline()).toEqual({ entries: 3, frontends: ['f'], backends: [], listens: [], binds: 1, servers: 0 });
    expect(JSON.parse(JSON.stringify(unit))).toEqual(unit);
  });

  it('looks only where it is told when config_file is set', async () => {
    const remote = sampleHost('lb1', version);
    const options = haproxyOptions.parse({ config_file: join(root, 'haproxy.cfg') });
    const unit = onlyUnit(await haproxy.discover(fakeDiscoverContext({ hosts: [remote], options })));
    expect(unit.product.version).toBe('2.6.12-1+deb12u3');
    expect(remote.transcript.join('\n')).not.toMatch(/systemctl|\/etc\/haproxy/);
  });

  it('makes a problem of each host that fails, and goes on with the others', async () => {
    const good = sampleHost('lb1');
    const options = haproxyOptions.parse({ config_file: join(root, 'haproxy.cfg') });
    const discovery = await haproxy.discover(
      fakeDiscoverContext({
        hosts: [
          good,
          new FakeHost({
            name: 'lb2',
            rules: [{ argv: /^sh/, answer: { status: 1, stderr: 'cat: x: Permission denied' } }],
          }),
        ],
        options,
        unreachable: [fakeInventoryHost('lb3')],
      }),
    );
    expect(discovery.units.map(({ name }) => name)).toEqual(['lb1']);
    expect(discovery.problems.map(({ unit, error }) => [unit, error.code, error.component, error.host])).toEqual([
      ['lb2', 'SERVICE_MISSING', 'haproxy', 'lb2'],
      ['lb3', 'HOST_UNREACHABLE', 'haproxy', 'lb3'],
    ]);
  });

  it('refuses a configured path that is not there', async () => {
    const options = haproxyOptions.parse({ config_file: join(root, 'haproxy.cfg'), paths: [join(root, 'none')] });
    const { problems } = await haproxy.discover(fakeDiscoverContext({ hosts: [sampleHost('lb1')], options }));
    expect(problems[0]?.error).toMatchObject({
      code: 'SERVICE_MISSING',
      message: expect.stringContaining(`${root}/none`),
      hint: expect.stringContaining('haproxy.paths'),
    });
  });

  it('backs up a stopped service, with a warning', async () => {
    const show = `Id=haproxy.service\nLoadState=loaded\nActiveState=inactive\nMainPID=0\nExecStart={ path=/x/haproxy ; argv[]=/x/haproxy -f ${root}/haproxy.cfg ; ignore_errors=no ; }\n`;
    const remote = sampleHost('lb1', version, { argv: /^systemctl show/, answer: { stdout: show } });
    const unit = onlyUnit(
      await haproxy.discover(fakeDiscoverContext({ hosts: [remote], options: haproxyOptions.parse({}) })),
    );
    expect(unit.warnings.map(({ code }) => code)).toEqual(['FILE_MISSING', 'SERVICE_DOWN']);
    expect(unit.product.detectedBy).toBe('/x/haproxy -v');
  });
});

describe('certificates', () => {
  it("are found by list, variable and the unit's directory, with the keys beside them", async () => {
    mkdirSync(join(root, 'work'));
    for (const name of ['list.pem', 'list.pem.key', 'rel.pem', 'env.crt', 'env.key', 'tickets'])
      writeFileSync(join(root, 'work', name), 'key');
    writeFileSync(join(root, 'work', 'list.txt'), 'list.pem host.example');
    writeFileSync(join(root, 'work', 'environment'), `CERTS=${root}/work\n`);
    writeFileSync(
      join(root, 'work', 'lb.cfg'),
      'frontend f\n bind :1 ssl crt rel.pem crt "${CERTS}/env.crt" crt "${NONE}/x.pem" crt-list list.txt tls-ticket-keys tickets\n',
    );
    const show = `Id=haproxy.service\nLoadState=loaded\nActiveState=inactive\nMainPID=0\nWorkingDirectory=${root}/work\nEnvironmentFiles=${root}/work/environment (ignore_errors=no)\nExecStart={ path=/x/haproxy ; argv[]=/x/haproxy -f lb.cfg ; ignore_errors=no ; }\n`;
    const remote = sampleHost('lb1', version, { argv: /^systemctl show/, answer: { stdout: show } });
    const { warnings, found } = onlyUnit(
      await haproxy.discover(fakeDiscoverContext({ hosts: [remote], options: haproxyOptions.parse({}) })),
    );
    const names = ['env.crt', 'env.key', 'environment', 'lb.cfg', 'list.pem', 'list.pem.key', 'list.txt', 'rel.pem'];
    expect(found).toMatchObject({
      files: { names: expect.arrayContaining([...names, 'tickets'].map((name) => `${root.slice(1)}/work/${name}`)) },
    });
    expect(warnings).toMatchObject([
      { code: 'FILE_MISSING', message: expect.stringContaining('${NONE}/x.pem') },
      { code: 'SERVICE_DOWN' },
    ]);
  });

  it('are relative to -C before the directory of the unit', () => {
    expect(workingDirectoryOf({ arguments: ['haproxy', '-C', 'sub'], workingDirectory: '/w' })).toBe('/w/sub');
    expect(workingDirectoryOf({ arguments: ['runc', '-C', '/x'], workingDirectory: '/w' })).toBe('/w');
    expect(workingDirectoryOf(undefined)).toBe('/');
  });
});

describe('configurationOf', () => {
  it.each([
    [
      ['/usr/sbin/haproxy', '-Ws', '-f', '/etc/a.cfg', '-f', '/etc/conf.d', '-p', '/run/x'],
      ['/etc/a.cfg', '/etc/conf.d'],
    ],
    [
      ['/usr/sbin/haproxy', '-C', '/srv', '-f', 'a.cfg', '--', 'b.cfg', '/c.cfg'],
      ['/srv/a.cfg', '/srv/b.cfg', '/c.cfg'],
    ],
    [['haproxy', '-f', 'a.cfg'], ['/work/a.cfg']],
    [['/usr/bin/runc', 'run', 'haproxy'], ['/etc/haproxy/haproxy.cfg']],
    [[], ['/etc/haproxy/haproxy.cfg']],
  ])('%j', (words, expected) => {
    expect(configurationOf({ arguments: words, workingDirectory: '/work' })).toEqual(expected);
  });
});

describe('versionCommands', () => {
  it('asks inside the container, else the running program, else any', () => {
    expect(
      versionCommands({ arguments: ['/usr/bin/runc', 'run', '-b', '/opt/runc/haproxy', 'haproxy'], running: true })[0],
    ).toEqual({ argv: ['/usr/bin/runc', 'exec', 'haproxy', '/usr/local/sbin/haproxy', '-v'], become: 'root' });
    expect(versionCommands({ arguments: ['/opt/haproxy/sbin/haproxy'], running: false })[0]).toEqual({
      argv: ['/opt/haproxy/sbin/haproxy', '-v'],
    });
    expect(versionCommands(undefined)[0]).toEqual({ argv: ['haproxy', '-v'] });
  });
});
