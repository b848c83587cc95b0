import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { FakeHost, runHere } from '../testing/fake-host.js';
import type { Command, StreamOptions } from '../remote/remote-host.js';
import { filesArtifact, filesCommand, findFiles } from './found-files.js';
import { batches } from './paths.js';

import { closedDirectory, here, hostOfNobody, root, signal, useHostDirectory } from './host-files.test-support.js';

useHostDirectory();

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
