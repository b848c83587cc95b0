import { afterEach, expect, it, jest } from '@jest/globals';
import { silentLogger } from '../model/logger.js';
import { smallCluster, smallComponent } from '../testing/small-component.js';
import { discoverAll } from './discover.js';

afterEach(() => {
  jest.useRealTimers();
});

it('a component that never answers, and heeds no signal, becomes one failed unit after 300 s', async () => {
  jest.useFakeTimers();
  let given: AbortSignal | undefined;
  const deaf = smallComponent('deaf', {
    discover: ({ signal }) => {
      given = signal;
      return new Promise(() => undefined);
    },
  });
  let found: Awaited<ReturnType<typeof discoverAll>> | undefined;
  void discoverAll(
    {
      cluster: smallCluster(['a', 'b']),
      remote: () => Promise.reject(new Error('nobody asks for it')),
      options: () => ({}),
      signal: new AbortController().signal,
      log: silentLogger,
    },
    [{ component: deaf, hosts: ['a', 'b'], skipped: [] }],
  ).then((units) => (found = units));
  await jest.advanceTimersByTimeAsync(299_000);
  expect(given?.aborted).toBe(false);
  await jest.advanceTimersByTimeAsync(1000);
  expect(given?.aborted).toBe(true);
  expect(found).toMatchObject([
    { planned: { name: 'deaf', hosts: ['a', 'b'], status: 'failed', code: 'COMMAND_TIMEOUT' } },
  ]);
});
