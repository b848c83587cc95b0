import { Readable } from 'node:stream';
import { expect, it } from '@jest/globals';
import type { StepContext } from '../components/restore.js';
import { silentLogger } from '../model/logger.js';
import { FakeHost } from '../testing/fake-host.js';
import { stageFiles } from './stage-files.js';

it.each([
  ['gnu', '--sort\n--xattrs\n--acls\n', '--numeric-owner "$@" sh /d --xattrs --acls'],
  ['gnu', '--sort\n', '--numeric-owner "$@" sh /d'],
  ['busybox', '', '--numeric-owner "$@" sh /d'],
] as const)('unpacks with the rights that tar can: %s %j', async (tar, help, end) => {
  const rules = [
    { argv: /for option do/, answer: { stdout: help } },
    { argv: /^sh -c/, answer: {} },
  ];
  const remote = new FakeHost({ facts: { tar }, rules });
  const context: StepContext = {
    runId: 'r',
    remote: () => Promise.resolve(remote),
    read: () => Promise.resolve(Readable.from([])),
    warn: () => undefined,
    signal: new AbortController().signal,
    log: silentLogger,
  };
  await stageFiles.apply(context, { host: 'h', artifact: 'a', directory: '/d', entries: 1, bytes: 1 }, null);
  expect(remote.transcript.find((line) => line.includes('--extract'))?.endsWith(end)).toBe(true);
});
