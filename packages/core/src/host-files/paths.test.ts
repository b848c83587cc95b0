import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { FakeHost } from '../testing/fake-host.js';
import { absolutePath, expandPatterns, lookAt, pathList, tarNames, withoutDots } from './paths.js';

import { closedDirectory, here, hostOfNobody, root, signal, useHostDirectory } from './host-files.test-support.js';

useHostDirectory();

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
      look.found.map(({ path, kind, links, target }) =>
        [path, kind, ...links, target].map((text) => text.replace(root, '')),
      ),
    ).toEqual([
      ['/etc', 'directory', '/etc', '/real'],
      ['/etc/haproxy.cfg', 'file', '/etc', '/real/haproxy.cfg'],
      ['/etc/linked.pem', 'file', '/etc', '/real/linked.pem', '/elsewhere.pem'],
      ["/real/certs/it's $HOME.pem", 'file', "/real/certs/it's $HOME.pem"],
      ['/-dash', 'file', '/-dash'],
    ]);
    expect(look.found.every(({ bytes }) => bytes >= 0 && Number.isInteger(bytes))).toBe(true);
    expect(tarNames(look.found).map((name) => `/${name}`.replace(root, ''))).toEqual([
      '/-dash',
      '/elsewhere.pem',
      '/etc',
      '/real',
    ]);
  });

  it('tells what is missing from what the user who looks cannot reach', async () => {
    using place = closedDirectory();
    symlinkSync('closed/inner/key.pem', join(place.path, 'into.pem'));
    symlinkSync(join(place.path, 'closed/inner'), join(place.path, 'certs'));
    symlinkSync('nowhere', join(place.path, 'broken'));
    symlinkSync('loop', join(place.path, 'loop'));
    const names = ['closed', 'closed/inner/key.pem', 'into.pem', 'certs/key.pem', 'gone/key.pem', 'broken', 'loop/x'];
    const paths = names.map((name) => join(place.path, name));
    const { found, missing, unreachable } = await lookAt(hostOfNobody(), paths, signal);
    expect(found.map(({ path }) => path)).toEqual([paths[0]]);
    expect(missing).toEqual(paths.slice(1));
    expect(unreachable).toEqual(paths.slice(1, 4));
  });

  it('runs nothing for no paths, and refuses an answer it does not understand', async () => {
    const remote = new FakeHost({ rules: [{ argv: /^sh/, answer: { stdout: 'a banner\n' } }] });
    expect(await lookAt(remote, [], signal)).toEqual({ found: [], missing: [], unreachable: [], odd: [] });
    expect(remote.commands).toHaveLength(0);
    await expect(lookAt(remote, ['/etc'], signal)).rejects.toMatchObject({ code: 'SERVICE_ANSWER', host: 'host1' });
  });
});

describe('withoutDots', () => {
  it('follows the host where a link stands before the dots, and the text where nothing is there', async () => {
    symlinkSync('real/certs', join(root, 'deep'));
    try {
      expect(await withoutDots(here(), `${root}/deep/../haproxy.cfg`, signal)).toBe(join(root, 'real/haproxy.cfg'));
      expect(await withoutDots(here(), `${root}/none/../x/..`, signal)).toBe(root);
      const remote = new FakeHost();
      expect(await withoutDots(remote, '/var/lib/a..b/etc', signal)).toBe('/var/lib/a..b/etc');
      expect(remote.commands).toEqual([]);
    } finally {
      rmSync(join(root, 'deep'));
    }
  });
});

describe('expandPatterns', () => {
  it('gives the paths, and the patterns that may stand for more', async () => {
    using place = closedDirectory();
    mkdirSync(join(place.path, 'rules'));
    writeFileSync(join(place.path, 'rules/a b.yml'), '');
    mkdirSync(join(place.path, 'blind'), { mode: 0o311 });
    const patterns = ['rules/*.yml', 'gone/*.yml', 'closed/*.yml', 'closed/inner/*.yml', 'blind/*.yml'];
    const answer = await expandPatterns(
      hostOfNobody(),
      patterns.map((pattern) => join(place.path, pattern)),
      signal,
    );
    expect(answer).toEqual({
      paths: [join(place.path, 'rules/a b.yml')],
      hidden: patterns.slice(2).map((pattern) => join(place.path, pattern)),
    });
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
