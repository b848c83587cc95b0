import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FakeHost, runHere } from '../testing/fake-host.js';
import type { Command, StreamOptions } from '../remote/remote-host.js';
import { filesArtifact, filesCommand, findFiles } from './found-files.js';
import { absolutePath, batches, expandPatterns, lookAt, pathList, tarNames, withoutDots } from './paths.js';
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

/** A directory with one, `closed`, that may not be searched. */
function closedDirectory(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'host-files-open-'));
  mkdirSync(join(path, 'closed/inner'), { recursive: true });
  chmodSync(path, 0o755);
  chmodSync(join(path, 'closed'), 0o000);
  return {
    path,
    [Symbol.dispose]: () => {
      chmodSync(join(path, 'closed'), 0o700);
      rmSync(path, { recursive: true });
    },
  };
}

/** This machine, for somebody who owns nothing. */
function hostOfNobody(): FakeHost {
  const asNobody = process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];
  return new FakeHost({
    rules: [{ argv: /./, answer: (command, input) => runHere({ argv: [...asNobody, ...command.argv] }, input) }],
  });
}

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

describe('links with odd names or targets', () => {
  it('are saved without what they lead to, with a warning, and keep nothing else from being saved', async () => {
    const bytes = (...parts: readonly (string | number)[]): Buffer =>
      Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from([part]))));
    const place = join(root, 'odd');
    mkdirSync(join(place, 'in'), { recursive: true });
    mkdirSync(join(place, 'out'));
    for (const name of ['plain', 'two\tparts', 'end', 'end\n']) writeFileSync(join(place, 'out', name), '');
    writeFileSync(bytes(join(place, 'out/latin-'), 0xff), '');
    symlinkSync('../out/plain', join(place, 'in/good ü'));
    symlinkSync('../out/plain', join(place, 'in/line\nbreak'));
    symlinkSync('../out/plain', bytes(join(place, 'in/name-'), 0xff));
    symlinkSync('../out/two\tparts', join(place, 'in/tab'));
    symlinkSync('../out/end\n', join(place, 'in/trailing'));
    symlinkSync(bytes('../out/latin-', 0xff), join(place, 'in/target'));
    try {
      const { names, warnings } = await archived([join(place, 'in'), join(place, 'in/tab')]);
      expect(names).toHaveLength(8);
      expect(names).toContain('/odd/out/plain');
      expect(names.filter((name) => name.startsWith('/odd/out/'))).toHaveLength(1);
      expect(warnings).toHaveLength(2);
      expect(warnings[0]).toMatch(/^FILE_SKIPPED host1: links saved without what they lead to/);
      for (const name of ['line\\nbreak', 'name-\ufffd', 'tab', 'trailing', 'target'])
        expect(warnings[0]).toContain(`"/odd/in/${name}"`);
      expect(warnings[0]).not.toContain('good');
      expect(warnings[1]).toMatch(/^FILE_SKIPPED host1: not saved, because not looked at.*: "\/odd\/in\/tab"$/);
    } finally {
      rmSync(place, { recursive: true });
    }
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

/** Hands the input of a stream to the command, which FakeHost does for `run` only. */
class ListeningHost extends FakeHost {
  override async read(command: Command, options: StreamOptions = {}): Promise<Readable> {
    return Readable.from([(await this.run(command, options)).stdout], { objectMode: false });
  }
}

/** The names in the tar that is made of what findFiles found, without `root`. */
async function archived(paths: readonly string[]): Promise<{ names: readonly string[]; warnings: readonly string[] }> {
  const remote = new ListeningHost({ rules: [{ argv: /./, answer: runHere }] });
  const { files, warnings } = await findFiles(remote, { service: 'x', paths, signal });
  const policy = { mayChange: false, mayVanish: false };
  const artifact = filesArtifact({ path: 'x/host1/x.tar', remote, files, policy });
  const content = await buffer(await artifact.open({ signal, warn: () => undefined }));
  const listing = execFileSync('tar', ['-tf', '-'], { input: content, maxBuffer: 1 << 26 }).toString();
  return {
    names: listing
      .trimEnd()
      .split('\n')
      .map((name) => `/${name}`.replace(root, ''))
      .sort(),
    warnings: warnings.map(({ code, message }) => `${code} ${message.replaceAll(root, '')}`),
  };
}

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

describe('findFiles', () => {
  it('refuses what a configuration names where nobody may look, and only tells what else may be there', async () => {
    using place = closedDirectory();
    const [open, hidden] = [join(place.path, 'open.pem'), join(place.path, 'closed/inner/key.pem')];
    writeFileSync(open, 'key');
    const request = { service: 'x', paths: [open, hidden], signal };
    await expect(findFiles(hostOfNobody(), { ...request, named: [open, hidden] })).rejects.toMatchObject({
      code: 'HOST_SUDO',
      message: expect.stringMatching(/named by the configuration of x .*key\.pem$/),
      hint: expect.stringContaining('ansible_become'),
    });
    const skipped = { code: 'FILE_SKIPPED', message: expect.stringContaining(hidden) };
    expect((await findFiles(hostOfNobody(), request)).warnings).toEqual([skipped]);
    const lenient = { ...request, named: [open, hidden], mayBeHidden: true };
    expect((await findFiles(hostOfNobody(), lenient)).warnings).toEqual([skipped]);
  });

  it('tells what a configuration names and the host has not', async () => {
    using place = closedDirectory();
    const [open, gone, other] = ['open.pem', 'gone.pem', 'other.pem'].map((name) => join(place.path, name));
    writeFileSync(open ?? '', 'key');
    const paths = [open ?? '', gone ?? '', other ?? ''];
    const { warnings } = await findFiles(hostOfNobody(), { service: 'x', paths, named: paths.slice(0, 2), signal });
    expect(warnings).toEqual([
      {
        code: 'FILE_MISSING',
        message: expect.stringMatching(/named by the configuration of x and not there: \S*gone.pem$/),
      },
    ]);
  });

  it('lets files in directories vanish, but not what the configuration names, nor what leads there', async () => {
    mkdirSync(join(root, 'config'));
    for (const name of ['main.yml', 'other.yml']) writeFileSync(join(root, 'config', name), 'x');
    symlinkSync('config', join(root, 'current'));
    symlinkSync('main.yml', join(root, 'config/now.yml'));
    const [directory, main, other] = ['current', 'current/now.yml', 'current/other.yml'].map((name) =>
      join(root, name),
    );
    const required = { paths: [main ?? ''], hint: 'x' };
    const request = { service: 'x', paths: [directory ?? '', other ?? ''], required, signal };
    const remote = here();
    const { files } = await findFiles(remote, request);
    const names = ['config', 'current', 'config/now.yml', 'config/main.yml'].map((name) => join(root, name).slice(1));
    const { accept } = filesCommand(remote, files, { mayChange: true, mayVanish: true });
    expect(accept).toEqual({ tar: { mayChange: true, mayVanish: true, mustStay: expect.any(Array) } });
    expect([...files.mustStay].sort()).toEqual([...names].sort());
    const strict = { mayChange: true, mayVanish: false };
    expect(filesCommand(remote, files, strict).accept).toEqual({ tar: strict });
  });

  it('takes every hop of a chain of links', async () => {
    for (const name of ['chain/archive', 'chain/live', 'chain/etc']) mkdirSync(join(root, name), { recursive: true });
    writeFileSync(join(root, 'chain/archive/full1.pem'), 'key');
    symlinkSync('../archive/full1.pem', join(root, 'chain/live/full.pem'));
    symlinkSync('../live/full.pem', join(root, 'chain/etc/site.pem'));
    expect(await archived([join(root, 'chain/etc/site.pem')])).toEqual({
      names: ['/chain/archive/full1.pem', '/chain/etc/site.pem', '/chain/live/full.pem'],
      warnings: [],
    });
  });

  it('takes what links inside a directory lead to, and says what it leaves out', async () => {
    for (const name of ['dir', 'other', 'far']) mkdirSync(join(root, 'tree', name), { recursive: true });
    writeFileSync(join(root, 'tree/far/key.pem'), 'key');
    writeFileSync(join(root, 'tree/other/odd\\101*.pem'), 'key');
    symlinkSync('../far/key.pem', join(root, 'tree/other/far.pem'));
    symlinkSync('../other', join(root, 'tree/dir/other'));
    symlinkSync('.', join(root, 'tree/dir/self'));
    symlinkSync('/', join(root, 'tree/dir/all'));
    symlinkSync('nowhere', join(root, 'tree/dir/broken'));
    execFileSync('mkfifo', [join(root, 'tree/dir/fifo *')]);
    const { names, warnings } = await archived([join(root, 'tree/dir')]);
    expect(names).toEqual([
      '/tree/dir/',
      '/tree/dir/all',
      '/tree/dir/broken',
      '/tree/dir/other',
      '/tree/dir/self',
      '/tree/far/key.pem',
      '/tree/other/',
      '/tree/other/far.pem',
      '/tree/other/odd\\\\101*.pem',
    ]);
    expect(warnings).toEqual([
      expect.stringMatching(/^FILE_SKIPPED .*: \/tree\/dir\/all -> \/, \/tree\/dir\/fifo \*$/),
      expect.stringMatching(/^FILE_MISSING .*: \/tree\/dir\/broken$/),
    ]);
  });

  it('takes a file whose name looks like an escape sequence, not the one that it would stand for', async () => {
    mkdirSync(join(root, 'escape'));
    writeFileSync(join(root, 'escape/odd\\101.pem'), 'right');
    writeFileSync(join(root, 'escape/oddA.pem'), 'wrong');
    expect((await archived([join(root, 'escape/odd\\101.pem')])).names).toEqual(['/escape/odd\\\\101.pem']);
  });

  it('refuses FIFOs where tar cannot leave them out', async () => {
    mkdirSync(join(root, 'busy'));
    execFileSync('mkfifo', [join(root, 'busy/fifo')]);
    const remote = new FakeHost({ facts: { tar: 'busybox' }, rules: [{ argv: /./, answer: runHere }] });
    await expect(findFiles(remote, { service: 'x', paths: [join(root, 'busy')], signal })).rejects.toMatchObject({
      code: 'HOST_PREFLIGHT',
      message: expect.stringContaining('busy/fifo'),
    });
  });

  it('takes more files than a command line can name', async () => {
    mkdirSync(join(root, 'many'));
    const paths = Array.from({ length: 700 }, (_, index) => join(root, 'many', `${'c'.repeat(60)}${index}.pem`));
    for (const path of paths) writeFileSync(path, 'k');
    expect((await archived(paths)).names).toHaveLength(700);
    const groups = batches(paths);
    expect(groups.flat()).toEqual(paths);
    expect(groups.every((group) => group.join(' ').length < 64 * 1024)).toBe(true);
    expect(groups.length).toBeGreaterThan(1);
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
