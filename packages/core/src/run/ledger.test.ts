import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Controller, thisController } from '../controller/controller.js';
import { silentLogger } from '../model/logger.js';
import type { Command, RemoteProcess } from '../remote/remote-host.js';
import { FakeHost, fakeInventoryHost, runHere } from '../testing/fake-host.js';
import { createLedger, type Ledger } from './ledger.js';

/** A host whose commands run on this machine. */
class ThisMachine extends FakeHost {
  readonly processes: ReturnType<typeof spawn>[] = [];

  constructor() {
    super({ rules: [{ argv: /^sh -c/, answer: runHere }] });
  }

  override start(command: Command): Promise<RemoteProcess> {
    const [program = '', ...rest] = command.argv;
    const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.processes.push(child);
    const exit = once(child, 'exit').then(([status]) => Number(status));
    const kill = (): Promise<void> => Promise.resolve(void child.kill());
    return Promise.resolve({ stdin: child.stdin, stdout: child.stdout, exit, [Symbol.asyncDispose]: kill });
  }
}

describe('ledger', () => {
  const host = fakeInventoryHost('host1');
  let directory: string;
  let state: string;
  let machine: ThisMachine;
  let warnings: string[];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lsbackup-ledger-'));
    state = join(directory, 'state');
    machine = new ThisMachine();
    warnings = [];
  });

  afterEach(async () => {
    for (const child of machine.processes) child.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  });

  function ledger(runId: string, controller: Controller): Ledger {
    return createLedger({
      runId,
      controller,
      startedAt: new Date(),
      stateDirectory: state,
      remote: () => Promise.resolve(machine),
      signal: new AbortController().signal,
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

  it('sweeps what a dead process of this machine left, and leaves the living and the strangers alone', async () => {
    const here = await thisController();
    const outside = join(directory, 'outside', 'snapshot');
    for (const [runId, controller] of [
      ['dead', { ...here, processStart: '1' }],
      ['living', here],
      ['stranger', { ...here, hostname: 'elsewhere' }],
      ['old-stranger', { ...here, hostname: 'elsewhere' }],
    ] as const) {
      await mkdir(join(state, runId), { recursive: true });
      await writeFile(join(state, runId, 'owner.json'), JSON.stringify({ runId, startedAt: '', controller }));
    }
    await mkdir(outside, { recursive: true });
    await writeFile(join(state, 'dead', 'paths'), `${outside}\n/\nrelative/path\n${directory}/outside/../..\n`);
    const longAgo = new Date(Date.now() - 3_600_000);
    await utimes(join(state, 'old-stranger', 'owner.json'), longAgo, longAgo);
    await ledger('run-c', here).sweep(host);
    expect((await readdir(state)).sort()).toEqual(['living', 'stranger']);
    expect(await readdir(join(directory, 'outside'))).toEqual([]);
    expect(warnings).toEqual(['LEFTOVERS_REMOVED']);
  });

  it('records no path that could be read as another', async () => {
    const holding = await ledger('run-d', await thisController()).hold(host);
    await expect(holding.record('relative')).rejects.toMatchObject({ code: 'INTERNAL' });
    await expect(holding.record('/a\n/b')).rejects.toMatchObject({ code: 'INTERNAL' });
    await holding.close();
  });
});
