import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { metadataSchema } from '@lsbackup/core';
import { type Place, makePlace, runCli } from './harness.js';
import { linesOf, summaryOf } from './json-lines.js';

let place: Place;
let archive = '';
beforeAll(async () => {
  place = await makePlace();
  const ended = await place.backup('--name', 'sample cluster');
  expect(ended).toMatchObject({ status: 0, stdout: expect.stringMatching(/^Complete: /) });
  archive = (await place.targetFiles())[0] ?? '';
});
afterAll(async () => {
  await place[Symbol.asyncDispose]();
});

const onTarget = async (...parameters: string[]): Promise<string> => {
  const ended = await runCli(...parameters, '-t', place.target);
  expect(ended.stderr).toBe('');
  expect(ended.status).toBe(0);
  return ended.stdout;
};

describe('after a backup', () => {
  it('one file stands in the target, named after cluster and time', async () => {
    expect(await place.targetFiles()).toEqual([archive]);
    expect(archive).toMatch(/^lsbackup-sample%20cluster-\d{8}T\d{6}Z\.tar\.gz$/);
  });

  it('nothing runs on the hosts any more', () => {
    expect(place.cluster.hosts.map(({ server }) => server.running)).toEqual([0, 0, 0]);
  });

  it('list', async () => {
    expect(await onTarget('list')).toMatch(
      new RegExp(`^NAME .*\\n${archive}  \\d{4}-.*Z  complete  sample cluster  .* 1/1 +3\\n$`),
    );
    const [entry] = z
      .array(z.looseObject({ name: z.string(), status: z.string() }))
      .parse(JSON.parse(await onTarget('list', '--json')));
    expect(entry).toMatchObject({ name: archive, status: 'complete', artifacts: 3 });
  });

  it('show', async () => {
    const text = await onTarget('show');
    expect(text).toContain('haproxy/lb2/config.tar');
    expect(text).not.toContain('NOT backed up');
    const document = z
      .object({ name: z.string(), metadata: metadataSchema })
      .parse(JSON.parse(await onTarget('show', archive, '--json')));
    expect(document.name).toBe(archive);
    expect(document.metadata.artifacts.map(({ path }) => path).sort()).toEqual(
      ['lb1', 'lb2', 'lb3'].map((host) => `haproxy/${host}/config.tar`),
    );
  });

  it('verify', async () => {
    expect(await onTarget('verify')).toMatch(new RegExp(`^Intact: ${archive}, 3 artifacts`));
    expect(await onTarget('verify', '--all')).toMatch(/^Intact: /);
    const json = await runCli('verify', archive, '-t', place.target, '--json');
    expect(summaryOf(json)).toMatchObject({ status: 'intact', archives: [{ archive, intact: true, problems: [] }] });
  });

  it('extract: unpacked, the files are what the host has', async () => {
    const into = join(place.directory, 'unpacked');
    await onTarget('extract', '--into', into, '--artifact', 'haproxy/lb2', '--unpack');
    const [host] = place.cluster.hosts.filter(({ name }) => name === 'lb2');
    const configuration = host?.configuration ?? '';
    for (const file of ['haproxy.cfg', 'maps/hosts.map', 'errors/503.http']) {
      const original = await readFile(join(configuration, file));
      expect(await readFile(join(into, 'haproxy/lb2/config', configuration, file))).toEqual(original);
    }
    expect(await readdir(join(into, 'haproxy'))).toEqual(['lb2']);
  });

  it('extract: an artifact as it is, to a directory and to standard output', async () => {
    const into = join(place.directory, 'as-is');
    const json = await runCli('extract', '-t', place.target, '--into', into, '-a', 'haproxy/lb1/config.tar', '--json');
    expect(summaryOf(json)).toMatchObject({
      status: 'extracted',
      archive,
      artifacts: [{ path: 'haproxy/lb1/config.tar', files: 1 }],
    });
    const file = await readFile(join(into, 'haproxy/lb1/config.tar'));
    expect(execFileSync('tar', ['-tf', '-'], { input: file, encoding: 'utf8' })).toContain('haproxy.cfg');
    expect(await onTarget('extract', '-a', 'haproxy/lb1/config.tar', '--stdout')).toBe(file.toString());
  });

  it('extract: only the files asked for; existing files stay', async () => {
    const into = join(place.directory, 'some');
    await onTarget('extract', '--into', into, '-a', 'haproxy/lb3', '--file', '*hosts.map');
    const names = (await readdir(into, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ name }) => name);
    expect(names).toEqual(['hosts.map']);
    expect(
      await runCli('extract', '-t', place.target, '--into', into, '-a', 'haproxy/lb3', '--file', '*hosts.map'),
    ).toMatchObject({ status: 2, stderr: expect.stringContaining('EXTRACT_EXISTS') });
  });

  it('extract: one file to standard output', async () => {
    const configuration = place.cluster.hosts.find(({ name }) => name === 'lb1')?.configuration ?? '';
    const original = await readFile(join(configuration, 'haproxy.cfg'), 'utf8');
    const some = ['-a', 'haproxy/lb1/config.tar', '--stdout'] as const;
    expect(await onTarget('extract', ...some, '--file', '*haproxy.cfg')).toBe(original);
    const run = (...flags: string[]): ReturnType<typeof runCli> =>
      runCli('extract', '-t', place.target, ...some, ...flags);
    expect(await run('--file', 'none')).toMatchObject({ status: 10, stdout: '' });
    expect(await run('--file', '*')).toMatchObject({
      status: 2,
      stdout: '',
      stderr: expect.stringContaining('members'),
    });
    expect(await run('--file', 'a', '--file', 'b')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('exactly one file'),
    });
  });

  it('extract: what is not there is 10', async () => {
    const parameters = ['extract', '-t', place.target, '--into', join(place.directory, 'none')];
    expect(await runCli(...parameters, '-a', 'haproxy/lb9')).toMatchObject({ status: 10 });
    expect(await runCli(...parameters, 'lsbackup-other.tar.gz')).toMatchObject({ status: 10 });
    expect(await runCli('extract', '-t', place.target, '--stdout', '-a', 'haproxy')).toMatchObject({ status: 2 });
  });
});

describe('a backup', () => {
  it('--json: lines of every kind, in order, with the truth in the summary', async () => {
    const target = join(place.directory, 'json');
    await mkdir(target);
    const ended = await runCli('-b', place.cluster.directory, '-t', target, '--json');
    const lines = linesOf(ended);
    expect(ended).toMatchObject({ status: 0, stderr: '' });
    const [name = ''] = await readdir(target);
    expect(summaryOf(ended)).toMatchObject({
      status: 'complete',
      archive: name,
      artifacts: 3,
      units: { complete: 3 },
      bytes: (await readFile(join(target, name))).length,
    });
    expect(lines.filter(({ type }) => type === 'host')).toHaveLength(3);
    expect(lines.filter(({ type }) => type === 'plan')).toHaveLength(1);
    expect(lines.filter((line) => line.type === 'component' && line.status === 'complete')).toHaveLength(3);
    expect(lines.filter(({ type }) => type === 'progress').at(-1)).toMatchObject({
      artifactsSaved: 3,
      artifactsExpected: 3,
    });
    expect(new Set(lines.slice(lines.findIndex(({ type }) => type === 'plan')).map(({ runId }) => runId)).size).toBe(1);
  });

  it('--only, --skip and --limit leave units out, and the summary says so', async () => {
    const target = join(place.directory, 'selected');
    await mkdir(target);
    const ended = await runCli(
      '-b',
      place.cluster.directory,
      '-t',
      target,
      '--limit',
      'lb1,lb2',
      '--skip',
      'haproxy@lb2',
    );
    expect(ended.status).toBe(0);
    expect(ended.stdout).toMatch(
      /NOT backed up:\n {2}haproxy\/lb2 skipped: --skip haproxy@lb2\n {2}haproxy\/lb3 skipped: not in --limit\n$/,
    );
  });

  it('takes everything from a configuration file; flags win over it', async () => {
    const target = join(place.directory, 'configured');
    await mkdir(target);
    const file = join(place.directory, 'lsbackup.yml');
    const hosts = place.cluster.hosts.map(
      ({ name, configuration }) => `  ${name}: { haproxy: { paths: ['${configuration}/maps'] } }`,
    );
    await writeFile(
      file,
      ['build_dir: sample', 'target: configured', 'name: from-file', 'limit: [lb1, lb2]', 'hosts:', ...hosts, ''].join(
        '\n',
      ),
    );
    const ended = await runCli('-c', file, '--limit', 'lb3', '--set', "haproxy.paths='/etc/hostname'", '--json');
    expect(summaryOf(ended)).toMatchObject({
      status: 'complete',
      archive: expect.stringMatching(/^lsbackup-from-file-/),
      artifacts: 1,
    });
    const names = execFileSync('tar', ['-tf', '-'], { input: await runCliBytes(target), encoding: 'utf8' });
    expect(names).toContain('etc/hostname');
  });

  it('--limit takes what Ansible takes, also from a file, and inventory shows what is left', async () => {
    const list = join(place.directory, 'limit-list');
    await writeFile(list, 'haproxy[1:]\n');
    const limit = ['--limit', `@${list},!lb3`, '--limit', '~lb[12]'];
    const shown = await runCli('inventory', '-b', place.cluster.directory, ...limit);
    expect(shown).toMatchObject({ status: 0, stdout: expect.stringContaining('2 hosts') as unknown });
    const json = await runCli('inventory', '-b', place.cluster.directory, ...limit, '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ haproxy: { hosts: ['lb1', 'lb2'] } });
    const planned = await runCli('plan', '-b', place.cluster.directory, ...limit, '--json');
    expect((JSON.parse(planned.stdout) as { hosts: { name: string }[] }).hosts.map(({ name }) => name)).toEqual([
      'lb1',
      'lb2',
    ]);
  });

  it('-f: a document of LambdaStack switches components and sets options; -c and flags win over it', async () => {
    const [document, config] = [join(place.directory, 'backup.yml'), join(place.directory, 'over-document.yml')];
    const text = (enabled: boolean): string =>
      `kind: configuration/backup\nspecification:\n  components:\n    load_balancer: { enabled: ${enabled}, paths: /etc/hostname }\n    logging: { enabled: true }\n`;
    const run = (...parameters: string[]) =>
      runCli('plan', '-b', place.cluster.directory, '-f', document, '--limit', 'lb1', ...parameters);
    await writeFile(document, text(true));
    const planned = await run('--json');
    expect(planned).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('"logging" is enabled, and lsbackup cannot save it yet'),
    });
    expect(planned.stdout).toContain(' etc/hostname ');
    await writeFile(config, 'components: { haproxy: { paths: /etc/passwd } }\n');
    const configured = await run('-c', config, '--json');
    expect(configured.stdout).toContain(' etc/passwd ');
    expect(configured.stdout).not.toContain(' etc/hostname ');
    await writeFile(document, text(false));
    expect(await run()).toMatchObject({ status: 2, stderr: expect.stringContaining('nothing to back up') });
    expect(await run('--only', 'haproxy')).toMatchObject({ status: 0 });
  });

  it('two in one second: the second gets _1', async () => {
    const target = join(place.directory, 'twice');
    await mkdir(target);
    const stamp = (name: string): string => /\d{8}T\d{6}Z/.exec(name)?.[0] ?? '';
    for (let attempt = 0; attempt < 30; attempt++) {
      const before = await readdir(target);
      const both = await Promise.all([0, 1].map(() => runCli('-b', place.cluster.directory, '-t', target)));
      expect(both.map(({ status }) => status)).toEqual([0, 0]);
      const [first = '', second = ''] = (await readdir(target)).filter((name) => !before.includes(name)).sort();
      if (stamp(first) === stamp(second)) {
        expect(second).toBe(first.replace('.tar.gz', '_1.tar.gz'));
        expect(await runCli('verify', '--all', '-t', target)).toMatchObject({ status: 0 });
        return;
      }
      await sleep(100);
    }
    throw new Error('thirty pairs of runs never began in the same second');
  });
});

describe('plan, inventory and components', () => {
  it('plan', async () => {
    const ended = await runCli('plan', '-b', place.cluster.directory);
    expect(ended).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/haproxy\/lb1\/config\.tar[^]*\$ tar --create/),
    });
    const plan = z
      .object({ units: z.array(z.object({ name: z.string(), status: z.string() })), memory: z.number() })
      .parse(JSON.parse((await runCli('plan', '-b', place.cluster.directory, '--json')).stdout));
    expect(plan.units.map(({ name, status }) => [name, status])).toEqual(
      ['lb1', 'lb2', 'lb3'].map((name) => [name, 'planned']),
    );
  });

  it('plan tells what the inventory and the way to a host make doubtful', async () => {
    const file = join(place.cluster.directory, 'inventory');
    const text = await readFile(file, 'utf8');
    await writeFile(file, `${text}\n[haproxy:vars]\nlsbackup_smal_level=1\n[lb1]\nlb2\n`);
    try {
      const warnings = [
        { code: 'INVENTORY_DOUBTFUL', message: expect.stringContaining('"lb1" is both'), host: null, component: null },
        { code: 'OPTIONS_IGNORED', message: expect.stringContaining('smal_level'), host: null, component: null },
      ];
      const ended = await runCli('plan', '-b', place.cluster.directory, '--json');
      expect(JSON.parse(ended.stdout)).toMatchObject({ warnings });
      for (const { message } of warnings) expect(ended.stderr).toEqual(message);
      expect((await runCli('inventory', '-b', place.cluster.directory)).stderr).toContain('"lb1" is both');
      expect((await runCli('inventory', '-b', place.cluster.directory, '--json')).stderr).toContain('"lb1" is both');
    } finally {
      await writeFile(file, text);
    }
  });

  it('inventory', async () => {
    const list = JSON.parse((await runCli('inventory', '-b', place.cluster.directory, '--json')).stdout) as unknown;
    expect(list).toMatchObject({
      haproxy: { hosts: ['lb1', 'lb2', 'lb3'] },
      _meta: { hostvars: { lb1: { ansible_host: '127.0.0.1' } } },
    });
    expect((await runCli('inventory', '-b', place.cluster.directory)).stdout).toMatch(/^Cluster sample, 3 hosts/);
  });

  it('components', async () => {
    const list = z
      .array(
        z.object({
          name: z.string(),
          groups: z.array(z.string()),
          options: z.looseObject({ properties: z.record(z.string(), z.unknown()) }),
        }),
      )
      .parse(JSON.parse((await runCli('components', '--json')).stdout));
    expect(list.find(({ name }) => name === 'haproxy')).toMatchObject({ groups: ['haproxy', 'load_balancer'] });
    const text = (await runCli('components')).stdout;
    for (const { name } of list) expect(text).toMatch(new RegExp(`^${name} `, 'm'));
  });
});

async function runCliBytes(target: string): Promise<Buffer> {
  const into = `${target}-out`;
  await runCli('extract', '-t', target, '--into', into);
  return readFile(join(into, 'haproxy/lb3/config.tar'));
}
