import { describe, expect, it } from '@jest/globals';
import { FakeHost } from '../testing/fake-host.js';
import { clockFindings } from './clock-check.js';

/** What a clock that is so many seconds ahead makes of the check; `print` is how that `date` writes it. */
async function clock(ahead: number, print = (seconds: number) => `${seconds.toFixed(9)}\n`) {
  const answer = () => ({ stdout: print(Date.now() / 1000 + ahead) });
  const host = new FakeHost({ rules: [{ argv: ['date', '+%s.%N'], answer }] });
  return (await clockFindings(host, new AbortController().signal))[1];
}

const wholeSeconds = (seconds: number): string => `${String(Math.floor(seconds))}.%N\n`;

describe('the clock of a host', () => {
  it.each([
    ['right', 0],
    ['a little ahead', 1.5],
    ['a little behind', -1.5],
  ])('is %s: ok', async (_title, ahead) => {
    expect(await clock(ahead)).toMatchObject({ check: 'clock', status: 'ok' });
  });

  it.each([
    [2.5, '+2.5 s'],
    [-2.5, '-2.5 s'],
    [86_400, '+86400.0 s'],
  ])('is %d s away: a warning with what to do', async (ahead, text) => {
    expect(await clock(ahead)).toMatchObject({
      status: 'warning',
      detail: expect.stringContaining(text),
      remedy: expect.stringContaining('NTP'),
    });
  });

  it('that is told in whole seconds only is given the benefit of the doubt', async () => {
    expect(await clock(2, wholeSeconds)).toMatchObject({ status: 'ok' });
    expect(await clock(3.6, wholeSeconds)).toMatchObject({ status: 'warning' });
  });

  it('that prints no number is COMMAND_FAILED', async () => {
    await expect(clock(0, () => 'Sun Nov 22')).rejects.toMatchObject({ code: 'COMMAND_FAILED' });
  });
});
