import { expect, it } from '@jest/globals';
import type { Plan } from '@lsbackup/core';
import { planText } from './plan-text.js';

it('a plan for people says what would not be saved, and why', () => {
  const refusal = { code: 'SERVICE_DOWN', message: 'mon1: Prometheus does not answer', hint: 'Start it.' } as const;
  const plan: Plan = {
    runId: '20261122T101500Z-4f1c9a2b',
    cluster: 'test',
    hosts: [{ name: 'mon1', address: '192.0.2.1', port: 22, reached: true }],
    units: [
      {
        component: 'prometheus',
        area: 'monitoring',
        name: 'mon1',
        hosts: ['mon1'],
        status: 'planned',
        containsSecrets: false,
        artifacts: [{ path: 'prometheus/mon1/tsdb.tar', host: 'mon1', commands: [], refusal }],
        tempSpace: [],
        warnings: [],
      },
    ],
    expectedBytes: 0,
    memory: 1,
    uncoveredGroups: ['registry'],
    uncoveredHosts: Array.from({ length: 12 }, (_, index) => `host${String(index)}`),
  };
  expect(planText(plan).split('\n\n').at(-1)).toBe(`Would NOT be backed up:
  prometheus/mon1/tsdb.tar: mon1: Prometheus does not answer Start it.
  1 group that no component covers: registry
  12 hosts that no component looks at: host0, host1, host2, host3, host4, host5, host6, host7, host8, host9 and 2 more`);
});
