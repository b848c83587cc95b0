import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Ended, type Place, collect, makePlace, program, readsFiles, runCli, until } from './harness.js';
import { linesOf, summaryOf } from './json-lines.js';

/** Runs a line of shell in which `lsbackup` is the program. */
async function runShell(script: string, environment: NodeJS.ProcessEnv = { HOME: tmpdir() }): Promise<Ended> {
  const lines = `set -o pipefail; lsbackup() { '${process.execPath}' '${program}' "$@"; }\n${script}`;
  const child = spawn('bash', ['--norc', '-c', lines], { env: { PATH: process.env.PATH, ...environment } });
  child.stdin.end();
  return collect(child);
}

let place: Place;
let archive = '';
beforeAll(async () => {
  place = await makePlace({ hosts: ['lb1'] });
  expect(await place.backup()).toMatchObject({ status: 0 });
  [archive = ''] = await place.targetFiles();
});
afterAll(async () => {
  await place[Symbol.asyncDispose]();
});

describe('a slow reader', () => {
  it.each([['--json'], ['']])('gets everything (%s)', async (flag) => {
    const file = join(place.directory, 'many');
    const hosts = Array.from(
      { length: 6000 },
      (_, index) => `host-${index} ansible_host=10.0.0.1 note=${'x'.repeat(40)}`,
    );
    await writeFile(file, ['[haproxy]', ...hosts, ''].join('\n'));
    const { status, stdout } = await runShell(`lsbackup inventory -b '${file}' ${flag} | { sleep 2; cat; }`);
    expect(status).toBe(0);
    expect(stdout.length).toBeGreaterThan(200 * 1024);
    expect(stdout).toContain('host-5999');
    if (flag === '--json') expect(JSON.parse(stdout)).toHaveProperty(['_meta', 'hostvars', 'host-5999']);
    else expect(stdout.trimEnd().split('\n')).toHaveLength(6002);
  });
});

describe('a terminal', () => {
  it.each([
    ['a usual one', { TERM: 'xterm' }, true],
    ['one that knows none', { TERM: 'dumb' }, false],
    ['the log of a CI job', { TERM: 'xterm', CI: 'true' }, false],
  ])('%s (%j) gets escape sequences: %j', async (_title, environment, redrawn) => {
    const command = `'${process.execPath}' '${program}' verify -t '${place.target}'`;
    const ended = await runShell(`script -qec "${command}" /dev/null`, { HOME: tmpdir(), ...environment });
    expect(ended).toMatchObject({ status: 0, stdout: expect.stringContaining(archive) });
    expect(ended.stdout.includes('\u001b')).toBe(redrawn);
  });
});

describe('standard output that cannot be written', () => {
  it.each([
    ['list'],
    ['show --json'],
    ['verify'],
    ['components'],
    ['extract --stdout -a haproxy/lb1/config.tar'],
    ['--help'],
    ['--version'],
  ])('%s > /dev/full is exit 1 and says why', async (command) => {
    const target = command.startsWith('-') || command === 'components' ? '' : `-t '${place.target}'`;
    expect(await runShell(`lsbackup ${command} ${target} > /dev/full`)).toEqual({
      status: 1,
      signal: null,
      stdout: '',
      stderr: expect.stringMatching(/^Error: standard output cannot be written: ENOSPC.*\n$/),
    });
  });

  it.each([['list'], ['show'], ['show --json'], ['components'], ['--help'], ['--version']])(
    '%s, whose reader has gone, ends quietly',
    async (command) => {
      const target = command.startsWith('-') || command === 'components' ? '' : `-t '${place.target}'`;
      expect(await runShell(`lsbackup ${command} ${target} | true`)).toMatchObject({ status: 0, stderr: '' });
    },
  );

  it('extract --stdout, whose reader has gone, ends quietly, as by SIGPIPE', async () => {
    const random = join(place.cluster.hosts[0]?.configuration ?? '', 'maps/long.map');
    await writeFile(random, 'x'.repeat(2_000_000));
    await using other = await makePlace({ hosts: [] });
    await runCli('-b', place.cluster.directory, '-t', other.target);
    await rm(random);
    expect(
      await runShell(`lsbackup extract -t '${other.target}' --stdout -a haproxy/lb1/config.tar | head -c 10 | wc -c`),
    ).toMatchObject({ status: 141, stdout: '10\n', stderr: '' });
  });
});

describe('a backup whose output breaks goes on', () => {
  it.each([
    ['2>&1 | head -1', 0],
    ['--json | head -1', 0],
    ['2>/dev/full', 0],
    ['--log-level debug 2>/dev/full', 0],
    ['>/dev/full', 1],
    ['--json >/dev/full', 1],
    ['--json >/dev/full 2>&1', 1],
  ])('%s: exit %d, one archive, nothing else left', async (rest, status) => {
    await using other = await makePlace();
    const ended = await runShell(`lsbackup -b '${other.cluster.directory}' -t '${other.target}' ${rest}`);
    expect(await other.targetFiles()).toEqual([expect.stringMatching(/^lsbackup-.*\.tar\.gz$/)]);
    expect(ended).toMatchObject({ status });
  });
});

describe('a stalled backup', () => {
  const makeStalledPlace = (): Promise<Place> =>
    makePlace({
      faults: (host, command) => (host === 'lb2' && readsFiles(command) ? { stallAfter: 1000 } : undefined),
    });
  const untilItReads = (stalled: Place): Promise<void> =>
    until('the run reads', () => stalled.cluster.hosts[1]?.server.commands.some(readsFiles) ?? false);

  it('whose terminal is lost cleans up', async () => {
    await using stalled = await makeStalledPlace();
    const command = `'${process.execPath}' '${program}' -b '${stalled.cluster.directory}' -t '${stalled.target}'`;
    const terminal = spawn('script', ['-qec', command, '/dev/null'], {
      env: { PATH: process.env.PATH, HOME: tmpdir(), TERM: 'xterm', SHELL: '/bin/sh' },
    });
    await untilItReads(stalled);
    terminal.kill('SIGKILL');
    await until('nothing is left', async () => (await stalled.targetFiles()).length === 0);
  });

  it('with a defect in the program cleans up, and tells it', async () => {
    await using stalled = await makeStalledPlace();
    const directory = await mkdtemp(join(stalled.directory, 'defect-'));
    const defect = join(directory, 'defect.mjs');
    await writeFile(defect, "process.on('SIGUSR2', () => { throw new TypeError('a defect'); });");
    const parameters = ['--import', defect, program, '-b', stalled.cluster.directory, '-t', stalled.target, '--json'];
    const child = spawn(process.execPath, parameters, { env: { PATH: process.env.PATH, HOME: tmpdir() } });
    child.stdin.end();
    const ended = collect(child);
    await untilItReads(stalled);
    child.kill('SIGUSR2');
    const end = await ended;
    expect(end).toMatchObject({ status: 1, stderr: expect.stringContaining('a defect [INTERNAL]') });
    expect(summaryOf(end)).toMatchObject({ status: 'failed', archive: null, error: { code: 'INTERNAL' } });
    expect(linesOf(end).at(-1)).toMatchObject({ type: 'exit', code: 1 });
    expect(await stalled.targetFiles()).toEqual([]);
  });
});

it('a query with a defect in the program tells it in one line', async () => {
  const defect = join(place.directory, 'defect.mjs');
  await writeFile(
    defect,
    `process.on('newListener', (event) => {
      if (event === 'uncaughtException') setImmediate(() => { throw new TypeError('a defect'); });
    });`,
  );
  const child = spawn(process.execPath, ['--import', defect, program, 'list', '-t', place.target, '--json']);
  child.stdin.end();
  const ended = await collect(child);
  expect(ended).toMatchObject({ status: 1, stderr: 'Error: a defect [INTERNAL]\n' });
  expect(JSON.parse(ended.stdout)).toMatchObject({ error: { code: 'INTERNAL' } });
});

describe('a user who is not in the passwd file', () => {
  const run = (environment: NodeJS.ProcessEnv, script: string): Promise<Ended> =>
    runShell(`unshare --user --map-user=54321 '${process.execPath}' '${program}' ${script}`, environment);

  it.each<[string, NodeJS.ProcessEnv]>([
    ['without HOME', {}],
    ['with HOME', { HOME: tmpdir() }],
    ['with HOME and USER', { HOME: tmpdir(), USER: 'somebody' }],
  ])('%s', async (_title, environment) => {
    expect(await run(environment, '--help')).toMatchObject({ status: 0, stderr: '' });
    expect(await run(environment, `show -t '${place.target}'`)).toMatchObject({ status: 0, stderr: '' });
    const ended = await run(environment, `inventory -b '${place.cluster.directory}'`);
    expect(ended).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining('lb1') });
  });
});

describe('an archive with escape sequences in its names', () => {
  it('does not get them to the terminal', async () => {
    const name = 'lsbackup-\u001b[31mred-20260101T000000Z-00000000.tar.gz';
    await writeFile(join(place.target, name), '');
    const ended = await runShell(
      `script -qec "'${process.execPath}' '${program}' verify -t '${place.target}' '${name}'" /dev/null`,
      { HOME: tmpdir(), TERM: 'xterm', SHELL: '/bin/sh' },
    );
    await rm(join(place.target, name));
    expect(archive).not.toBe('');
    expect(ended.stdout).toContain('[31mred');
    expect(ended.stdout).not.toContain('\u001b[31m');
  });
});
