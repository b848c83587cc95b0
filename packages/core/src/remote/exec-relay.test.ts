import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { must, temporaryDirectory } from '../../../../test/support/lsbackup.js';
import { rejection, sampleRemote } from '../../../../test/support/sample-remote.js';
import { relayCommand } from './exec-relay.js';
import { Forwards } from './forwards.js';
import { RefusedError } from './transport.js';

/** Runs the relay on this machine with these programs alone, and gives it what to send. */
async function relay(
  programs: readonly string[],
  port: number,
  input: string,
): Promise<{ readonly output: string; readonly status: number | null }> {
  await using directory = await temporaryDirectory();
  for (const name of programs) {
    const found = (await must('/bin/sh', '-c', 'command -v "$1"', 'sh', name)).trim();
    const script = `#!/bin/sh\nPATH=${process.env.PATH ?? ''} exec ${found} "$@"\n`;
    await writeFile(path.join(directory.path, name), script, { mode: 0o755 });
  }
  const [program = '', ...argv] = relayCommand({ host: '127.0.0.1', port }).argv;
  const child = spawn(program, argv, { env: { PATH: directory.path } });
  const closed = once(child, 'close');
  child.stdin.on('error', () => undefined);
  child.stdin.write(input);
  const output = (await buffer(child.stdout)).toString();
  const [status] = (await closed) as [number | null];
  return { output, status };
}

/** Answers the first line and ends the connection. */
async function serveLine(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = net.createServer((socket) => socket.once('data', (data) => socket.end(`got ${data.toString()}`)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}

describe('the exec relay', () => {
  it.each([
    ['Python', ['python3']],
    ['bash', ['bash', 'cat']],
  ])('connects with %s, and says when it cannot', async (_name, programs) => {
    await using server = await serveLine();
    expect(await relay(programs, server.port, 'a line\n')).toEqual({ output: '+got a line\n', status: 0 });
    expect(await relay(programs, 1, 'a line\n')).toEqual({ output: '', status: 81 });
  });

  it('says when the host has nothing to connect with', async () => {
    expect(await relay([], 1, '')).toEqual({ output: '', status: 82 });
  });

  it('is not what a refusal is taken for when nothing can relay', async () => {
    const forwards = new Forwards('sample1', {
      mayRelay: true,
      warn: () => undefined,
      open: () => Promise.reject(new RefusedError('open failed', 'prohibited')),
      start: () => Promise.reject(new RefusedError('there is no python3 and no bash', undefined)),
    });
    expect(await rejection(forwards.connect({ host: '10.0.0.1', port: 9090 }, undefined))).toMatchObject({
      code: 'HOST_FORWARD',
      retryable: false,
      message: expect.stringContaining('refuses TCP forwarding to 10.0.0.1:9090 (AllowTcpForwarding, PermitOpen)'),
      hint: 'Allow forwarding in sshd_config on sample1, or install python3 there.',
    });
  });

  it('fails when the connection behind it is reset', async () => {
    await using sample = await sampleRemote({ refuseForwarding: true });
    const server = net.createServer((socket) => socket.once('data', () => socket.resetAndDestroy()));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const socket = await (await sample.connect()).connect({ host: '127.0.0.1', port });
    socket.write('something');
    expect(await rejection(buffer(socket))).toMatchObject({
      code: 'COMMAND_FAILED',
      message: expect.stringContaining('reset'),
    });
    server.close();
  });
});
