import { describe, expect, it } from '@jest/globals';
import type { Cluster, Host } from '../cluster/cluster.js';
import type { BackupEvent } from '../model/event.js';
import { createMemoryStore } from '../stores/memory.js';
import { FakeHost, type FakeRule } from '../testing/fake-host.js';
import { smallCluster, smallComponent } from '../testing/small-component.js';
import type { BackupResult } from './api.js';
import { backup } from './backup.js';
import { listScript, lockScript, sweepScript } from './ledger-scripts.js';

const lockArgv = ['sh', '-c', lockScript, 'lsbackup', ''];
const listArgv = ['sh', '-c', listScript, 'lsbackup', ''];
const deadRecord = '20240506T070809Z-11111111-1';
const sweepArgv = ['sh', '-c', sweepScript, 'lsbackup', '', deadRecord];
const busy: FakeRule = { argv: lockArgv, answer: { stdout: 'busy\n' } };
const nothingLeft: FakeRule = { argv: listArgv, answer: {} };

async function run(
  rules: Readonly<Record<string, readonly FakeRule[]>>,
  variables: Host['variables'] = {},
  more: Partial<Cluster> = {},
) {
  const events: BackupEvent[] = [];
  const target = createMemoryStore();
  const hosts = Object.entries(rules).map(
    ([name, own]) => new FakeHost({ name, become: false, rules: [...own, nothingLeft] }),
  );
  const cluster = smallCluster(Object.keys(rules));
  let result: BackupResult | undefined;
  let error: unknown;
  try {
    result = await backup({
      cluster: { ...cluster, ...more, hosts: cluster.hosts.map((host) => ({ ...host, variables })) },
      user: { name: 'admin', homeDirectory: '/home/admin' },
      target,
      components: [smallComponent('small')],
      connect: ({ name }) => Promise.resolve(hosts.find(({ host }) => host.name === name)!),
      onEvent: (event) => events.push(event),
    });
  } catch (thrown) {
    error = thrown;
  }
  const objects: string[] = [];
  for await (const entry of target.list('')) objects.push(entry.name);
  const units = (result?.metadata.components[0]?.units ?? []).map(({ name, status, code }) => [name, status, code]);
  return { result, error, events, hosts, objects, units };
}

function warningCodes(events: readonly BackupEvent[]): string[] {
  return events.flatMap((event) => (event.type === 'warning' ? [event.code] : []));
}

describe('backup of hosts that a restore has for itself', () => {
  it('leaves such a host alone and saves the others', async () => {
    const { result, units, hosts } = await run({ a: [busy], b: [] });
    expect(result?.status).toBe('partial');
    expect(units).toEqual([
      ['b', 'complete', undefined],
      ['a', 'failed', 'HOST_LOCKED'],
    ]);
    expect(result?.metadata.artifacts.map(({ path }) => path)).toEqual(['small/b/content']);
    expect(hosts[0]?.commands.map(({ argv }) => argv)).toEqual([lockArgv]);
  });

  it('fails with HOST_LOCKED when no other host is left', async () => {
    const { error, objects } = await run({ a: [busy], b: [busy] });
    expect(error).toMatchObject({ code: 'HOST_LOCKED', exitStatus: 11 });
    expect(objects).toEqual([]);
  });
});

describe('backup of hosts with variables of components', () => {
  it('warns once of those that belong to none', async () => {
    const known = { lsbackup_haproxy_paths: ['/x'], other: 1 };
    expect(warningCodes((await run({ a: [], b: [] }, known)).events)).toEqual([]);
    const { result, events } = await run({ a: [], b: [] }, { ...known, lsbackup_smal_level: 3 });
    expect(result?.status).toBe('complete');
    expect(events.filter(({ type }) => type === 'warning')).toEqual([
      { type: 'warning', code: 'OPTIONS_IGNORED', message: expect.stringMatching(/: lsbackup_smal_level$/) },
    ]);
  });
});

describe('backup of hosts in other groups', () => {
  it('names groups of no component, but none below one that has it, and hosts in none', async () => {
    const namingGroups = new Map([
      ['small_eu', ['small', 'top']],
      ['registry', ['top']],
      ['ungrouped', []],
    ]);
    const { result } = await run({ a: [] }, {}, { namingGroups });
    expect(result?.metadata.uncoveredGroups).toEqual(['registry', 'ungrouped']);
  });
});

describe('backup of hosts where dead runs left something', () => {
  it('removes it before anything else is looked at, and says so', async () => {
    const left: FakeRule = {
      argv: listArgv,
      answer: {
        stdout: `${deadRecord}\t1801\t{}\n20240506T070809Z-22222222-1\t1799\t{}\narchives\t99999\t{}\n`,
      },
    };
    const { result, events, hosts } = await run({ a: [left, { argv: sweepArgv, answer: {} }] });
    expect(result?.status).toBe('complete');
    expect(hosts[0]?.commands.map(({ argv }) => argv)).toEqual([lockArgv, listArgv, sweepArgv]);
    const told = events.findIndex((event) => event.type === 'warning' && event.code === 'LEFTOVERS_REMOVED');
    expect(told).toBeGreaterThan(-1);
    expect(told).toBeLessThan(events.findIndex((event) => event.type === 'plan'));
  });

  it('goes on where it cannot be looked for, and says so', async () => {
    const { result, events } = await run({ a: [{ argv: listArgv, answer: { status: 1, stderr: 'no shell' } }], b: [] });
    expect(result?.status).toBe('complete');
    expect(warningCodes(events)).toEqual(['SWEEP_FAILED']);
  });
});
