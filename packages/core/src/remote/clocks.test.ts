import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { Clocks } from './clocks.js';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

const clocks = (options: { deadline?: number; quiet?: number; isWaiting?: () => boolean }) => {
  const calls: string[] = [];
  const made = new Clocks({
    deadline: options.deadline,
    quiet: options.quiet,
    isWaiting: options.isWaiting ?? (() => true),
    onLate: () => calls.push('late'),
    onSilent: () => calls.push('silent'),
  });
  return { made, calls };
};

it('call when the time is over, even where there is none, but not before the caller has them', () => {
  const { calls } = clocks({ deadline: -1, quiet: 0 });
  expect(calls).toEqual([]);
  jest.advanceTimersByTime(1);
  expect(calls).toEqual(['late', 'silent']);
});

it('count silence only while something is wanted', () => {
  let wanted = false;
  const { calls } = clocks({ quiet: 5, isWaiting: () => wanted });
  jest.advanceTimersByTime(60_000);
  expect(calls).toEqual([]);
  wanted = true;
  jest.advanceTimersByTime(60_000);
  expect(calls).toEqual(['silent']);
});

it('count silence anew with every progress, but not the time for the whole', () => {
  const { made, calls } = clocks({ deadline: 12, quiet: 5 });
  jest.advanceTimersByTime(4000);
  made.progress();
  jest.advanceTimersByTime(4000);
  expect(calls).toEqual([]);
  jest.advanceTimersByTime(1000);
  expect(calls).toEqual(['silent']);
  jest.advanceTimersByTime(3000);
  expect(calls).toEqual(['silent', 'late']);
});

it('can be stopped', () => {
  const { made, calls } = clocks({ deadline: 1, quiet: 2 });
  made.stopDeadline();
  jest.advanceTimersByTime(1500);
  made.stop();
  jest.advanceTimersByTime(60_000);
  expect(calls).toEqual([]);
});
