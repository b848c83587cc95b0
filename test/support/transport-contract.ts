import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import type { RemoteHost } from '../../packages/core/src/remote/remote-host.js';
import { temporaryDirectory } from './lsbackup.js';
import { drain, rejection } from './sample-remote.js';

/** A host to try a transport on; closed with everything that was made for it. */
export interface TriedHost extends AsyncDisposable {
  readonly remote: RemoteHost;
}

const script = (text: string, ...argv: readonly string[]) => ({ argv: ['sh', '-c', text, 'sh', ...argv] });

/** What every transport does alike, tried with real commands: of the host only a POSIX shell, procps and python3 are asked. */
export function describeTransport(name: string, open: () => Promise<TriedHost>): void {
  describe(`commands by ${name}`, () => {
    it('give their output, their standard error and their status', async () => {
      await using host = await open();
      const output = await host.remote.run({
        argv: ['sh', '-c', 'printf "a b"; echo "it\'s" >&2; exit 3'],
        accept: [0, 3],
      });
      expect(output).toEqual({ stdout: Buffer.from('a b'), stderr: "it's\n", status: 3 });
      const statuses = await Promise.all(
        [1, 126, 254, 255].map((status) => rejection(host.remote.run(script('exit "$1"', String(status))))),
      );
      expect(statuses.map((error) => /status \d+/.exec(String(error))?.[0])).toEqual([
        'status 1',
        'status 126',
        'status 254',
        'status 255',
      ]);
      for (const error of statuses) expect(error).toMatchObject({ code: 'COMMAND_FAILED' });
    });

    it('run in `/` with a plain environment', async () => {
      await using host = await open();
      const { stdout } = await host.remote.run({ argv: ['sh', '-c', 'pwd; echo "$LC_ALL $JEST_WORKER_ID"; umask'] });
      expect(stdout.toString()).toBe('/\nC \n0077\n');
    });

    it('are told apart when they are killed', async () => {
      await using host = await open();
      expect(await rejection(host.remote.run(script('kill -KILL $$')))).toMatchObject({
        code: 'COMMAND_FAILED',
        message: expect.stringContaining('signal 9'),
      });
    });

    it('take and give every byte', async () => {
      await using host = await open();
      await using directory = await temporaryDirectory();
      const content = randomBytes(9_000_001);
      const file = path.join(directory.path, 'content');
      await writeFile(file, content);
      const sha256 = createHash('sha256').update(content).digest('hex');
      const { stdout } = await host.remote.run({ argv: ['sha256sum'] }, { input: content });
      expect(stdout.toString()).toContain(sha256);
      const copy = await host.remote.start({ argv: ['cat'] });
      const hash = createHash('sha256');
      const read = (async () => {
        for await (const chunk of copy.stdout as AsyncIterable<Buffer>) hash.update(chunk);
      })();
      for await (const chunk of createReadStream(file)) if (!copy.stdin.write(chunk)) await once(copy.stdin, 'drain');
      copy.stdin.end();
      await read;
      expect(await copy.exit).toBe(0);
      expect(hash.digest('hex')).toBe(sha256);
    });

    it('never take broken input for complete input', async () => {
      await using host = await open();
      const mark = `/tmp/lsbackup-test-${randomBytes(6).toString('hex')}`;
      const breaks = Readable.from(
        (async function* () {
          yield Buffer.alloc(1000);
          await delay(100);
          throw new Error('source broke');
        })(),
      );
      const command = script('cat >/dev/null; echo complete > "$1"', mark);
      expect(await rejection(host.remote.write(command, breaks))).toMatchObject({
        message: expect.stringContaining('source broke'),
      });
      expect(await host.remote.run({ argv: ['test', '-e', mark], accept: [1] })).toMatchObject({ status: 1 });
    });

    it('may end before they took their input', async () => {
      await using host = await open();
      const endless = Readable.from(
        (function* () {
          for (;;) yield Buffer.alloc(65_536);
        })(),
      );
      const error = await rejection(host.remote.write(script('head -c 10 >/dev/null; echo full >&2; exit 5'), endless));
      expect(error).toMatchObject({ code: 'COMMAND_FAILED', message: expect.stringContaining('full') });
      expect(endless.destroyed).toBe(true);
    });

    it('may complain at length', async () => {
      await using host = await open();
      const stream = await host.remote.read(
        script('head -c 8000000 /dev/zero | tr "\\0" x >&2; head -c 1000000 /dev/zero'),
      );
      expect(await drain(stream)).toEqual({ bytes: 1_000_000, error: undefined });
    });

    it('wait while nobody reads them, and lose nothing', async () => {
      await using host = await open();
      const mark = `/tmp/lsbackup-test-${randomBytes(6).toString('hex')}`;
      const lines = 'i=0; while [ $i -lt 200 ]; do head -c 131072 /dev/zero; i=$((i + 1)); echo $i > "$1"; done';
      const source = await host.remote.read(script(`${lines}; rm "$1"`, mark));
      let progress = -1;
      for (let before = -2; progress !== before;) {
        await delay(700);
        before = progress;
        progress = Number((await host.remote.run({ argv: ['cat', mark] })).stdout.toString());
      }
      // Of 25 MiB: a window of 2 MiB, as much again in a server, and what is in pipes and sockets.
      expect(progress).toBeLessThan(80);
      expect(await drain(source)).toEqual({ bytes: 200 * 131_072, error: undefined });
    });

    it('are ended when they are cancelled, with what they started', async () => {
      await using host = await open();
      const mark = `33${String(Date.now()).slice(-6)}`;
      const running = async (): Promise<string> =>
        (await host.remote.run({ argv: ['pgrep', '-fx', `sleep ${mark}`], accept: [0, 1] })).stdout.toString();
      for (const become of ['root', false] as const) {
        const controller = new AbortController();
        const stream = await host.remote.read(
          { ...script(`sleep ${mark}; true`), become },
          { signal: controller.signal },
        );
        const talk = await host.remote.start({ ...script(`sleep ${mark}; cat`), become });
        while ((await running()).split('\n').length < 3) await delay(50);
        controller.abort(new Error('changed my mind'));
        await talk[Symbol.asyncDispose]();
        expect(await drain(stream)).toMatchObject({ error: { code: 'ABORTED' } });
        expect(await running()).toBe('');
      }
    });

    it('are bounded in time, and by silence', async () => {
      await using host = await open();
      expect(await rejection(host.remote.run({ argv: ['sleep', '60'], deadline: 0.5 }))).toMatchObject({
        code: 'COMMAND_TIMEOUT',
      });
      const silent = await host.remote.read(script('echo a; sleep 60'), { quiet: 0.5 });
      expect(await drain(silent)).toMatchObject({ bytes: 2, error: { code: 'STREAM_STALLED' } });
    });

    it('run many at once', async () => {
      await using host = await open();
      const answers = await Promise.all(
        Array.from({ length: 30 }, (_, index) => host.remote.run(script('sleep 0.05; echo "$1"', String(index)))),
      );
      expect(answers.map(({ stdout }) => Number(stdout.toString()))).toEqual(answers.map((_, index) => index));
    });

    it('are not run any more when the host was closed', async () => {
      await using host = await open();
      const stream = await host.remote.read({ argv: ['sleep', '60'] });
      const end = drain(stream);
      await host.remote[Symbol.asyncDispose]();
      expect(await end).toMatchObject({ error: { code: 'ABORTED' } });
      expect(await rejection(host.remote.run({ argv: ['true'] }))).toMatchObject({ code: 'STREAM_CUT' });
      expect(await rejection(host.remote.connect({ host: '127.0.0.1', port: 1 }))).toMatchObject({
        code: 'STREAM_CUT',
      });
    });
  });

  describe(`connections by ${name}`, () => {
    it.each(['tcp', 'socket'] as const)('reach what listens on the host by %s, in both directions', async (kind) => {
      await using host = await open();
      await using server = await startEcho(host.remote, kind);
      const socket = await host.remote.connect(server.address);
      const content = randomBytes(5_000_003);
      const hash = createHash('sha256');
      const read = (async () => {
        for await (const chunk of socket as AsyncIterable<Buffer>) hash.update(chunk);
      })();
      socket.end(content);
      await read;
      expect(hash.digest('hex')).toBe(createHash('sha256').update(content).digest('hex'));
    });

    it('say when nothing listens', async () => {
      await using host = await open();
      for (const to of [{ host: '127.0.0.1', port: 1 }, { socket: '/nonexistent/socket' }])
        expect(await rejection(host.remote.connect(to))).toMatchObject({
          code: 'HOST_FORWARD',
          retryable: true,
          message: expect.stringContaining('nothing answers'),
        });
    });

    it('end when the host is closed', async () => {
      await using host = await open();
      await using server = await startEcho(host.remote, 'tcp');
      const socket = await host.remote.connect(server.address);
      const closed = once(socket, 'close').catch(() => undefined);
      await host.remote[Symbol.asyncDispose]();
      await closed;
      expect(socket.destroyed).toBe(true);
    });
  });
}

/** Sends back what comes, to one after another; ends each when it has sent all. */
const echoServer = `
import os, socket, sys
kind = sys.argv[1]
path = '/tmp/lsbackup-test-echo-%d' % os.getpid()
server = socket.socket(socket.AF_UNIX if kind == 'socket' else socket.AF_INET)
server.bind(path if kind == 'socket' else ('127.0.0.1', 0))
server.listen(5)
sys.stdout.write('%s\\n' % (path if kind == 'socket' else server.getsockname()[1]))
sys.stdout.flush()
while True:
    peer, _ = server.accept()
    if kind == 'socket': os.unlink(path); server.close()
    while True:
        data = peer.recv(65536)
        if not data: break
        peer.sendall(data)
    peer.close()
    if kind == 'socket': break
`;

export interface EchoServer extends AsyncDisposable {
  readonly address: { readonly host: string; readonly port: number } | { readonly socket: string };
}

/** An echo server on the host. */
export async function startEcho(remote: RemoteHost, kind: 'tcp' | 'socket'): Promise<EchoServer> {
  const process = await remote.start({ argv: ['python3', '-c', echoServer, kind] });
  const [line] = (await once(process.stdout, 'data')) as [Buffer];
  const where = line.toString().trim();
  return {
    address: kind === 'socket' ? { socket: where } : { host: '127.0.0.1', port: Number(where) },
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}
