import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import type { Component } from '../components/component.js';
import { bytesFormat } from '../formats/bytes.js';
import { BackupError } from '../model/errors.js';
import { createMemoryStore } from '../stores/memory.js';
import { FakeHost } from '../testing/fake-host.js';
import { smallCluster, smallComponent } from '../testing/small-component.js';
import type { BackupResult } from './api.js';
import { backup } from './backup.js';

/** Tells when it starts and ends, and takes a while. */
function slow(name: string, journal: string[], more: { after?: readonly string[]; fails?: boolean } = {}): Component {
  return smallComponent(name, {
    after: more.after ?? [],
    async backup(context, unit) {
      journal.push(`${name} started`);
      await sleep(60);
      journal.push(`${name} ended`);
      if (more.fails === true) throw new BackupError('SERVICE_DOWN', `${name} is down`);
      const { path, host } = unit.artifacts[0]!;
      await context.saveBytes({ path, host, format: bytesFormat }, Buffer.from(name));
    },
  });
}

function run(components: readonly Component[], target = createMemoryStore()): Promise<BackupResult> {
  return backup({
    cluster: smallCluster(['a']),
    user: { name: 'admin', homeDirectory: '/home/admin' },
    target,
    components,
    connect: ({ name }) => Promise.resolve(new FakeHost({ name, become: false })),
  });
}

function statuses(result: BackupResult): Record<string, string> {
  return Object.fromEntries(result.metadata.components.map(({ name, status }) => [name, status]));
}

it('a host that a component says nothing about is a failure', async () => {
  const forgetful = smallComponent('forgetful', {
    discover: () => Promise.resolve({ units: [], problems: [], absent: [] }),
  });
  const result = await run([smallComponent('small'), forgetful]);
  expect(result.status).toBe('partial');
  expect(statuses(result)).toEqual({ small: 'complete', forgetful: 'failed' });
});

describe('the order of components', () => {
  it('starts a component when those it comes after have ended, however they are listed', async () => {
    const journal: string[] = [];
    const result = await run([
      slow('third', journal, { after: ['second'] }),
      slow('second', journal, { after: ['first'] }),
      slow('first', journal),
    ]);
    expect(result.status).toBe('complete');
    const turns = ['first', 'second', 'third'].flatMap((name) => [`${name} started`, `${name} ended`]);
    expect(journal).toEqual(turns);
  });

  it('starts a component also when the one before it failed', async () => {
    const journal: string[] = [];
    const result = await run([slow('second', journal, { after: ['first'] }), slow('first', journal, { fails: true })]);
    expect(journal).toEqual(['first started', 'first ended', 'second started', 'second ended']);
    expect(statuses(result)).toEqual({ second: 'complete', first: 'failed' });
  });

  it('does not hold up components that do not wait for each other', async () => {
    const journal: string[] = [];
    await run([slow('one', journal), slow('other', journal)]);
    expect(journal.slice(0, 2)).toEqual(['one started', 'other started']);
  });

  it('waits for nobody where the component that is named is not there', async () => {
    const journal: string[] = [];
    const result = await run([slow('only', journal, { after: ['absent'] })]);
    expect(statuses(result)).toEqual({ only: 'complete' });
  });

  it('fails, without publishing anything, where components wait for each other', async () => {
    const journal: string[] = [];
    const target = createMemoryStore();
    const circle = [slow('one', journal, { after: ['other'] }), slow('other', journal, { after: ['one'] })];
    await expect(run([...circle, slow('beside', journal)], target)).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(journal).toEqual([]);
    for await (const entry of target.list('')) throw new Error(`${entry.name} was published`);
  });
});
