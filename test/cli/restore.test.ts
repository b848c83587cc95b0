import { spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { collect, type Ended, type Place, makePlace, program } from './harness.js';
import { summaryOf } from './json-lines.js';

let place: Place;
let state: string;
beforeAll(async () => {
  place = await makePlace();
  state = join(place.directory, 'state');
  expect((await place.backup()).status).toBe(0);
});
afterAll(async () => {
  await place[Symbol.asyncDispose]();
});

/** Away from any terminal, where nobody can be asked. */
function restore(...parameters: readonly string[]): Promise<Ended> {
  const env = { PATH: process.env.PATH, HOME: place.directory, XDG_STATE_HOME: state };
  const child = spawn(process.execPath, [program, 'restore', ...parameters], { env, detached: true });
  child.stdin.end();
  return collect(child);
}

/** The journal of a restore that has one step, and its records. */
async function journal(runId: string, ...records: readonly object[]): Promise<string> {
  const directory = join(state, 'lsbackup/restores', runId);
  const [archive = ''] = await place.targetFiles();
  const step = {
    id: 'haproxy@lb1/replace',
    kind: 'haproxy.replace-configuration',
    params: {},
    set: 'haproxy@lb1',
    after: [],
    host: 'lb1',
    title: 'replace the configuration',
    preview: [],
    reads: [],
  };
  const plan = {
    type: 'plan',
    version: 1,
    runId,
    startedAt: '2026-01-31T03:00:12.345Z',
    archive: { name: archive, runId: '20260131T030000Z-0a1b2c3d' },
    hosts: [{ name: 'lb1', machineId: 'm' }],
    sets: [{ set: step.set, component: 'haproxy' }],
    steps: [step],
    context: { buildDir: place.cluster.directory, inventory: null, target: place.target, config: null },
  };
  await mkdir(directory, { recursive: true });
  const file = join(directory, 'journal.jsonl');
  await writeFile(file, [plan, ...records].map((line) => `${JSON.stringify(line)}\n`).join(''));
  return file;
}

it.each(['--resume', '--rollback', '--drop-old'])('%s does nothing before it is confirmed', async (way) => {
  const runId = `20260131T030000Z-0000000${way.length}`;
  const records = ['intent', 'done', 'reverting', 'reverted'].map((type) => ({
    type,
    step: 'haproxy@lb1/replace',
    ...(type === 'intent' && { undo: null }),
  }));
  const file = await journal(runId, ...records);
  const before = await readFile(file, 'utf8');
  const connections = place.cluster.hosts.reduce((sum, { server }) => sum + server.connections, 0);
  const ended = await restore(way, runId, '--json');
  expect(ended.status).toBe(2);
  expect(summaryOf(ended)).toMatchObject({ status: 'failed', error: { code: 'RESTORE_UNCONFIRMED' } });
  expect(await readFile(file, 'utf8')).toBe(before);
  expect(place.cluster.hosts.reduce((sum, { server }) => sum + server.connections, 0)).toBe(connections);
  if (way !== '--drop-old') expect((await restore(way, runId)).stderr).toContain('1. replace the configuration');
});
