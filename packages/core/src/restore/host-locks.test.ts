import { expect, it } from '@jest/globals';
import { silentLogger } from '../model/logger.js';
import { FakeHost } from '../testing/fake-host.js';
import { lockHosts } from './host-locks.js';

const runId = '20260101T000000Z-00000000';

/** Its lock command ends as soon as it has answered, as one whose connection is lost. */
function hostThatLoses(answers: string[]): FakeHost {
  return new FakeHost({
    name: 'a',
    rules: [
      { argv: /flock/, answer: () => ({ stdout: `${answers.shift() ?? 'locked'}\n` }) },
      { argv: /LSBACKUP_RESTORE/, answer: {} },
    ],
  });
}

async function lockAndRenew(host: FakeHost): Promise<void> {
  const reach = (): Promise<FakeHost> => Promise.resolve(host);
  const signal = new AbortController().signal;
  const locks = await lockHosts(['a'], { runId, reach, signal, log: silentLogger });
  await new Promise((resolve) => setImmediate(resolve));
  await locks.renew(['a'], reach);
  await locks.release();
}

it('takes a lock again that went with its connection, after what is left of the old one was ended', async () => {
  const host = hostThatLoses([]);
  await lockAndRenew(host);
  const kinds = host.transcript.map((line) => (line.includes('flock') ? 'lock' : 'fence'));
  expect(kinds).toEqual(['lock', 'fence', 'lock']);
});

it('does not go on where somebody else has taken the host in between', async () => {
  await expect(lockAndRenew(hostThatLoses(['locked', 'busy']))).rejects.toMatchObject({ code: 'HOST_LOCKED' });
});
