import { expect, it } from '@jest/globals';
import type { RestorePlan, RestoreResult } from '@lsbackup/core';
import { BackupError } from '@lsbackup/core/store';
import { restorePlanText } from './restore-plan-text.js';
import { restoreOutcome } from './restore-summary.js';

const step = {
  id: 'a/1',
  kind: 'k',
  params: null,
  set: 'a',
  after: [],
  host: 'h',
  title: 'do it',
  preview: ['command'],
  reads: [],
};
const plan: RestorePlan = {
  runId: 'run',
  archive: 'archive',
  cluster: 'c',
  hosts: [
    { archived: 'x', target: 'y', address: '10.0.0.2', machineId: 'm', isOther: true },
    { archived: 'z', target: 'z', address: '10.0.0.3', machineId: 'n', isOther: false },
  ],
  units: [
    { component: 'haproxy', unit: 'x', sets: ['a'] },
    { component: 'grafana', unit: 'x', sets: [], reason: 'this version can only extract it' },
  ],
  steps: [step, { ...step, id: 'a/2', isDestructive: true, beginsDowntime: 'database app', preview: [] }],
  sizes: { 'a/1': 2048 },
  bytes: 2048,
  verified: { artifacts: 1, of: 3 },
  findings: [{ host: 'y', where: '/etc/f:3', text: 'server x', why: 'x is y now' }],
  irreversible: ['haproxy'],
};

it('shows what a restore will do, what it replaces, and what it leaves', () => {
  const text = restorePlanText(plan);
  expect(text).toContain('the other 2 of the archive were not read');
  expect(text).toContain('x -> y (10.0.0.2)');
  expect(text).not.toContain('z -> z');
  expect(text).toContain('1. do it  [2.0 KiB]\n     $ command');
  expect(text).toContain('[REPLACES what is there; downtime of database app begins]');
  expect(text).toContain('y /etc/f:3: server x  (x is y now)');
  expect(text).toContain('grafana x: this version can only extract it');
  expect(text).toContain('CANNOT BE UNDONE: steps of haproxy.');
});

const error = new BackupError('HOST_SPACE', 'too little space');

function outcomeOf(result: Partial<RestoreResult>, direction: 'restore' | 'rollback' = 'restore') {
  const whole: RestoreResult = { runId: 'run', status: 'complete', sets: [], kept: [], ...result };
  return restoreOutcome(whole, { archive: 'archive', direction });
}

it('ends with 0 only when everything is restored', () => {
  const kept = [{ host: 'h', step: 's', what: 'old files' }];
  const complete = outcomeOf({ sets: [{ set: 'a', component: 'c', status: 'done' }], kept });
  expect(complete.exitStatus).toBe(0);
  expect(complete.text).toContain('h: old files');
  expect(complete.text).toContain('--rollback run');
  expect(outcomeOf({ status: 'partial' }).exitStatus).toBe(3);
});

it('tells a failed restore by what went wrong, and what could not be undone', () => {
  const undone = { set: 'a', component: 'c', status: 'undone', error } as const;
  expect(outcomeOf({ status: 'failed', sets: [undone] })).toMatchObject({
    exitStatus: 14,
    text: expect.stringContaining('a: failed, and is as it was before: too little space') as unknown,
  });
  const stuck = outcomeOf({ status: 'failed', sets: [undone, { ...undone, set: 'b', status: 'undo failed' }] });
  expect(stuck.exitStatus).toBe(1);
  expect(stuck.text).toContain('b: FAILED, AND COULD NOT BE UNDONE');
  expect(stuck.text).toContain('lsbackup restore --rollback run');
});

it('tells a rollback by what is undone', () => {
  const undone = outcomeOf({ sets: [{ set: 'a', component: 'c', status: 'undone' }] }, 'rollback');
  expect(undone).toMatchObject({
    exitStatus: 0,
    summary: { status: 'rolled back' },
    text: expect.stringContaining('Undone: 1 set') as unknown,
  });
});
