import { access, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createArchiveWriter } from '../archive/writer.js';
import type { BackupContext, ExpectedArtifact, Unit } from '../components/component.js';
import { thisController } from '../controller/controller.js';
import { bytesFormat } from '../formats/bytes.js';
import { BackupError } from '../model/errors.js';
import type { Format } from '../model/format.js';
import { silentLogger } from '../model/logger.js';
import { smallCluster, smallComponent, smallUnit } from '../testing/small-component.js';
import { ThisMachine } from '../testing/this-machine.js';
import { createLedger } from './ledger.js';
import { createProgress } from './progress.js';
import { createScheduler } from './scheduler.js';
import { runUnit, type UnitOutcome } from './unit-scope.js';

const cluster = smallCluster(['a']);
const host = cluster.hosts[0]!;
const expected: ExpectedArtifact = { path: 'small/a/content', host: 'a', commands: [] };
const artifact = { path: expected.path, host: 'a', format: bytesFormat };

const refusing: Format = {
  ...bytesFormat,
  check: () => ({
    write: () => {
      throw new BackupError('FORMAT_INVALID', 'not what it should be');
    },
    end: () => undefined,
  }),
};

describe('the scope of a unit', () => {
  let directory: string;
  let machine: ThisMachine;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lsbackup-unit-'));
    machine = new ThisMachine();
  });

  afterEach(async () => {
    for (const child of machine.processes) child.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  });

  async function outcomeOf(
    backup: (context: BackupContext<unknown>) => Promise<void>,
    artifacts: readonly ExpectedArtifact[] = [expected],
    more: Partial<Unit> = {},
  ): Promise<UnitOutcome> {
    const { signal } = new AbortController();
    const remote = (): Promise<ThisMachine> => Promise.resolve(machine);
    const startedAt = new Date();
    const log = silentLogger;
    const writer = createArchiveWriter({
      output: new Writable({ write: (_chunk, _encoding, done) => done() }),
      memory: 64 * 1024 * 1024,
      signal,
      info: { cluster: cluster.name, startedAt, tool: { name: 'test', version: '1' } },
    });
    const ledger = createLedger({
      ...{ runId: 'run-1', startedAt, controller: await thisController(), remote, signal, log },
      stateDirectory: join(directory, 'state'),
      warn: () => undefined,
    });
    const progress = createProgress(
      () => undefined,
      () => 0,
    );
    const scheduler = createScheduler({ buffers: writer.buffers, streams: 4, streamsPerHost: 2, channelsPerHost: 4 });
    try {
      return await runUnit(
        {
          ...{ runId: 'run-1', cluster, writer, scheduler, ledger, progress, remote, signal, log },
          options: () => ({}),
          cleanUpSeconds: 5,
        },
        smallComponent('small', { backup }),
        { ...smallUnit('a', artifacts), ...more },
      );
    } finally {
      progress.stop();
    }
  }

  it('takes what a component throws before it returns a promise as any other failure', async () => {
    const outcome = await outcomeOf(() => {
      throw new BackupError('SERVICE_ANSWER', 'at once');
    });
    expect(outcome).toMatchObject({ status: 'failed', error: { code: 'SERVICE_ANSWER' } });
  });

  it('does not begin a backup that would fill the host’s disk', async () => {
    let begun = false;
    const tempSpace = [{ host: 'a', path: '/', bytes: 2 ** 60, why: 'it is large' }];
    const backup = (): Promise<void> => Promise.resolve(void (begun = true));
    const outcome = await outcomeOf(backup, [expected], { tempSpace });
    expect(begun).toBe(false);
    expect(outcome).toMatchObject({
      status: 'failed',
      error: { code: 'HOST_SPACE', component: 'small', message: expect.stringContaining('it is large') },
      failed: [{ path: expected.path, code: 'HOST_SPACE' }],
    });
  });

  describe('bytes that are here already', () => {
    it('are saved like a stream', async () => {
      let saved: unknown;
      const outcome = await outcomeOf(async (context) => {
        saved = await context.saveBytes(artifact, Buffer.from('abc'));
      });
      const record = {
        path: expected.path,
        bytes: 3,
        sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
      };
      expect(saved).toEqual(record);
      expect(outcome).toMatchObject({
        status: 'complete',
        failed: [],
        artifacts: [{ ...record, host: 'a', unit: 'a' }],
      });
    });

    it('fail the unit when they are not what their format says, whoever looks', async () => {
      const outcome = await outcomeOf(async (context) => {
        void context.saveBytes({ ...artifact, format: refusing }, Buffer.from('abc'));
        await Promise.resolve();
      });
      expect(outcome).toMatchObject({
        status: 'failed',
        error: { code: 'FORMAT_INVALID' },
        artifacts: [],
        failed: [{ path: expected.path, code: 'FORMAT_INVALID' }],
      });
    });

    it.each([
      ['under a path of another component', 'other/a/content'],
      ['twice', expected.path],
    ])('are not saved %s, and a component that catches it does not hide it', async (_title, path) => {
      const outcome = await outcomeOf(async (context) => {
        await context.saveBytes(artifact, Buffer.from('abc'));
        await context.saveBytes({ ...artifact, path }, Buffer.from('def')).catch(() => undefined);
      });
      expect(outcome).toMatchObject({ status: 'partial', error: { code: 'INTERNAL' } });
      expect(outcome.artifacts).toHaveLength(1);
    });
  });

  describe('an artifact that stands alone', () => {
    const [first, second] = ['small/a/first', 'small/a/second'];
    const both = [first, second].map((path) => ({ ...expected, path }));
    const broken = { open: () => Promise.reject(new BackupError('SERVICE_ANSWER', 'this one is locked')) };
    const content = { open: () => Promise.resolve(Readable.from([Buffer.from('abc')])) };

    it.each([
      ['takes nothing with it', true, { status: 'partial', saved: [second] }],
      ['would take the others with it if it did not', false, { status: 'failed', saved: [] }],
    ])('%s when it fails', async (_title, alone, { status, saved }) => {
      const outcome = await outcomeOf(async (context) => {
        await context.save({ ...artifact, ...broken, path: first, alone }).catch(() => undefined);
        await context.save({ ...artifact, ...content, path: second });
      }, both);
      expect(outcome).toMatchObject({ status, error: { code: 'SERVICE_ANSWER' } });
      expect(outcome.artifacts.map(({ path }) => path)).toEqual(saved);
      expect(outcome.failed).toMatchObject(
        both.filter(({ path }) => !saved.includes(path)).map(({ path }) => ({ path, reason: 'this one is locked' })),
      );
    });
  });

  describe('what a unit has on a host', () => {
    const exists = (path: string): Promise<boolean> =>
      access(path).then(
        () => true,
        () => false,
      );

    it.each([
      ['succeeds', false],
      ['fails', true],
    ])('is there for its clean-ups and gone when the unit %s', async (_title, fails) => {
      const snapshot = join(directory, 'outside', 'snapshot');
      const seen: boolean[] = [];
      const outcome = await outcomeOf(async (context) => {
        let workspace = '';
        context.defer(async () => {
          seen.push(await exists(join(workspace, 'dump')), await exists(snapshot));
        });
        workspace = await context.workspace(host);
        await writeFile(join(workspace, 'dump'), 'data');
        await context.record(host, snapshot);
        await mkdir(snapshot, { recursive: true });
        expect(await context.workspace(host)).toBe(workspace);
        await context.saveBytes(artifact, Buffer.from('abc'));
        if (fails) throw new BackupError('SERVICE_ANSWER', 'the server changed its mind');
      });
      expect(outcome.error?.code).toBe(fails ? 'SERVICE_ANSWER' : undefined);
      expect(outcome.warnings).toEqual([]);
      expect(seen).toEqual([true, true]);
      expect(machine.processes).toHaveLength(1);
      expect(await readdir(directory)).toEqual(['outside']);
      expect(await readdir(join(directory, 'outside'))).toEqual([]);
    });
  });

  describe('an artifact that is gone', () => {
    const goes = (path: string) => (context: BackupContext<unknown>) => {
      context.gone(path, 'the second listing has it no more');
      return Promise.resolve();
    };

    it('is no failure where the plan said so, and the evidence is kept', async () => {
      const outcome = await outcomeOf(goes(expected.path), [{ ...expected, mayBeGone: true }]);
      expect(outcome).toMatchObject({ status: 'complete', failed: [], artifacts: [] });
      expect(outcome.warnings).toEqual([
        { code: 'ARTIFACT_GONE', message: 'small/a/content: the second listing has it no more' },
      ]);
    });

    it.each([
      ['the plan did not say so', expected.path],
      ['the plan does not have it', 'small/a/unknown'],
    ])('is a failure where %s', async (_title, path) => {
      const outcome = await outcomeOf(goes(path));
      expect(outcome).toMatchObject({
        status: 'failed',
        error: { code: 'INTERNAL' },
        failed: [{ path: expected.path }],
        warnings: [],
      });
    });
  });
});
