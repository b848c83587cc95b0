import http from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { rejection, sampleRemote } from '../../../../test/support/sample-remote.js';
import { Secret } from '../model/secret.js';
import { httpRequest } from './http.js';

async function serve(listener: RequestListener): Promise<AsyncDisposable & { readonly port: number }> {
  const server = http.createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const echo: RequestListener = (request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { url, method, headers } = request;
    response.writeHead(url === '/missing' ? 404 : 200, { 'x-kind': 'echo' });
    response.end(
      JSON.stringify({ url, method, authorization: headers.authorization, body: Buffer.concat(chunks).toString() }),
    );
  });
};

describe('httpRequest', () => {
  it('sends what it is given through the host, and returns any status', async () => {
    await using sample = await sampleRemote();
    await using service = await serve(echo);
    const remote = await sample.connect();
    const to = { host: '127.0.0.1', port: service.port };
    const auth = { user: 'me', password: new Secret('pass') };
    const answer = await httpRequest(remote, { ...to, path: '/a?b=c', method: 'POST', body: 'hällo', auth });
    expect(answer).toMatchObject({ status: 200, headers: { 'x-kind': 'echo' } });
    expect(JSON.parse(answer.body.toString())).toEqual({
      url: '/a?b=c',
      method: 'POST',
      authorization: 'Basic bWU6cGFzcw==',
      body: 'hällo',
    });
    expect(await httpRequest(remote, { ...to, path: '/missing' })).toMatchObject({ status: 404 });
  });

  it('fails on an answer that is cut, too large, or does not come', async () => {
    await using sample = await sampleRemote();
    await using service = await serve((request, response) => {
      if (request.url === '/slow') return;
      if (request.url === '/large') return void response.end(Buffer.alloc(100_000));
      response.writeHead(200, { 'content-length': 100 });
      response.write('half');
      setTimeout(() => response.destroy(), 50);
    });
    const remote = await sample.connect();
    const to = { host: '127.0.0.1', port: service.port };
    const failed = {
      code: 'HTTP_FAILED',
      host: 'sample1',
      message: expect.stringContaining(`127.0.0.1:${service.port}`),
    };
    expect(await rejection(httpRequest(remote, { ...to, path: '/cut' }))).toMatchObject(failed);
    expect(await rejection(httpRequest(remote, { ...to, path: '/large', maximumBytes: 1000 }))).toMatchObject(failed);
    expect(await rejection(httpRequest(remote, { ...to, path: '/slow', deadline: 0.3 }))).toMatchObject(failed);
    const signal = AbortSignal.timeout(100);
    expect(await rejection(httpRequest(remote, { ...to, path: '/slow', signal }))).toMatchObject({ code: 'ABORTED' });
  });

  it('fails when the SSH connection is lost during an answer without a length', async () => {
    await using sample = await sampleRemote();
    await using service = await serve((_request, response) => {
      response.socket?.write('HTTP/1.0 200 OK\r\n\r\nhalf of it');
      setTimeout(() => sample.server.cut(), 50);
    });
    const remote = await sample.connect();
    const error = await rejection(httpRequest(remote, { host: '127.0.0.1', port: service.port, path: '/' }));
    expect(error).toMatchObject({ code: 'STREAM_CUT', host: 'sample1' });
  });

  it('says whether nothing listens or forwarding is forbidden', async () => {
    await using open = await sampleRemote();
    await using closed = await sampleRemote({ refuseForwarding: true });
    const to = { host: '127.0.0.1', port: 1, path: '/' };
    expect(await rejection(httpRequest(await open.connect(), to))).toMatchObject({
      code: 'HOST_FORWARD',
      retryable: true,
    });
    const forbidden = await rejection(httpRequest(await closed.connect(), to));
    expect(forbidden).toMatchObject({
      code: 'HOST_FORWARD',
      retryable: false,
      hint: expect.stringContaining('AllowTcpForwarding'),
    });
  });
});
