import { readdirSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { fakeBackupContext } from '../../testing/fake-contexts.js';
import { prometheus } from './index.js';

import {
  options,
  oldBlock,
  snapshot,
  data,
  writeBlock,
  monitoringHost,
  discovered,
  useDataDirectory,
} from './prometheus.test-support.js';

useDataDirectory();

describe('a snapshot whose answer comes late or never', () => {
  const old = '20200101T000000Z-1';
  const future = '29990101T000000Z-1';
  const make = (name: string): void => {
    writeBlock(join(data, 'snapshots', name), oldBlock, 1_795_298_400_000);
  };
  const answer = (response: ServerResponse, name: string): void => {
    response.end(JSON.stringify({ status: 'success', data: { name } }));
  };
  const left = (): readonly string[] => readdirSync(join(data, 'snapshots')).sort();

  beforeEach(() => {
    for (const name of [old, future]) make(name);
  });

  function asking(): {
    readonly promise: Promise<ServerResponse>;
    readonly resolve: (response: ServerResponse) => void;
  } {
    let resolve: (response: ServerResponse) => void = () => undefined;
    const promise = new Promise<ServerResponse>((resolved) => {
      resolve = resolved;
    });
    return { promise, resolve };
  }

  /** A backup that can be aborted while its clean-up cannot. */
  async function started(answerSnapshot: (response: ServerResponse) => void, chosen = options) {
    const remote = monitoringHost({ answerSnapshot });
    const unit = await discovered(remote);
    const abort = new AbortController();
    const run = fakeBackupContext({ hosts: [remote], options: chosen });
    const work = prometheus.backup({ ...run.context, signal: abort.signal }, unit);
    work.catch(() => undefined);
    return { run, work, abort };
  }

  it('is removed by its name when the run was aborted meanwhile', async () => {
    const asked = asking();
    const { run, work, abort } = await started(asked.resolve);
    const response = await asked.promise;
    abort.abort();
    await expect(work).rejects.toMatchObject({ code: 'ABORTED' });
    const cleaned = run.cleanUp();
    make(snapshot);
    make('29990101T000000Z-2');
    answer(response, snapshot);
    await cleaned;
    expect(run.recorded).toContain(`mon1:${data}/snapshots/${snapshot}`);
    expect(left()).toEqual([old, future, '29990101T000000Z-2']);
  });

  it('is removed by its name after snapshot_timeout', async () => {
    const asked = asking();
    const { run, work } = await started(asked.resolve, { ...options, snapshot_timeout: 0.2 });
    const response = await asked.promise;
    await expect(work).rejects.toMatchObject({
      code: 'HTTP_FAILED',
      hint: expect.stringContaining('snapshot_timeout'),
    });
    make(snapshot);
    answer(response, snapshot);
    await run.cleanUp();
    expect(left()).toEqual([old, future]);
  });

  it.each([
    [
      'the connection is lost',
      (response: ServerResponse) => response.writeHead(200, { 'content-length': '99' }).end('{'),
      'HTTP_FAILED',
    ],
    ['the answer is no answer', (response: ServerResponse) => response.end('<html>'), 'SERVICE_ANSWER'],
    ['the request failed', (response: ServerResponse) => response.writeHead(500).end(), 'SERVICE_ANSWER'],
  ])("is left for a person, with a warning, when %s: it may be somebody else's", async (_title, end, code) => {
    const { run, work } = await started((response) => {
      for (const name of ['29990101T000000Z-3', '20200101T000000Z-2', 'mine']) make(name);
      end(response);
    });
    await expect(work).rejects.toMatchObject({ code });
    await run.cleanUp();
    expect(left()).toEqual([old, '20200101T000000Z-2', future, '29990101T000000Z-3', 'mine'].sort());
    const [warning] = run.warnings.filter((each) => each.code === 'SNAPSHOT_LEFTOVER');
    expect(warning?.message).toMatch(/29990101T000000Z-3$/);
  });

  const fresh = '29990101T000000Z-3';
  it.each([
    ['is removed when the error names it', [fresh], [old, future]],
    ['is left when the error names one that was there before', [old], [old, future, fresh]],
    ['is left when the error names several', [fresh, future], [old, future, fresh]],
    ['is left when the error names something in it only by its beginning', [`${fresh}x`], [old, future, fresh]],
  ])('%s', async (_title, named, kept) => {
    const { run, work } = await started((response) => {
      make(fresh);
      const links = named.map((name) => `link ${data}/x/meta.json ${data}/snapshots/${name}/x/meta.json`).join('; ');
      const error = `create snapshot: ${links}: operation not permitted`;
      response.writeHead(500).end(JSON.stringify({ status: 'error', errorType: 'internal', error }));
    });
    await expect(work).rejects.toMatchObject({ code: 'SERVICE_ANSWER', message: expect.stringContaining('link') });
    await run.cleanUp();
    expect(left()).toEqual([...kept].sort());
    const messages = run.warnings.filter((each) => each.code === 'SNAPSHOT_LEFTOVER').map(({ message }) => message);
    expect(messages).toEqual(
      kept.length > 2 ? [expect.stringMatching(/remove with rm -rf .*: 29990101T000000Z-3$/)] : [],
    );
  });

  it('is not asked for by a run that was aborted before', async () => {
    let asked = false;
    const remote = monitoringHost({ answerSnapshot: () => (asked = true) });
    const unit = await discovered(remote);
    const abort = new AbortController();
    const run = fakeBackupContext({ hosts: [remote], options });
    const record = (): Promise<void> => {
      abort.abort();
      return Promise.resolve();
    };
    await expect(prometheus.backup({ ...run.context, signal: abort.signal, record }, unit)).rejects.toThrow();
    await run.cleanUp();
    expect(asked).toBe(false);
    expect(left()).toEqual([old, future]);
  });
});
