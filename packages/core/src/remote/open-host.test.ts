import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { sampleRemote, trusting } from '../../../../test/support/sample-remote.js';
import type { Become, HostKeyPolicy } from '../cluster/cluster.js';
import { Secret } from '../model/secret.js';

const withPassword: Become = { method: 'sudo', password: new Secret('pass-of-the-test') };

describe('a host whose key is not the known one, with StrictHostKeyChecking=no', () => {
  it('is used where it asks for no password', async () => {
    await using sample = await sampleRemote();
    const remote = await sample.connect({ hostKeys: await sample.changedKey(), become: withPassword });
    expect(remote.facts).toMatchObject({ sshFingerprint: sample.server.fingerprint, isDoubtful: true });
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
