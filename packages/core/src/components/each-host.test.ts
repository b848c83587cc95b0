import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { Host } from '../cluster/cluster.js';
import { BackupError } from '../model/errors.js';
import type { RemoteHost } from '../remote/remote-host.js';
import type { DiscoverContext } from './component.js';
import { discoverEachHost } from './each-host.js';

const hosts = ['a', 'b', 'c'].map((name) => ({ name }) as Host);

function context(signal: AbortSignal): DiscoverContext<unknown> {
  return {
    hosts,
    optionsFor: () => ({}),
    remote: (host) => Promise.resolve({ host } as RemoteHost),
    signal,
    log: { child: () => undefined } as unknown as DiscoverContext<unknown>['log'],
  };
}

describe('discoverEachHost', () => {
  afterEach(() => {
    jest.useRealTimers();
  });

  it('keeps the answers of the others when one host never answers', async () => {
    jest.useFakeTimers();
    const run = new AbortController();
    let given: AbortSignal | undefined;
    const discovery = discoverEachHost('small', context(run.signal), (_remote, host, signal) => {
      if (host.name !== 'b') return Promise.resolve({ absent: `nothing on ${host.name}` });
      given = signal;
      return new Promise(() => undefined);
    });
    await jest.advanceTimersByTimeAsync(239_000);
    expect(given?.aborted).toBe(false);
    await jest.advanceTimersByTimeAsync(1000);
    expect(given?.aborted).toBe(true);
    const { absent, problems } = await discovery;
    expect(absent.map(({ host }) => host)).toEqual(['a', 'c']);
    expect(problems).toMatchObject([
      { unit: 'b', hosts: ['b'], error: { code: 'COMMAND_TIMEOUT', host: 'b', component: 'small' } },
    ]);
  });

  it('makes a host that fails a problem of its own', async () => {
    const { absent, problems } = await discoverEachHost(
      'small',
      context(new AbortController().signal),
      (_remote, host) =>
        host.name === 'c'
          ? Promise.reject(new BackupError('SERVICE_DOWN', 'c: it is down'))
          : Promise.resolve({ absent: 'none' }),
    );
    expect(absent.map(({ host }) => host)).toEqual(['a', 'b']);
    expect(problems).toMatchObject([{ unit: 'c', error: { code: 'SERVICE_DOWN', host: 'c' } }]);
  });

  it('ends as a whole, at once, when the run is aborted', async () => {
    const run = new AbortController();
    const discovery = discoverEachHost('small', context(run.signal), () => new Promise(() => undefined));
    run.abort(new BackupError('ABORTED', 'stop'));
    await expect(discovery).rejects.toMatchObject({ code: 'ABORTED', message: 'stop' });
  });
});
