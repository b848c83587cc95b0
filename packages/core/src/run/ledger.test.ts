import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Controller, thisController } from '../controller/controller.js';
import { silentLogger } from '../model/logger.js';
import type { Command } from '../remote/remote-host.js';
import { fakeInventoryHost } from '../testing/fake-host.js';
import { ThisMachine } from '../testing/this-machine.js';
import { createLedger, type Ledger } from './ledger.js';

describe('ledger', () => {
  const host = fakeInventoryHost('host1');
  let directory: string;
  let state: string;
  let lock: string;
  let machine: ThisMachine;
  let warnings: string[];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lsbackup-ledger-'));
    state = join(directory, 'state');
    lock = join(directory, 'lock');
    machine = new ThisMachine();
    warnings = [];
  });

  afterEach(async () => {
    for (const child of machine.processes) child.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  });

  function ledger(runId: string, controller: Controller, signal = new AbortController().signal): Ledger {
    return createLedger({
      runId,
      controller,
      startedAt: new Date(),
      stateDirectory: state,
      lockDirectory: lock,
      remote: () => Promise.resolve(machine),
      signal,
      log: silentLogger,
      warn: (_host, code) => warnings.push(code),
    });
  }

  it('writes nothing until something is recorded, and removes all of it in the end', async () => {
    const holding = await ledger('run-a', await thisController()).hold(host);
    const outside = join(directory, 'outside', 'snapshot one');
    await holding.record(outside);
    await mkdir(outside, { recursive: true });
    const workspace = await holding.workspace();
    await writeFile(join(workspace, 'dump'), 'data');
    expect(workspace.startsWith(`${state}/run-a-1/`)).toBe(true);
    const owner: unknown = JSON.parse(await readFile(join(state, 'run-a-1', 'owner.json'), 'utf8'));
    expect(owner).toMatchObject({ runId: 'run-a', controller: { pid: process.pid } });
    await holding.close();
    expect(await readdir(directory)).toEqual(['outside']);
    expect(await readdir(join(directory, 'outside'))).toEqual([]);
  });

  it('removes what was recorded when the connection dies', async () => {
    const holding = await ledger('run-b', await thisController()).hold(host);
    const workspace = await holding.workspace();
    expect(await readdir(workspace)).toEqual([]);
    const [child] = machine.processes;
    const exited = once(child!, 'exit');
    child!.stdin!.destroy();
    await exited;
    expect(await readdir(directory)).toEqual([]);
  });

  it('waits for no free session when the run is cancelled, and ends what starts all the same', async () => {
    const stop = new AbortController();
    const start = machine.start.bind(machine);
    let free!: () => void;
    const full = new Promise<void>((resolve) => (free = resolve));
    machine.start = (command) => full.then(() => start(command));
    const ours = ledger('run-a', await thisController(), stop.signal);
    const waiting = [ours.hold(host), ours.lock(host)].map((work) => expect(work).rejects.toThrow('cancelled'));
    setImmediate(() => stop.abort(new Error('cancelled')));
    await Promise.all(waiting);
    free();
    while (
      machine.processes.length < 2 ||
      machine.processes.some(({ exitCode, signalCode }) => (exitCode ?? signalCode) === null)
    )
      await sleep(10);
    expect(await readdir(directory)).toEqual(['lock']);
  });

  it('sweeps what a dead process of this machine left, and leaves the living and the strangers alone', async () => {
    const here = await thisController();
    const outside = join(directory, 'outside', 'snapshot');
    const record = (digit: string): string => `20240506T070809Z-${digit.repeat(8)}-1`;
    const [dead, living, stranger, oldStranger] = ['1', '2', '3', '4'].map(record);
    for (const [name, controller] of [
      [dead, { ...here, processStart: '1' }],
      [living, here],
      [stranger, { ...here, hostname: 'elsewhere' }],
      [oldStranger, { ...here, hostname: 'elsewhere' }],
    ] as const) {
      const runId = String(name).slice(0, -2);
      await mkdir(join(state, String(name)), { recursive: true });
      await writeFile(join(state, String(name), 'owner.json'), JSON.stringify({ runId, startedAt: '', controller }));
    }
    // Somebody keeps archives in the directory: no record, however old.
    await mkdir(join(state, 'archives'));
    await writeFile(join(state, 'archives', 'lsbackup-prod.tar.gz'), 'all that is left');
    await mkdir(outside, { recursive: true });
    await writeFile(join(state, String(dead), 'paths'), `${outside}\n`);
    const longAgo = new Date(Date.now() - 3_600_000);
    await utimes(join(state, String(oldStranger), 'owner.json'), longAgo, longAgo);
    await utimes(join(state, 'archives'), longAgo, longAgo);
    await ledger('run-c', here).sweep(host);
    expect((await readdir(state)).sort()).toEqual([living, stranger, 'archives']);
    expect(await readdir(join(state, 'archives'))).toEqual(['lsbackup-prod.tar.gz']);
    expect(await readdir(join(directory, 'outside'))).toEqual([]);
    expect(warnings).toEqual(['LEFTOVERS_REMOVED']);
  });

  it('keeps the record of what it does not remove, and removes the others', async () => {
    const controller = { ...(await thisController()), processStart: '1' };
    const records = ['1', '2', '3', '4'].map((digit) => `20240506T070809Z-${digit.repeat(8)}-1`);
    const paths = [`${directory}/outside/../..`, '/\nrelative/path', '/proc/self/status', ''];
    for (const [index, name] of records.entries()) {
      const outside = join(directory, 'outside', String(index));
      await mkdir(outside, { recursive: true });
      await mkdir(join(state, name, 'workspace'), { recursive: true });
      await writeFile(join(state, name, 'owner.json'), JSON.stringify({ runId: '', startedAt: '', controller }));
      await writeFile(join(state, name, 'paths'), `${paths[index]!}\n${outside}\n`);
    }
    await expect(ledger('run-j', await thisController()).sweep(host)).rejects.toMatchObject({
      message: expect.stringContaining(`its record is kept: ${directory}/outside/../..`),
    });
    expect((await readdir(state)).sort()).toEqual(records.slice(0, 3));
    expect(await readdir(join(state, records[0]!))).toEqual(['owner.json', 'paths']);
    expect(await readdir(join(directory, 'outside'))).toEqual([]);
  });

  it('records no path that could be read as another', async () => {
    const holding = await ledger('run-d', await thisController()).hold(host);
    await expect(holding.record('relative')).rejects.toMatchObject({ code: 'INTERNAL' });
    for (const path of ['/a\n/b', '/', '/a', '/a/', '//a', '/a/../b', '/a/b/..'])
      await expect(holding.record(path)).rejects.toMatchObject({ code: 'INTERNAL' });
    await holding.record(`${directory}/..a/b..`);
    await holding.close();
  });

  it('shares the host with other runs, and keeps a restore out until it is closed', async () => {
    const first = ledger('run-e', await thisController());
    const second = ledger('run-f', await thisController());
    await first.lock(host);
    await second.lock(host);
    const restoreMay = (): boolean => spawnSync('flock', ['-x', '-n', lock, 'true']).status === 0;
    await first.close();
    expect(restoreMay()).toBe(false);
    await second.close();
    expect(restoreMay()).toBe(true);
    expect(warnings).toEqual([]);
  });

  it.each(['new', 'made before'])('lets no other user lock the host: a directory %s', async (which) => {
    if (which === 'made before') await mkdir(lock, { mode: 0o755 });
    const run = ledger('run-k', await thisController());
    await run.lock(host);
    expect(((await stat(lock)).mode & 0o777).toString(8)).toBe('700');
    await run.close();
    expect(warnings).toEqual([]);
  });

  it('gives the lock back, once, where others need its session, and says so', async () => {
    let giveWay: (() => void) | undefined;
    const start = machine.start.bind(machine);
    machine.start = (command: Command, options?: { readonly giveWay?: () => void }) => {
      giveWay = options?.giveWay;
      return start(command);
    };
    const run = ledger('run-i', await thisController());
    await run.lock(host);
    const exited = once(machine.processes[0]!, 'exit');
    giveWay?.();
    await exited;
    expect(spawnSync('flock', ['-x', '-n', lock, 'true']).status).toBe(0);
    expect(warnings).toEqual(['LOCK_UNAVAILABLE']);
    await run.close();
  });

  it('does not wait for a restore that has the host for itself', async () => {
    await mkdir(lock);
    const restore = spawn('flock', ['-x', lock, 'sh', '-c', 'echo held; exec cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(restore.stdout, 'data');
    const run = ledger('run-g', await thisController());
    await expect(run.lock(host)).rejects.toMatchObject({ code: 'HOST_LOCKED', exitStatus: 11, host: 'host1' });
    await run.close();
    restore.stdin.end();
    await once(restore, 'exit');
    await run.lock(host);
    await run.close();
  });

  it('goes on without a lock where none can be had, and says so', async () => {
    await writeFile(lock, 'not a directory');
    await ledger('run-h', await thisController()).lock(host);
    expect(warnings).toEqual(['LOCK_UNAVAILABLE']);
  });
});
