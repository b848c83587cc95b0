import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { Clocks } from './clocks.js';

const clocks = (options: { deadline?: number; quiet?: number; isWaiting?: boolean }) => {
  const calls: string[] = [];
  const made = new Clocks({
    deadline: options.deadline,
    quiet: options.quiet,
    isWaiting: () => options.isWaiting ?? true,
    onLate: () => calls.push('late'),
    onSilent: () => calls.push('silent'),
  });
  return { made, calls };
};

it('call when the time is over, even where there is none, but not before the caller has them', async () => {
  const { calls } = clocks({ deadline: -1, quiet: 0 });
  expect(calls).toEqual([]);
  await delay(50);
  expect(calls.sort()).toEqual(['late', 'silent']);
});

it('do not count silence while nothing is wanted', async () => {
  const { made, calls } = clocks({ quiet: 0.02, isWaiting: false });
  await delay(100);
  made.stop();
  expect(calls).toEqual([]);
});

it('begin anew with every progress, and can be stopped', async () => {
  const { made, calls } = clocks({ deadline: 0.05, quiet: 0.5 });
  await delay(20);
  made.progress();
  made.stop();
  await delay(100);
  expect(calls).toEqual([]);
});
