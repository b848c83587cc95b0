import { spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { collect, type Ended, type Place, makePlace, program } from './harness.js';
import { summaryOf } from './json-lines.js';

let place: Place;
let state: string;
let backupRun: string | null;
beforeAll(async () => {
  place = await makePlace();
  state = join(place.directory, 'state');
  const backup = await place.backup('--json');
  expect(backup.status).toBe(0);
  backupRun = summaryOf(backup).runId;
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

const records = {
  intent: { type: 'intent', step: 'haproxy@lb1/replace', undo: null },
  done: { type: 'done', step: 'haproxy@lb1/replace' },
};

/** The journal of a restore that has one step and left a unit out, and its records. */
async function journal(runId: string, ...written: readonly object[]): Promise<string> {
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
    archive: { name: archive, runId: backupRun },
    hosts: [{ name: 'lb1', machineId: (await readFile('/etc/machine-id', 'utf8')).trim() }],
    units: [
      { component: 'haproxy', unit: 'lb1', sets: [step.set] },
      { component: 'haproxy', unit: 'lb2', sets: [], reason: 'lb2 was not backed up', isMissed: true },
    ],
    steps: [step],
    context: { buildDir: place.cluster.directory, inventory: null, target: place.target, config: null },
  };
  await mkdir(directory, { recursive: true });
  const file = join(directory, 'journal.jsonl');
  await writeFile(file, [plan, ...written].map((line) => `${JSON.stringify(line)}\n`).join(''));
  return file;
}

it.each(['--resume', '--rollback', '--drop-old'])('%s does nothing before it is confirmed', async (way) => {
  const runId = `20260131T030000Z-0000000${way.length}`;
  const { intent, done } = records;
  const file = await journal(runId, intent, done, { ...done, type: 'reverting' }, { ...done, type: 'reverted' });
  const before = await readFile(file, 'utf8');
  const connections = place.cluster.hosts.reduce((sum, { server }) => sum + server.connections, 0);
  const ended = await restore(way, runId, '--json');
  expect(ended.status).toBe(2);
  expect(summaryOf(ended)).toMatchObject({ status: 'failed', error: { code: 'RESTORE_UNCONFIRMED' } });
  expect(await readFile(file, 'utf8')).toBe(before);
  expect(place.cluster.hosts.reduce((sum, { server }) => sum + server.connections, 0)).toBe(connections);
  if (way !== '--drop-old') expect((await restore(way, runId)).stderr).toContain('1. replace the configuration');
});

it('--resume tells also what the restore had left out', async () => {
  const runId = '20260131T030000Z-0000000a';
  await journal(runId, records.intent, records.done);
  const ended = await restore('--resume', runId, '--yes', '--json');
  expect(summaryOf(ended)).toMatchObject({
    status: 'partial',
    sets: [{ set: 'haproxy@lb1', status: 'done' }],
    notRestored: [{ component: 'haproxy', unit: 'lb2', reason: 'lb2 was not backed up', isMissed: true }],
  });
  expect(ended.status).toBe(3);
});

it.each(['--rollback', '--drop-old'])('%s takes no archive', async (way) => {
  const ended = await restore('some.tar.gz', way, '20260131T030000Z-0000000b', '--yes');
  expect(ended.status).toBe(2);
  expect(ended.stderr).toContain('some.tar.gz');
  expect(ended.stderr).toContain('leave the name out');
});
