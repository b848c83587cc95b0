import { once } from 'node:events';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { drain, sampleRemote } from '../../../../test/support/sample-remote.js';
import { signsOfLife } from './signs-of-life.js';

describe('signsOfLife', () => {
  it.each([
    [undefined, undefined, { interval: 15, count: 4 }],
    [0, undefined, { interval: 15, count: 4 }],
    [20, undefined, { interval: 20, count: 3 }],
    [60, 1, { interval: 60, count: 1 }],
    [3600, undefined, { interval: 3600, count: 1 }],
    [undefined, 10, { interval: 15, count: 10 }],
    [0, 10, { interval: 15, count: 10 }],
    [5, 0, { interval: 5, count: 1 }],
  ])('of an interval of %s and a count of %s', (keepAliveSeconds, keepAliveCount, expected) => {
    expect(signsOfLife({ keepAliveSeconds, keepAliveCount })).toEqual(expected);
  });
});

describe('a host that falls silent', () => {
  it('is given up after as many questions as ServerAliveCountMax says', async () => {
    await using sample = await sampleRemote();
    const proxy = net.createServer((client) => {
      const server = net.connect(sample.server.port, sample.server.address);
      client.pipe(server).pipe(client);
      for (const socket of [client, server]) socket.on('error', () => undefined);
      proxy.once('silence', () => server.unpipe(client).pause());
    });
    await once(proxy.listen(0, '127.0.0.1'), 'listening');
    try {
      const hostKeys = { ...sample.host.connection.hostKeys, alias: `[127.0.0.1]:${sample.server.port}` };
      const { port } = proxy.address() as AddressInfo;
      const remote = await sample.connect({ port, hostKeys, keepAliveSeconds: 1, keepAliveCount: 1 });
      const stream = drain(await remote.read({ argv: ['sleep', '50'] }));
      proxy.emit('silence');
      expect(await stream).toMatchObject({ error: { code: 'STREAM_CUT' } });
    } finally {
      proxy.close();
    }
  }, 30_000);
});
