import { appendFile, type FileHandle, mkdir, mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import type { Step } from '../components/restore.js';
import { silentLogger } from '../model/logger.js';
import { Journal } from './journal.js';
import { claimRun } from './run-claim.js';

let state: string;
const runId = '20260101T000000Z-00000000';
const claimant = { runId, log: silentLogger };
const step: Step = {
  id: 'set/one',
  kind: 'kind',
  params: { a: [1, null, 'x'] },
  set: 'set',
  after: [],
  host: 'h',
  title: 't',
  preview: ['p'],
  reads: [],
};

beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), 'lsbackup-journal-'));
});

afterEach(async () => {
  await rm(state, { recursive: true });
});

async function create(): Promise<string> {
  await using journal = await Journal.create(state, {
    runId,
    startedAt: 'now',
    archive: { name: 'a', runId: 'r' },
    hosts: [{ name: 'h', machineId: 'm' }],
    units: [{ component: 'c', unit: 'u', sets: ['set'] }],
    steps: [step],
    context: { b: '/x' },
  });
  await journal.record({ type: 'intent', step: step.id, undo: { before: 1 } });
  return join(journal.directory, 'journal.jsonl');
}

it('says in a new process what was planned and how far it came', async () => {
  await create();
  await using journal = await Journal.open(state, runId);
  expect(journal.plan).toMatchObject({ steps: [step], context: { b: '/x' } });
  expect(journal.progressOf(step.id)).toEqual({ state: 'begun', undo: { before: 1 } });
  expect(journal.progressOf('other')).toEqual({ state: 'untouched' });
  await journal.record({ type: 'done', step: step.id });
  await journal.record({ type: 'reverting', step: step.id });
  expect(journal.progressOf(step.id)).toEqual({ state: 'reverting', undo: { before: 1 } });
});

it('takes nothing more after a write that failed, so that it stays readable', async () => {
  await create();
  {
    await using journal = await Journal.open(state, runId);
    const probe = await open(join(journal.directory, 'journal.jsonl'));
    const handle = Object.getPrototypeOf(probe) as FileHandle;
    await probe.close();
    const whole = jest.spyOn(handle, 'appendFile').mockImplementationOnce(async function (this: FileHandle, text) {
      await this.write(String(text).slice(0, 9));
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    });
    const writes = ['done', 'reverting'] as const;
    const results = await Promise.allSettled(writes.map((type) => journal.record({ type, step: step.id })));
    whole.mockRestore();
    for (const result of [...results, ...(await Promise.allSettled([journal.record({ type: 'done', step: step.id })]))])
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'RESTORE_JOURNAL' } });
    expect(journal.progressOf(step.id)).toMatchObject({ state: 'begun' });
  }
  await using journal = await Journal.open(state, runId);
  expect(journal.progressOf(step.id)).toMatchObject({ state: 'begun' });
  await journal.record({ type: 'done', step: step.id });
});

it('is for its owner alone', async () => {
  const file = await create();
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await stat(join(file, '..'))).mode & 0o777).toBe(0o700);
});

it('forgets a line that was cut, at any byte, and goes on behind the last whole one', async () => {
  const file = await create();
  const whole = await readFile(file, 'utf8');
  const line = `${JSON.stringify({ type: 'done', step: step.id })}\n`;
  for (let bytes = 0; bytes < line.length; bytes += 1) {
    await writeFile(file, whole);
    await appendFile(file, line.slice(0, bytes));
    {
      await using journal = await Journal.open(state, runId);
      expect(journal.progressOf(step.id).state).toBe('begun');
      await journal.record({ type: 'done', step: step.id });
    }
    await using again = await Journal.open(state, runId);
    expect(again.progressOf(step.id).state).toBe('done');
  }
});

it('refuses what it cannot trust', async () => {
  const file = await create();
  await appendFile(file, '{"type":"done","step":"never begun"}\n');
  await expect(Journal.open(state, runId)).rejects.toMatchObject({ code: 'RESTORE_JOURNAL' });
  await writeFile(file, '{"type":"plan"}\n');
  await expect(Journal.open(state, runId)).rejects.toMatchObject({ code: 'RESTORE_JOURNAL' });
  await expect(Journal.open(state, '../x')).rejects.toMatchObject({ code: 'RESTORE_RUN' });
  await expect(Journal.open(state, 'none')).rejects.toMatchObject({ code: 'RESTORE_RUN' });
});

it('writes records of sets that run side by side one after the other', async () => {
  await create();
  await using journal = await Journal.open(state, runId);
  await Promise.all(Array.from({ length: 50 }, () => journal.record({ type: 'done', step: step.id })));
  await using again = await Journal.open(state, runId);
  expect(again.progressOf(step.id).state).toBe('done');
});

it('belongs to one process at a time, and to the next one when that is gone', async () => {
  const file = await create();
  const directory = join(file, '..');
  const claim = await claimRun(directory, claimant);
  await expect(claimRun(directory, claimant)).rejects.toMatchObject({ code: 'RUN_ACTIVE' });
  await claim.release();
  const next = await claimRun(directory, claimant);
  const name = join(directory, 'claim-000002');
  const { controller } = JSON.parse(await readFile(name, 'utf8')) as {
    controller: { pid: number; processStart: string };
  };
  await writeFile(name, JSON.stringify({ controller: { ...controller, processStart: '1' } }));
  const results = await Promise.allSettled([claimRun(directory, claimant), claimRun(directory, claimant)]);
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  await next.release();
});

it('says which process has it where that cannot be seen from here, and which file to remove', async () => {
  const directory = join(await create(), '..');
  await claimRun(directory, claimant);
  const name = join(directory, 'claim-000001');
  const { controller } = JSON.parse(await readFile(name, 'utf8')) as { controller: { pid: number } };
  await writeFile(name, JSON.stringify({ controller: { ...controller, hostname: 'other' } }));
  await expect(claimRun(directory, claimant)).rejects.toMatchObject({
    code: 'RUN_ACTIVE',
    message: expect.stringContaining(`process ${String(controller.pid)} on other`),
    hint: expect.stringContaining(name),
  });
  await writeFile(name, '');
  await expect(claimRun(directory, claimant)).rejects.toMatchObject({
    code: 'RUN_ACTIVE',
    hint: expect.stringContaining(name),
  });
});

it('gives a claim back without hiding how the run ended', async () => {
  const directory = join(await create(), '..');
  const claim = await claimRun(directory, claimant);
  await rm(directory, { recursive: true });
  await claim.release();
  await mkdir(directory);
});

it('can be read while it is written, without a byte of it being lost', async () => {
  const file = await create();
  const whole = await readFile(file);
  await appendFile(file, '{"type":"do');
  expect((await Journal.read(state, runId)).progressOf(step.id)).toMatchObject({ state: 'begun' });
  expect(await readFile(file)).toEqual(Buffer.concat([whole, Buffer.from('{"type":"do')]));
});

it('is called missing only where it is missing', async () => {
  const file = await create();
  await expect(Journal.read(state, 'other')).rejects.toMatchObject({
    code: 'RESTORE_RUN',
    hint: expect.stringContaining(runId),
  });
  await rm(file);
  await mkdir(file);
  await expect(Journal.read(state, runId)).rejects.toMatchObject({ code: 'RESTORE_JOURNAL', hint: expect.any(String) });
});
