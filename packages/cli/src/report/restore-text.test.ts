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

function outcomeOf(
  result: Partial<RestoreResult>,
  direction: 'restore' | 'rollback' = 'restore',
  units: RestorePlan['units'] = [],
) {
  const whole: RestoreResult = { runId: 'run', status: 'complete', sets: [], kept: [], ...result };
  return restoreOutcome(whole, { archive: 'archive', direction, units });
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

it('tells what was not restored, and ends with 3 where that was meant to be', () => {
  const sets = [{ set: 'a', component: 'haproxy', status: 'done' }] as const;
  const done = { component: 'haproxy', unit: 'x', sets: ['a'] };
  const grafana = { component: 'grafana', unit: 'x', reason: 'it can only be extracted', isMissed: false };
  const other = outcomeOf({ sets }, 'restore', [done, { ...grafana, sets: [] }]);
  expect(other).toMatchObject({ exitStatus: 0, summary: { status: 'complete', notRestored: [grafana] } });
  expect(other.text).toContain('Not restored:\n  grafana x: it can only be extracted');
  const lost = { component: 'haproxy', unit: 'y', reason: 'y is not in inventory', isMissed: true };
  const partial = outcomeOf({ sets }, 'restore', [done, { ...grafana, sets: [] }, { ...lost, sets: [] }]);
  expect(partial).toMatchObject({ exitStatus: 3, summary: { status: 'partial', notRestored: [grafana, lost] } });
  expect(partial.text).toContain('NOT RESTORED, though it was meant to be:\n  haproxy y: y is not in inventory');
  const failed = outcomeOf({ status: 'failed', sets: [{ ...sets[0], status: 'undone', error }] }, 'restore', [
    { ...lost, sets: [] },
  ]);
  expect(failed).toMatchObject({ exitStatus: 14, summary: { status: 'failed', notRestored: [lost] } });
});

it('tells where sets were not done because the run was stopped', () => {
  const aborted = new BackupError('ABORTED', 'stopped by SIGINT');
  const base = { set: 'a', component: 'c' };
  const stopped = outcomeOf({ status: 'failed', sets: [{ ...base, status: 'undone', error: aborted }] });
  expect(stopped).toMatchObject({ isStopped: true, exitStatus: 1 });
  expect(outcomeOf({ status: 'failed', sets: [{ ...base, status: 'not begun', error }] }).isStopped).toBe(true);
  const sets: RestoreResult['sets'] = [{ ...base, status: 'undone', error }];
  expect(outcomeOf({ status: 'failed', sets }).isStopped).toBe(false);
  expect(outcomeOf({ sets: [{ ...base, status: 'done' }] }).isStopped).toBe(false);
  const stuck = { ...base, status: 'undo failed', error } as const;
  expect(
    outcomeOf({ status: 'failed', sets: [stuck, { ...base, status: 'not begun', error: aborted }] }).isStopped,
  ).toBe(false);
});

it('tells a rollback by what is undone', () => {
  const undone = outcomeOf({ sets: [{ set: 'a', component: 'c', status: 'undone' }] }, 'rollback');
  expect(undone).toMatchObject({
    exitStatus: 0,
    summary: { status: 'rolled back' },
    text: expect.stringContaining('Undone: 1 set') as unknown,
  });
});
