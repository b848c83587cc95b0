import { expect, it } from '@jest/globals';
import { exitStatusOf } from './run-command.js';

const outcome = { summary: { status: 'partial' }, text: '', exitStatus: 3 };

it('ends with the status of the signal that stopped it, and else with its own', () => {
  expect(exitStatusOf({ ...outcome, isStopped: true }, 130)).toBe(130);
  expect(exitStatusOf({ ...outcome, isStopped: true }, undefined)).toBe(3);
  // It came too late to stop anything.
  expect(exitStatusOf({ ...outcome, isStopped: false }, 143)).toBe(3);
  expect(exitStatusOf(outcome, 143)).toBe(3);
});
