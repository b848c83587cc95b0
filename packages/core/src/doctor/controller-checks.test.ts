import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { examineController } from './controller-checks.js';

const { signal } = new AbortController();

async function agentFinding(agentSocket?: string) {
  const user = { name: 'me', homeDirectory: '/home/me', ...(agentSocket !== undefined && { agentSocket }) };
  return (await examineController(user, [], signal)).find(({ check }) => check === 'agent');
}

describe('the SSH agent', () => {
  let directory: string;
  let socketFile: string;
  let server: Server | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lsbackup-agent-'));
    socketFile = join(directory, 'agent');
  });
  afterEach(async () => {
    server?.close();
    server = undefined;
    await rm(directory, { recursive: true });
  });

  async function serve(answer: (socket: Socket, request: Buffer) => void): Promise<void> {
    server = createServer((socket) => socket.on('error', () => undefined).once('data', (data) => answer(socket, data)));
    await new Promise<void>((resolve) => server?.listen(socketFile, resolve));
  }

  it('may be missing', async () => {
    expect(await agentFinding()).toEqual({ check: 'agent', status: 'ok', detail: 'no SSH agent' });
  });

  it('is asked how many keys it has, also where its answer comes in pieces', async () => {
    await serve((socket, request) => {
      expect([...request]).toEqual([0, 0, 0, 1, 11]);
      socket.write(Buffer.from([0, 0, 0, 9, 12, 0]));
      setTimeout(() => socket.write(Buffer.from([0, 0, 2, 0, 0, 0, 0])), 20);
    });
    expect(await agentFinding(socketFile)).toMatchObject({ status: 'ok', detail: 'SSH agent with 2 keys' });
  });

  it('that refuses, or is gone, is a warning', async () => {
    expect(await agentFinding(socketFile)).toMatchObject({
      status: 'warning',
      detail: expect.stringContaining('no such file or directory'),
      remedy: expect.stringContaining('SSH_AUTH_SOCK'),
    });
    await serve((socket) => socket.end(Buffer.from([0, 0, 0, 1, 5, 0, 0, 0, 0])));
    expect(await agentFinding(socketFile)).toMatchObject({ status: 'warning' });
  });
});

it('names Node.js and the user', async () => {
  const findings = await examineController({ name: 'me', homeDirectory: '/home/me' }, [], signal);
  expect(findings.map(({ detail }) => detail)).toEqual(
    expect.arrayContaining([`Node.js ${process.versions.node}`, 'user me']),
  );
});
