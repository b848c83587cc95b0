import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FakeHost, runHere } from '../testing/fake-host.js';
import { absolutePath, lookAt, pathList, tarNames } from './paths.js';
import { tarArguments, tarArtifact, tarCommand, tarSupport } from './tar.js';

const signal = new AbortController().signal;
const here = (): FakeHost => new FakeHost({ rules: [{ argv: /./, answer: runHere }] });
let root = '';

beforeAll(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'host-files-')));
  mkdirSync(join(root, 'real', 'certs'), { recursive: true });
  writeFileSync(join(root, 'real', 'haproxy.cfg'), 'global\n');
  writeFileSync(join(root, 'real', 'certs', "it's $HOME.pem"), 'key');
  writeFileSync(join(root, 'elsewhere.pem'), 'key');
  writeFileSync(join(root, '-dash'), 'x');
  symlinkSync('real', join(root, 'etc'));
  symlinkSync('../elsewhere.pem', join(root, 'real', 'linked.pem'));
  symlinkSync('nowhere', join(root, 'broken'));
});
afterAll(() => {
  rmSync(root, { recursive: true });
});

describe('lookAt', () => {
  it('tells files, directories, links and what is missing', async () => {
    const paths = [
      'etc',
      'etc/haproxy.cfg',
      'etc/linked.pem',
      "real/certs/it's $HOME.pem",
      'broken',
      'none',
      '-dash',
    ].map((name) => join(root, name));
    const look = await lookAt(here(), paths, signal);
    expect(look.missing).toEqual([join(root, 'broken'), join(root, 'none')]);
    expect(
      look.found.map(({ path, kind, entry, target }) =>
        [path, kind, entry, target].map((text) => text.replace(root, '')),
      ),
    ).toEqual([
      ['/etc', 'directory', '/etc', '/real'],
      ['/etc/haproxy.cfg', 'file', '/real/haproxy.cfg', '/real/haproxy.cfg'],
      ['/etc/linked.pem', 'file', '/real/linked.pem', '/elsewhere.pem'],
      ["/real/certs/it's $HOME.pem", 'file', "/real/certs/it's $HOME.pem", "/real/certs/it's $HOME.pem"],
      ['/-dash', 'file', '/-dash', '/-dash'],
    ]);
    expect(look.found.every(({ bytes }) => bytes >= 0 && Number.isInteger(bytes))).toBe(true);
    expect(tarNames(look.found).map((name) => `/${name}`.replace(root, ''))).toEqual([
      '/-dash',
      '/elsewhere.pem',
      '/etc',
      '/real',
    ]);
  });

  it('runs nothing for no paths, and refuses an answer it does not understand', async () => {
    const remote = new FakeHost({ rules: [{ argv: /^sh/, answer: { stdout: 'a banner\n' } }] });
    expect(await lookAt(remote, [], signal)).toEqual({ found: [], missing: [] });
    expect(remote.commands).toHaveLength(0);
    await expect(lookAt(remote, ['/etc'], signal)).rejects.toMatchObject({ code: 'SERVICE_ANSWER', host: 'host1' });
  });
});

describe('path options', () => {
  it.each(['', 'etc', '/', '//', '/a\nb', '/a\0'])('refuses %j', (path) => {
    expect(absolutePath.safeParse(path).success).toBe(false);
  });

  it('takes one or several and tidies them', () => {
    expect(pathList.parse('/etc//haproxy/')).toEqual(['/etc/haproxy']);
    expect(pathList.parse(['/a', '/b c'])).toEqual(['/a', '/b c']);
  });
});

describe('tar', () => {
  const names = ['etc/haproxy', '-strange'];

  it('has arguments for each kind of tar', () => {
    expect(
      tarArguments({ flavour: 'gnu', support: ['--sort', '--warning', '--xattrs', '--acls'], directory: '/', names }),
    ).toEqual([
      'tar',
      '--create',
      '--file=-',
      '--format=posix',
      '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
      '--numeric-owner',
      '--blocking-factor=128',
      '--sort=name',
      '--warning=no-file-ignored',
      '--xattrs',
      '--acls',
      '--directory=/',
      '--',
      'etc/haproxy',
      '-strange',
    ]);
    expect(tarArguments({ flavour: 'bsdtar', support: [], directory: '/', names }).slice(-3)).toEqual([
      '--',
      'etc/haproxy',
      '-strange',
    ]);
    expect(tarArguments({ flavour: 'busybox', support: [], directory: '/data', names: ['.'] })).toEqual([
      'tar',
      '-c',
      '-f',
      '-',
      '-C',
      '/data',
      '--',
      '.',
    ]);
  });

  it('runs as root under the policy it is given', () => {
    const policy = { mayChange: true, mayVanish: false };
    expect(tarCommand({ flavour: 'gnu', support: [], directory: '/', names }, policy)).toMatchObject({
      become: 'root',
      accept: { tar: policy },
    });
  });

  it('asks the host what its tar can do', async () => {
    const local = here();
    const support = await tarSupport(local, signal);
    const help = execFileSync('tar', ['--help']).toString();
    for (const option of ['--sort', '--xattrs'] as const) expect(support.includes(option)).toBe(help.includes(option));
    expect(await tarSupport(new FakeHost({ facts: { tar: 'busybox' } }), signal)).toEqual([]);
    await expect(tarSupport(new FakeHost({ facts: { tar: 'none' } }), signal)).rejects.toMatchObject({
      code: 'HOST_PREFLIGHT',
    });
  });

  it('makes an artifact with the same bytes each time', async () => {
    const remote = here();
    const support = await tarSupport(remote, signal);
    let entries = 0;
    const command = tarCommand(
      { flavour: 'gnu', support, directory: root, names: ['real', '-dash'] },
      { mayChange: false, mayVanish: false },
    );
    const artifact = tarArtifact({
      path: 'x/host1/config.tar',
      remote,
      command,
      size: 5,
      onEnd: (summary) => (entries = summary.entries),
    });
    const open = async (): Promise<Buffer> => buffer(await artifact.open({ signal, warn: () => undefined }));
    const content = await open();
    expect((await open()).equals(content)).toBe(true);
    const check = artifact.format.check();
    check.write(content);
    check.end();
    expect(entries).toBe(6);
    expect(execFileSync('tar', ['-tf', '-'], { input: content }).toString().split('\n').slice(0, 2)).toEqual([
      'real/',
      'real/certs/',
    ]);
  });
});
