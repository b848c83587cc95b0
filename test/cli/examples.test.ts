import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { backup, builtInComponents, createMemoryStore, loadCluster, openArchive } from '@lsbackup/core';
import { crontab } from '../../examples/custom-component.js';
import { startSampleCluster } from '../../examples/sample/cluster.mjs';
import { backUp } from '../../examples/use-as-library.js';
import { type Place, makePlace, runCli } from './harness.js';

let place: Place;
beforeAll(async () => {
  place = await makePlace();
});
afterAll(async () => {
  await place[Symbol.asyncDispose]();
});

const user = { name: 'nobody', homeDirectory: '/nonexistent' };

describe('examples', () => {
  it('use-as-library.ts backs a cluster up, and the program can read it', async () => {
    const { archive, status } = await backUp(place.cluster.directory, place.target);
    expect(status).toBe('complete');
    expect(await place.targetFiles()).toEqual([archive]);
    expect(await runCli('verify', '-t', place.target)).toMatchObject({ status: 0 });
  });

  it('use-as-library.ts fails with a code', async () => {
    await expect(backUp(place.cluster.directory, join(place.directory, 'none'))).rejects.toMatchObject({
      code: 'TARGET_MISSING',
    });
  });

  it('custom-component.ts saves the file of every host that has it; the others fail', async () => {
    const file = join(place.directory, 'crontab');
    await writeFile(file, '0 3 * * * root lsbackup\n');
    const target = createMemoryStore();
    const cluster = await loadCluster({ source: place.cluster.directory, user });
    const result = await backup({
      cluster,
      user,
      target,
      components: [...builtInComponents, crontab],
      only: ['crontab'],
      options: [
        { source: 'test', components: { crontab: { file } }, hosts: { lb3: { crontab: { file: '/no/such/file' } } } },
      ],
    });
    expect(result.status).toBe('partial');
    const units = result.metadata.components.find(({ name }) => name === 'crontab')?.units ?? [];
    expect(units.map(({ name, status, code }) => [name, status, code]).sort()).toEqual([
      ['lb1', 'complete', undefined],
      ['lb2', 'complete', undefined],
      ['lb3', 'failed', 'SERVICE_MISSING'],
    ]);
    const archive = await openArchive(target, result.archive);
    expect((await buffer(await archive.read('crontab/lb1/crontab'))).toString()).toBe('0 3 * * * root lsbackup\n');
  });

  it('lsbackup.yml works on the sample cluster', async () => {
    const target = join(place.directory, 'configured');
    await mkdir(target);
    const file = join(import.meta.dirname, '../../examples/lsbackup.yml');
    const ended = await runCli('-c', file, '-b', place.cluster.directory, '-t', target);
    expect(ended).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^Complete: lsbackup-sample-[^]*haproxy\/lb3 skipped: --skip haproxy@lb3\n$/),
    });
  });
});

describe('examples/backup.yml', () => {
  it('works on the sample cluster, and says what it has that is not there', async () => {
    const file = join(import.meta.dirname, '../../examples/backup.yml');
    const { status, stderr } = await runCli('plan', '-b', place.cluster.directory, '-f', file);
    expect(status).toBe(0);
    const missing = [...stderr.matchAll(/"([a-z]+)" is enabled, and no host of/g)].map(([, name]) => name);
    expect(missing).toEqual(['monitoring', 'postgresql', 'rabbitmq']);
  });
});

describe('sample cluster', () => {
  it.each(["sp ace's", '100%pure', `all: \\ "of" 'them', (100%) #1`])(
    'works in a directory called %s',
    async (name) => {
      const cluster = await startSampleCluster({ directory: join(place.directory, name), hosts: ['lb1'] });
      const target = join(cluster.directory, 'target');
      await mkdir(target);
      try {
        const backedUp = await runCli('-b', cluster.directory, '-t', target);
        // No warning either: what the configuration names is there.
        const stderr = expect.stringMatching(/^1 unit, 1 artifact, .*\nhaproxy\/lb1 started\nhaproxy\/lb1 complete\n$/);
        expect(backedUp).toMatchObject({ status: 0, stderr });
      } finally {
        await cluster.close();
      }
    },
  );

  it('leaves the directory of a running one alone, and takes that of an ended one', async () => {
    const directory = join(place.directory, 'kept');
    const kept = await startSampleCluster({ directory, hosts: ['lb1', 'lb2'] });
    try {
      await expect(startSampleCluster({ directory })).rejects.toThrow(`is still running in ${directory}`);
      expect(await runCli('plan', '-b', directory)).toMatchObject({ status: 0 });
    } finally {
      await kept.close();
    }
    const next = await startSampleCluster({ directory });
    await next.close();
  });
});
