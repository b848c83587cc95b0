import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { type Place, makePlace, runCli } from './harness.js';
import { errorDocument, summaryOf } from './json-lines.js';

let place: Place;
beforeAll(async () => {
  place = await makePlace();
});
afterAll(async () => {
  await place[Symbol.asyncDispose]();
});

const connections = (): number => place.cluster.hosts.reduce((sum, { server }) => sum + server.connections, 0);
const path = (name: string): string => join(place.directory, name);

describe('version and help', () => {
  it('--version', async () => {
    expect(await runCli('--version')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^lsbackup \d+\.\d+\.\d+\n$/),
      stderr: '',
    });
  });

  it.each([['--help'], ['-h'], []])('%s lists every command', async (...parameters) => {
    const { status, stdout, stderr } = await runCli(...parameters);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const commands = (await readdir(join(import.meta.dirname, '../../packages/cli/src/commands'))).filter(
      (name) => !name.includes('.test.'),
    );
    for (const command of commands) expect(stdout).toContain(`  ${command.replace('.ts', '')} `);
  });

  it('help of a command', async () => {
    const help = await runCli('backup', '--help');
    expect(help).toMatchObject({ status: 0, stdout: expect.stringContaining('--build-dir=DIR') });
    expect(await runCli('help', 'backup')).toEqual(help);
    expect(await runCli('help')).toEqual(await runCli('--help'));
  });

  it('components tells what every option means', async () => {
    const components = z
      .array(
        z.object({ options: z.object({ properties: z.record(z.string(), z.object({ description: z.string() })) }) }),
      )
      .parse(JSON.parse((await runCli('components', '--json')).stdout));
    const { stdout } = await runCli('components');
    for (const { options } of components) {
      for (const { description } of Object.values(options.properties)) expect(stdout).toContain(description);
    }
    expect(stdout).toContain('Seconds the snapshot call may take.');
    expect(stdout).toMatch(/^ +ignore_stopped +boolean or string /m);
  });
});

describe('bad usage is exit 2, on standard error, with what to do, and touches no host', () => {
  it.each<[string, string[], RegExp]>([
    ['an unknown command', ['frobnicate'], /unknown command "frobnicate"/],
    ['help of an unknown command', ['help', 'frobnicate'], /unknown command "frobnicate"/],
    ['an unknown flag', ['list', '--frob'], /Nonexistent flag: --frob/],
    ['an unknown flag of the default command', ['--frob'], /Nonexistent flag: --frob/],
    ['a flag without its value', ['-b'], /--build-dir expects a value/],
    ['an argument too many', ['show', '-t', '/', 'a', 'b'], /Unexpected argument: b/],
    ['no build directory', ['backup', '-t', '/'], /no build directory given/],
    ['an empty name', ['plan', '-b', '/', '--name', ''], /--name is empty/],
    [
      'a configuration file that is a directory',
      ['plan', '-c', '/'],
      /cannot read \/: illegal operation on a directory/,
    ],
    ['an empty inventory', ['inventory', '-b', '/', '-i', ''], /--inventory is empty/],
    ['no target', ['list'], /no target given/],
    ['a log level that is none', ['list', '--log-level', 'loud'], /--log-level=loud/],
    ['extract to nowhere', ['extract', '-t', '/'], /--into DIR/],
    ['extract to an empty name', ['extract', '-t', '/', '--into', ''], /--into is empty/],
    [
      'extract as owners what stays a tar',
      ['extract', '-t', '/', '--into', '/x', '--owners'],
      /--owners is for what is/,
    ],
    ['a name and --all', ['verify', '-t', '/', '--all', 'name'], /exclude each other/],
    ['an unsupported target', ['list', '-t', 's3://bucket/x'], /no store for targets that begin with "s3:"/],
    ['a file URL without a slash', ['list', '-t', 'file:t'], /no slash after "file:"/],
    ['a missing configuration file', ['list', '-c', '/no/such.yml'], /cannot read \/no\/such.yml/],
    ['a missing document', ['plan', '-b', '/', '-f', '/no/such.yml'], /cannot read \/no\/such.yml/],
    [
      'a document that is none',
      ['-b', '/', '-t', '/', '-f', '/dev/null'],
      /\/dev\/null:1: no document here has "kind: configuration\/backup"/,
    ],
    ...['--resume', '--rollback', '--drop-old'].flatMap((way): [string, string[], RegExp][] => [
      [`${way} of some hosts`, ['restore', way, 'run', '--limit', 'lb1'], /--limit.*(as a whole|when using)/],
      [`${way} with an option`, ['restore', way, 'run', '--set', 'haproxy.x=y'], /--set.*(as a whole|when using)/],
    ]),
    ['a --set that is none', ['-b', '/', '-t', '/', '--set', 'haproxy'], /is not COMPONENT.OPTION=VALUE/],
  ])('%s', async (_title, parameters, message) => {
    const [ended, json] = await Promise.all([runCli(...parameters), runCli(...parameters, '--json')]);
    expect(ended).toMatchObject({ status: 2, stdout: '', stderr: expect.stringMatching(message) });
    expect(ended.stderr).not.toMatch(/^\s+at /m);
    expect(json.status).toBe(2);
    expect(json.stderr).toMatch(message);
    const isRun =
      ['backup', 'verify', 'extract', 'restore'].includes(parameters[0] ?? '') ||
      parameters[0]?.startsWith('-') === true;
    if (isRun) expect(summaryOf(json)).toMatchObject({ status: 'failed' });
    else errorDocument.parse(JSON.parse(json.stdout));
  });

  it.each<[string, string, (file: string) => RegExp]>([
    ['a missing inventory', '', () => /INVENTORY_MISSING/],
    ['a malformed inventory', '[haproxy]\nlb1\n[broken\n', (file) => new RegExp(`${file}:3: `)],
    ['a cycle of groups', '[a:children]\nb\n[b:children]\na\n[c]\nh1\n', (file) => new RegExp(`${file}:\\d+: `)],
    ['a malformed YAML inventory', 'all:\n  hosts:\n\t  lb1:\n', (file) => new RegExp(`${file}:3: a tab`)],
    ['a list of hosts in YAML', '---\nall:\n  hosts: [lb1]\n', (file) => new RegExp(`${file}:3: `)],
  ])('%s', async (_title, text, message) => {
    const file = path('other-inventory');
    await rm(file, { force: true });
    if (text !== '') await writeFile(file, text);
    for (const command of [['backup', '-t', place.target], ['plan'], ['inventory']]) {
      const ended = await runCli(...command, '-b', file);
      expect(ended).toMatchObject({ status: 2, stdout: '', stderr: expect.stringMatching(message(file)) });
    }
    expect(connections()).toBe(0);
    expect(await place.targetFiles()).toEqual([]);
  });

  it.each([['--only'], ['--skip']])('%s with an unknown component names those there are', async (flag) => {
    const ended = await place.backup(flag, 'haproxi');
    expect(ended).toMatchObject({ status: 2, stderr: expect.stringMatching(/"haproxi"[^]*haproxy/) });
    expect(connections()).toBe(0);
    expect(await place.targetFiles()).toEqual([]);
  });

  it.each([
    ['--limit', 'nowhere*'],
    ['--limit', 'lb1,nowhere'],
    ['--limit', '!nowhere'],
    ['--limit', 'lb1:!lb1'],
    ['--limit', ''],
    ['--limit', '@/no/such/file'],
    ['--set', 'haproxy.nonsense=1'],
    ['--set', 'nonsense.option=1'],
    ['--set', '__proto__.x=1'],
    ['--set', 'haproxy.__proto__=1'],
    ['--set', 'haproxy.config_file=relative/path'],
    ['--skip', 'haproxy'],
  ])('%s %s', async (flag, value) => {
    expect(await place.backup(flag, value)).toMatchObject({ status: 2, stdout: '' });
    expect(connections()).toBe(0);
    expect(await place.targetFiles()).toEqual([]);
  });

  it('-i takes several inventories, and a build directory only names the cluster then', async () => {
    await writeFile(path('one'), 'h1\n');
    await writeFile(path('two'), '[haproxy]\nh2\n');
    const ended = await runCli('inventory', '-b', place.cluster.directory, '-i', path('one'), '-i', path('two'));
    expect(ended).toMatchObject({
      status: 0,
      stdout: expect.stringContaining(`Cluster sample, 2 hosts of ${path('one')}, ${path('two')}\n`),
      stderr: '',
    });
    await writeFile(path('lsbackup.yml'), 'inventory: [one]\n');
    expect(await runCli('inventory', '-c', path('lsbackup.yml'))).toMatchObject({
      status: 0,
      stdout: expect.stringContaining(`1 host of ${path('one')}\n`),
    });
    const other = await runCli('inventory', '-c', path('lsbackup.yml'), '-b', place.cluster.directory);
    expect(other.stdout).not.toContain(path('one'));
  });

  it('a bad configuration file: file and line', async () => {
    await writeFile(path('lsbackup.yml'), 'target: target\nbuild_dri: sample\n');
    const ended = await runCli('-c', path('lsbackup.yml'));
    expect(ended).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(`${path('lsbackup.yml')}:2: unknown key "build_dri"`),
    });
  });

  it('neither an inventory nor a target: no word about hosts that were never asked', async () => {
    const ended = await runCli('backup', '-b', path('nowhere'), '-t', path('nowhere'), '--json');
    expect(ended.status).toBe(2);
    const summary = summaryOf(ended);
    expect(summary).not.toHaveProperty('archive');
    expect(summary).not.toHaveProperty('notBackedUp');
  });

  it('a stack is printed only when debugging', async () => {
    const ended = await runCli('list', '-t', path('unmounted'), '--log-level', 'debug');
    expect(ended).toMatchObject({ status: 2, stderr: expect.stringMatching(/^Error: [^]*\n\s+at [^]*ENOENT/) });
  });

  it('a missing target is not created', async () => {
    for (const parameters of [['backup', '-b', place.cluster.directory], ['list'], ['show'], ['verify']]) {
      const ended = await runCli(...parameters, '-t', path('unmounted'));
      expect(ended).toMatchObject({ status: 2, stderr: expect.stringContaining('TARGET_MISSING') });
    }
    expect(await readdir(place.directory)).not.toContain('unmounted');
    expect(connections()).toBe(0);
  });
});

describe('an empty target', () => {
  it('lists nothing, and has nothing to show, verify or extract: exit 10', async () => {
    expect(await runCli('list', '-t', place.target)).toMatchObject({ status: 0, stdout: '' });
    expect(JSON.parse((await runCli('list', '-t', place.target, '--json')).stdout)).toEqual([]);
    for (const command of [
      ['show'],
      ['verify'],
      ['verify', '--all'],
      ['extract', '--into', path('out')],
      ['show', 'none.tar.gz'],
      ['verify', 'none.tar.gz'],
    ]) {
      expect(await runCli(...command, '-t', place.target)).toMatchObject({ status: 10, stdout: '' });
    }
  });
});
