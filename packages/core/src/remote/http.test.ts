import http from 'node:http';
import https from 'node:https';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { rejection, sampleRemote } from '../../../../test/support/sample-remote.js';
import { Secret } from '../model/secret.js';
import { httpRequest } from './http.js';
import type { HttpTls } from './http.js';

async function serve(listener: RequestListener): Promise<AsyncDisposable & { readonly port: number }> {
  return listen(http.createServer(listener));
}

async function listen(server: http.Server | https.Server): Promise<AsyncDisposable & { readonly port: number }> {
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

  it('gives no password to a host whose key is not the known one', async () => {
    await using sample = await sampleRemote();
    let requests = 0;
    await using service = await serve((_, response) => {
      requests += 1;
      response.end();
    });
    const remote = await sample.connect({ hostKeys: await sample.changedKey() });
    const request = { host: '127.0.0.1', port: service.port, path: '/' };
    const auth = { user: 'me', password: new Secret('pass') };
    expect(await rejection(httpRequest(remote, { ...request, auth }))).toMatchObject({
      code: 'HOST_KEY',
      host: 'sample1',
      message: `sample1: its key is not the known one, and the password of me for 127.0.0.1:${service.port} is not sent to such a host`,
    });
    expect(requests).toBe(0);
    expect(await httpRequest(remote, request)).toMatchObject({ status: 200 });
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

  it.each([false, true])('says that nothing listens, where forwarding is refused: %s', async (refuseForwarding) => {
    await using sample = await sampleRemote({ refuseForwarding });
    const to = { host: '127.0.0.1', port: 1, path: '/' };
    expect(await rejection(httpRequest(await sample.connect(), to))).toMatchObject({
      code: 'HOST_FORWARD',
      retryable: true,
    });
  });

  it('gets its answer by a relay too', async () => {
    await using sample = await sampleRemote({ refuseForwarding: true });
    await using service = await serve((_request, response) => response.end('by relay'));
    const answer = await httpRequest(await sample.connect(), { host: '127.0.0.1', port: service.port, path: '/' });
    expect([answer.status, answer.body.toString()]).toEqual([200, 'by relay']);
  });

  it('speaks TLS, and is strict about the certificate unless told otherwise', async () => {
    await using sample = await sampleRemote();
    await using service = await listen(
      https.createServer({ key, cert: certificate }, (_request, response) => response.end('safe')),
    );
    const remote = await sample.connect();
    const get = (tls: HttpTls) => httpRequest(remote, { host: '127.0.0.1', port: service.port, path: '/', tls });
    for (const tls of [{ ca: certificate }, { ca: certificate, servername: 'service.test' }, { verify: false }]) {
      expect((await get(tls)).body.toString()).toBe('safe');
    }
    for (const tls of [{}, { ca: certificate, servername: 'other.test' }]) {
      expect(await rejection(get(tls))).toMatchObject({ code: 'HTTP_FAILED', host: 'sample1' });
    }
  });
});

// For 127.0.0.1 and service.test, made by openssl, good for a hundred years.
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjnOkAslsNW6SbshF
wpzLTsq4jIMUsRtJpbp8NppGkKGhRANCAARcAbRL/8W2prUT7OQt1q9GyQHvTrk1
T+lG13RcWeorleoOON1Fy+cUaE8hS2cm6xWQYgr0VSV06tbFC26ngt70
-----END PRIVATE KEY-----
`;
const certificate = `-----BEGIN CERTIFICATE-----
MIIBpDCCAUqgAwIBAgIUTr/LUhc6jYaJWOoBbzhcVFgRr/cwCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMc2VydmljZS50ZXN0MCAXDTI2MTEyMjE2NDcwNloYDzIxMjYx
MDI5MTY0NzA2WjAXMRUwEwYDVQQDDAxzZXJ2aWNlLnRlc3QwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAARcAbRL/8W2prUT7OQt1q9GyQHvTrk1T+lG13RcWeorleoO
ON1Fy+cUaE8hS2cm6xWQYgr0VSV06tbFC26ngt70o3IwcDAdBgNVHQ4EFgQUMub1
4CKfAgayIKBO8nYMGVzFU9UwHwYDVR0jBBgwFoAUMub14CKfAgayIKBO8nYMGVzF
U9UwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHREEFjAUhwR/AAABggxzZXJ2aWNlLnRl
c3QwCgYIKoZIzj0EAwIDSAAwRQIgCxcB5CbxYAODM67g348Zx+ucekQjWJqXusZb
/hFi67ICIQDgu9pKO8JezCB3C88jHDCnMxZjPfFj0gJ4PYhs3K1W/w==
-----END CERTIFICATE-----
`;
