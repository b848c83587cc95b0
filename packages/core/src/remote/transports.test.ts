import os from 'node:os';
import { expect, it } from '@jest/globals';
import { drain, rejection, sampleRemote } from '../../../../test/support/sample-remote.js';
import { describeTransport } from '../../../../test/support/transport-contract.js';
import type { TriedHost } from '../../../../test/support/transport-contract.js';
import { plainConnection } from '../cluster/connection/plain-connection.js';
import { connectHost } from './connect-host.js';

async function openSample(transport: 'ssh' | 'openssh'): Promise<TriedHost> {
  const sample = await sampleRemote();
  const remote = await sample.connect({ transport });
  return { remote, [Symbol.asyncDispose]: () => sample[Symbol.asyncDispose]() };
}

async function openLocal(): Promise<TriedHost> {
  const connection = { ...plainConnection('localhost'), transport: 'local' as const, become: undefined };
  const host = { name: 'here', groups: [], variables: {}, connection };
  const { username, homedir } = os.userInfo();
  const remote = await connectHost(host, { user: { name: username, homeDirectory: homedir } });
  return { remote, [Symbol.asyncDispose]: () => remote[Symbol.asyncDispose]() };
}

describeTransport('our own SSH', () => openSample('ssh'));
describeTransport("the system's ssh", () => openSample('openssh'));
describeTransport('no SSH at all', openLocal);

it.each(['ssh', 'openssh'] as const)('loses nothing silently when the connection of %s is cut', async (transport) => {
  await using sample = await sampleRemote();
  const remote = await sample.connect({ transport });
  const stream = await remote.read({ argv: ['sh', '-c', 'echo begin; sleep 60'] });
  const end = drain(stream);
  setTimeout(() => sample.server.cut(), 500);
  expect(await end).toMatchObject({ error: { code: 'STREAM_CUT', retryable: true } });
  expect(await rejection(remote.run({ argv: ['true'] }))).toMatchObject({ code: 'STREAM_CUT' });
});

it.each(['ssh', 'openssh'] as const)('takes a status for nothing when output is missing, by %s', async (transport) => {
  const fault = { cutAfter: 200_000, statusBeforeCut: 0 };
  await using sample = await sampleRemote({ faults: (line) => (line.includes('machineId') ? undefined : fault) });
  const remote = await sample.connect({ transport });
  const stream = await remote.read({ argv: ['head', '-c', '300000', '/dev/zero'] });
  expect(await drain(stream)).toMatchObject({ error: { code: 'STREAM_CUT' } });
});

it.each(['ssh', 'openssh'] as const)('manages with a server that allows few sessions, by %s', async (transport) => {
  await using sample = await sampleRemote({ maximumSessions: 2 });
  const remote = await sample.connect({ transport });
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => remote.run({ argv: ['sh', '-c', 'sleep 0.02; echo ok'] })),
  );
  expect(answers.map(({ stdout }) => stdout.toString())).toEqual(answers.map(() => 'ok\n'));
});
