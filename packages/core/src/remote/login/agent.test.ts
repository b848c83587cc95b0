import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { listAgentKeys, signWithAgent } from './agent.js';
import { wireString } from './wire.js';

/** An agent that answers every request with these bytes. */
async function withAgent<Result>(answer: Buffer, use: (socket: string) => Promise<Result>): Promise<Result> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'lsbackup-agent-'));
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    // In two pieces, as a socket may deliver it.
    socket.once('data', () => {
      socket.write(answer.subarray(0, 3));
      setTimeout(() => socket.end(answer.subarray(3)), 10);
    });
  });
  await new Promise<void>((resolve) => server.listen(path.join(directory, 'agent'), resolve));
  try {
    return await use(path.join(directory, 'agent'));
  } finally {
    server.close();
    await rm(directory, { recursive: true, force: true });
  }
}

const count = (value: number): Buffer => Buffer.from([0, 0, 0, value]);
const blob = Buffer.concat([wireString(Buffer.from('sk-ssh-ed25519@openssh.com')), wireString(Buffer.from('key'))]);
const keys = Buffer.concat([Buffer.from([12]), count(1), wireString(blob), wireString(Buffer.from('token'))]);

describe('an agent', () => {
  it('lists keys of every type', async () => {
    expect(await withAgent(wireString(keys), (socket) => listAgentKeys(socket))).toEqual([
      { blob, type: 'sk-ssh-ed25519@openssh.com', comment: 'token' },
    ]);
  });

  it('signs', async () => {
    const signature = Buffer.concat([wireString(Buffer.from('ssh-ed25519')), wireString(Buffer.from('signed'))]);
    const answer = wireString(Buffer.concat([Buffer.from([14]), wireString(signature)]));
    const request = { blob, data: Buffer.from('data'), hash: undefined };
    expect((await withAgent(answer, (socket) => signWithAgent(socket, request))).toString()).toBe('signed');
  });

  it.each([
    ['refuses', wireString(Buffer.from([5])), 'refuses'],
    [
      'promises more keys than come',
      wireString(Buffer.concat([keys.subarray(0, 1), count(9), keys.subarray(5)])),
      'too early',
    ],
    ['answers with far too much', Buffer.from([255, 255, 255, 255, 12]), 'nonsense'],
    ['hangs up', Buffer.from([0, 0, 0, 9, 12]), 'closed the connection'],
    ['says nothing at all', wireString(Buffer.alloc(0)), 'too early'],
  ])('that %s is an error', async (_, answer, message) => {
    await expect(withAgent(answer, (socket) => listAgentKeys(socket))).rejects.toThrow(message);
  });

  it('that is not there is an error', async () => {
    await expect(listAgentKeys('/nonexistent/agent')).rejects.toThrow('cannot be reached');
  });

  it('is not waited for when the run is aborted', async () => {
    const silent = net.createServer();
    const directory = await mkdtemp(path.join(os.tmpdir(), 'lsbackup-agent-'));
    const socket = path.join(directory, 'agent');
    await new Promise<void>((resolve) => silent.listen(socket, resolve));
    const controller = new AbortController();
    const listed = listAgentKeys(socket, controller.signal);
    controller.abort();
    await expect(listed).rejects.toThrow('cancelled');
    silent.close();
    await rm(directory, { recursive: true });
  });
});
