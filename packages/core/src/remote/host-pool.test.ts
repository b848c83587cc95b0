import { describe, expect, it } from '@jest/globals';
import { rejection, sampleRemote, trusting } from '../../../../test/support/sample-remote.js';
import type { Host } from '../cluster/cluster.js';
import { BackupError } from '../model/errors.js';
import { createHostPool } from './host-pool.js';

const named = (host: Host, name: string): Host => ({ ...host, name });

describe('createHostPool', () => {
  it('connects a host once, for everybody, and closes it at the end', async () => {
    await using sample = await sampleRemote();
    const pool = createHostPool({ user: sample.user });
    const [one, two] = await Promise.all([pool.get(sample.host), pool.get(sample.host)]);
    expect(one).toBe(two);
    expect(sample.server.connections).toBe(1);
    await pool[Symbol.asyncDispose]();
    expect(await rejection(one.run({ argv: ['true'] }))).toMatchObject({ code: 'STREAM_CUT' });
    expect(await rejection(pool.get(sample.host))).toMatchObject({ code: 'ABORTED' });
  });

  it('remembers a host that failed, and goes on with the others', async () => {
    await using sample = await sampleRemote();
    await using pool = createHostPool({ user: sample.user });
    const bad = {
      ...named(sample.host, 'bad'),
      connection: { ...sample.host.connection, hostKeys: trusting('/dev/null') },
    };
    const [first, second] = await Promise.all([rejection(pool.get(bad)), rejection(pool.get(bad))]);
    expect(first).toMatchObject({ code: 'HOST_KEY', host: 'bad' });
    expect(second).toBe(first);
    expect((await pool.get(sample.host)).facts.hostname).not.toBe('');
    expect(sample.server.connections).toBe(2);
    const outcomes = await pool.outcomes();
    expect(outcomes.map(({ host, error }) => [host.name, error?.code])).toEqual([
      ['bad', 'HOST_KEY'],
      ['sample1', undefined],
    ]);
  });

  it('never calls a host that cannot be reached as the inventory says', async () => {
    await using sample = await sampleRemote();
    await using pool = createHostPool({ user: sample.user });
    const refusal = new BackupError('INVENTORY_UNSUPPORTED', 'no way');
    expect(await rejection(pool.get({ ...sample.host, refusal }))).toBe(refusal);
    expect(sample.server.connections).toBe(0);
  });

  it('accepts any key when the inventory says so, with a warning', async () => {
    await using sample = await sampleRemote();
    const warnings: unknown[] = [];
    await using pool = createHostPool({
      user: sample.user,
      warn: (host, { code, message }) => warnings.push([host.name, code, message]),
    });
    const connection = {
      ...sample.host.connection,
      hostKeys: { ...trusting('/dev/null'), strict: 'no' as const },
    };
    await pool.get({ ...sample.host, connection });
    expect(warnings).toEqual([['sample1', 'HOST_KEY_UNCHECKED', expect.stringContaining(sample.server.fingerprint)]]);
  });

  it('dials no more hosts at once than it may', async () => {
    await using sample = await sampleRemote();
    let dialling = 0;
    let most = 0;
    const connect = async (): Promise<never> => {
      dialling += 1;
      most = Math.max(most, dialling);
      await new Promise((resolve) => setTimeout(resolve, 10));
      dialling -= 1;
      throw new Error('no');
    };
    await using pool = createHostPool({ user: sample.user, dials: 2, connect });
    await Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map((name) => pool.get(named(sample.host, name))));
    expect(most).toBe(2);
  });
});
