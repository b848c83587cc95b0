import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { rejection, sampleRemote, trusting } from '../../../../test/support/sample-remote.js';
import type { Become, HostKeyPolicy } from '../cluster/cluster.js';
import { Secret } from '../model/secret.js';

const withPassword: Become = { method: 'sudo', password: new Secret('pass-of-the-test') };

describe('a host whose key is not the known one, with StrictHostKeyChecking=no', () => {
  it.each(['sudo', 'su'] as const)('is not used where %s would be given a password', async (method) => {
    await using sample = await sampleRemote();
    const hostKeys = await sample.changedKey();
    expect(await rejection(sample.connect({ hostKeys, become: { ...withPassword, method } }))).toMatchObject({
      code: 'HOST_KEY',
      host: 'sample1',
      message: `sample1: its key is not the known one, and no password for ${method} is sent to such a host`,
      hint: expect.stringContaining('ansible_become_password'),
    });
    expect(sample.server.commands).toEqual([]);
  });

  it('is used where no password is needed', async () => {
    await using sample = await sampleRemote();
    const remote = await sample.connect({
      hostKeys: await sample.changedKey(),
      become: { method: 'sudo', password: undefined },
    });
    expect(remote.facts.sshFingerprint).toBe(sample.server.fingerprint);
  });
});

describe('a host that no file knows, with StrictHostKeyChecking=no', () => {
  it('is used with a password, as ssh itself gives it one', async () => {
    await using sample = await sampleRemote();
    const hostKeys: HostKeyPolicy = { ...trusting(path.join(sample.directory, 'none')), strict: 'no' };
    const remote = await sample.connect({ hostKeys, become: withPassword });
    expect(remote.facts.sshFingerprint).toBe(sample.server.fingerprint);
  });
});
