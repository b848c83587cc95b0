import { execFileSync } from 'node:child_process';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { FakeHost, runHere } from '../testing/fake-host.js';
import type { Command, StreamOptions } from '../remote/remote-host.js';
import { tarArguments, tarArtifact, tarCommand, tarSupport } from './tar.js';

import { here, root, signal, useHostDirectory } from './host-files.test-support.js';

useHostDirectory();

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
      '--no-unquote',
      '--sort=name',
      '--warning=no-file-ignored',
      '--xattrs',
      '--acls',
      '--directory=/',
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
    for (const tar of ['none', 'bsdtar'] as const)
      await expect(tarSupport(new FakeHost({ facts: { tar } }), signal)).rejects.toMatchObject({
        code: 'HOST_PREFLIGHT',
        host: 'host1',
        hint: 'Install GNU tar (tar package) on host1.',
      });
  });

  it('fails an artifact for a file that changed meanwhile, and not for a directory', async () => {
    const support = await tarSupport(here(), signal);
    const request = { flavour: 'gnu', support, directory: root, names: ['real'] } as const;
    const save = async (changed: readonly string[], mayChange = false): Promise<void> => {
      class ChangingHost extends FakeHost {
        override read(command: Command, options: StreamOptions = {}): Promise<Readable> {
          options.changed?.(changed);
          return super.read(command, options);
        }
      }
      const remote = new ChangingHost({ rules: [{ argv: /./, answer: runHere }] });
      const command = tarCommand(request, { mayChange, mayVanish: false });
      const artifact = tarArtifact({ path: 'x/host1/config.tar', remote, command });
      const content = await buffer(await artifact.open({ signal, warn: () => undefined }));
      const check = artifact.format.check();
      check.write(content);
      check.end();
    };
    await save(['real', 'real/certs']);
    await expect(save(['real/certs', 'real/haproxy.cfg'])).rejects.toMatchObject({
      code: 'TAR_FAILED',
      message: 'host1: changed while being read: real/haproxy.cfg',
    });
    await expect(save(['real/none'])).rejects.toMatchObject({ code: 'TAR_FAILED' });
    await save(['real/haproxy.cfg'], true);
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
