import net from 'node:net';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import { describe, expect, it } from '@jest/globals';
import { connectTcp } from './socket.js';

const signal = new AbortController().signal;

async function listening(address: string, use: (port: number) => Promise<void>): Promise<void> {
  const server = net.createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  await use((server.address() as AddressInfo).port);
  server.close();
}

describe('connectTcp', () => {
  const own = (os.networkInterfaces().lo ?? []).map(({ address }) => address);

  it.each([...own, ...own.filter(net.isIPv6).map((address) => `${address}%lo`)])('connects to %s', async (address) => {
    await listening(address.replace(/%.*/, ''), async (port) => {
      const socket = await connectTcp(address, port, signal);
      expect(socket.remotePort).toBe(port);
      socket.destroy();
    });
  });

  it('says why none of the addresses of a name answers', async () => {
    await expect(connectTcp('localhost', 1, signal)).rejects.toThrow(/ECONNREFUSED .*:1\b/);
    await expect(connectTcp('no-such-host.invalid', 22, signal)).rejects.toThrow(/no-such-host\.invalid/);
  });

  it('stops when it is aborted', async () => {
    const controller = new AbortController();
    // An address for documentation (RFC 5737): nothing answers.
    const connection = connectTcp('192.0.2.1', 22, controller.signal);
    controller.abort();
    await expect(connection).rejects.toThrow();
  });
});
