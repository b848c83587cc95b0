import os from 'node:os';
import { expect, it } from '@jest/globals';
import { drain, rejection, sampleRemote } from '../../../../test/support/sample-remote.js';
import { describeConnections, describeTransport, startEcho } from '../../../../test/support/transport-contract.js';
import type { TriedHost } from '../../../../test/support/transport-contract.js';
import { plainConnection } from '../cluster/connection/plain-connection.js';
import type { Warning } from '../model/artifact.js';
import { connectHost } from './connect-host.js';

async function openSample(transport: 'ssh' | 'openssh', refuseForwarding = false): Promise<TriedHost> {
  const sample = await sampleRemote({ refuseForwarding });
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
describeConnections('an exec relay over our own SSH', () => openSample('ssh', true));
describeConnections("an exec relay over the system's ssh", () => openSample('openssh', true));

it('tells once that sshd refuses to forward, and does not ask it again', async () => {
  await using sample = await sampleRemote({ refuseForwarding: true });
  const warnings: Warning[] = [];
  await using remote = await connectHost(sample.host, { user: sample.user, warn: (warning) => warnings.push(warning) });
  await using server = await startEcho(remote, 'tcp');
  const before = sample.server.commands.length;
  for (let index = 0; index < 2; index += 1) (await remote.connect(server.address)).destroy();
  expect(sample.server.commands.length).toBe(before + 2);
  expect(warnings).toEqual([
    {
      code: 'HOST_FORWARD',
      message: expect.stringMatching(
        /^sample1: sshd refuses TCP forwarding to 127\.0\.0\.1:\d+ \(AllowTcpForwarding, PermitOpen\)\. Using exec relay\.$/,
      ),
    },
  ]);
});

it("does not turn to the system's ssh where its arguments must be kept secret", async () => {
  await using sample = await sampleRemote();
  const warnings: Warning[] = [];
  const warn = (warning: Warning): void => void warnings.push(warning);
  const connection = { ...sample.host.connection, certificateFiles: ['/k-cert.pub'], hiddenArguments: true as const };
  const refused = await rejection(connectHost({ ...sample.host, connection }, { user: sample.user, warn }));
  expect(refused).toMatchObject({ code: 'INVENTORY_UNSUPPORTED', host: 'sample1' });
  expect([warnings, sample.server.connections]).toEqual([[], 0]);
});

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
