import { createHash, randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { types } from 'node:util';
import { MessagePort } from 'node:worker_threads';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { Client } from 'ssh2';
import { sampleRemote } from '../../../../test/support/sample-remote.js';
import { ReceivedMemory } from './received-memory.js';

const dataLine = 'Inbound: CHANNEL_DATA (r:0, 32768)';

/** A connection whose chunks hold what the lines say, of which so many were copied. */
function connection(): { receive: (chunk: Buffer, lines: readonly string[], copied?: readonly Buffer[]) => void } {
  const socket = new EventEmitter();
  const received = new ReceivedMemory();
  received.watch({ _sock: socket } as unknown as Client);
  return {
    receive: (chunk, lines, copied = []) => {
      for (const line of lines) received.debug(line);
      for (const packet of copied) received.copied(packet);
      socket.emit('data', chunk);
    },
  };
}

const chunkOf = (bytes = 65_536): Buffer => Buffer.allocUnsafeSlow(bytes);

describe('what was received', () => {
  /** Whether a chunk is freed when the next one has come. */
  const isFreed = (
    first: { readonly lines: readonly string[]; readonly copied: number },
    next: { readonly lines: readonly string[]; readonly copied: number; readonly bytes?: number },
  ): boolean => {
    const { receive } = connection();
    const [one, two] = [chunkOf(), chunkOf(next.bytes)];
    receive(one, first.lines, Array<Buffer>(first.copied).fill(one.subarray(5)));
    expect(one.length).toBe(65_536);
    receive(two, next.lines, Array<Buffer>(next.copied).fill(two.subarray(5)));
    expect(two.length).toBeGreaterThan(0);
    return one.length === 0;
  };
  const output = { lines: [dataLine, dataLine, 'Outbound: Sending CHANNEL_WINDOW_ADJUST'], copied: 2 };

  it('is freed when it was output, and so was the next chunk', () => {
    expect(isFreed(output, output)).toBe(true);
    expect(isFreed(output, { lines: ['Inbound: CHANNEL_EXTENDED_DATA (r:0, 5)'], copied: 1 })).toBe(true);
  });

  it.each([
    ['anything else', { lines: [dataLine, 'Inbound: Handshake in progress'], copied: 1 }],
    ['a line that nobody knows', { lines: [dataLine, 'inbound CHANNEL_DATA'], copied: 1 }],
    ['output that is not copied', { lines: [dataLine, dataLine], copied: 1 }],
  ])('is left alone when it, or the next chunk, held %s', (_name, other) => {
    expect(isFreed(other, output)).toBe(false);
    expect(isFreed(output, other)).toBe(false);
  });

  it('is left alone when the next chunk may be too small for the rest of its last packet', () => {
    expect(isFreed(output, { lines: [], copied: 0, bytes: 15 })).toBe(false);
  });

  it.each([
    ['freed', { lines: output.lines, copied: 2 }, [], 0],
    ['left alone when it held what is not copied', { lines: output.lines, copied: 1 }, [], 65_536],
    ['left alone when a small one held anything else', output, ['Inbound: Handshake in progress'], 65_536],
  ])('is, with small chunks after it, %s', (_name, first, small, left) => {
    const { receive } = connection();
    const one = chunkOf();
    receive(one, first.lines, Array<Buffer>(first.copied).fill(one.subarray(5)));
    receive(chunkOf(10), []);
    receive(chunkOf(5), small);
    // Its last packet's authentication code came in three chunks.
    receive(chunkOf(), [dataLine], [one.subarray(60_000)]);
    expect(one.length).toBe(left);
  });

  it('is freed at once where a packet has memory of its own', () => {
    const { receive } = connection();
    const [first, next] = [chunkOf(), chunkOf()];
    const [own, inFirst] = [chunkOf(32_768), first.subarray(65_000)];
    receive(first, [dataLine], [own]);
    expect(own.length).toBe(0);
    receive(next, [dataLine, 'Inbound: CHANNEL_EOF (r:0)'], [inFirst]);
    expect(inFirst.length).toBe(536);
  });
});

/** Passes bytes on in pieces whose ends fall anywhere, also into a packet's length and authentication code. */
async function choppingProxy(port: number): Promise<{ readonly port: number } & AsyncDisposable> {
  // ssh2 wants the server's identification in one piece.
  const greeting = 4096;
  const sizes = [1, 3, 17, 40, 999, 4096, 32_790, 65_536, 100_001];
  const server = net.createServer((socket) => {
    const upstream = net.connect(port, '127.0.0.1');
    for (const end of [socket, upstream]) end.setNoDelay(true).on('error', () => undefined);
    socket.pipe(upstream);
    let [count, passed] = [0, 0];
    const pass = async (): Promise<void> => {
      for await (const chunk of upstream as AsyncIterable<Buffer>) {
        for (let rest = chunk; rest.length > 0;) {
          const size = passed < greeting ? rest.length : (sizes[count++ % sizes.length] ?? 1);
          passed += size;
          if (!socket.write(rest.subarray(0, size))) await once(socket, 'drain');
          rest = rest.subarray(size);
          await turn();
        }
      }
      socket.end();
    };
    pass().catch(() => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as net.AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

async function hashOf(stream: Readable): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}

/** Sends the content to whoever connects. */
async function contentServer(
  content: Buffer,
): Promise<{ readonly address: { readonly host: string; readonly port: number } } & AsyncDisposable> {
  const server = net.createServer((socket) => socket.on('error', () => undefined).end(content));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: { host: '127.0.0.1', port: (server.address() as net.AddressInfo).port },
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

/** Sizes of the memory that is freed from now on, bytes. */
function watchFreed(): readonly number[] {
  const sizes: number[] = [];
  const postMessage = Reflect.get(MessagePort.prototype, 'postMessage') as (
    this: MessagePort,
    ...sent: Parameters<MessagePort['postMessage']>
  ) => void;
  jest.spyOn(MessagePort.prototype, 'postMessage').mockImplementation(function (this: MessagePort, value, transfer) {
    for (const memory of transfer ?? []) if (types.isArrayBuffer(memory)) sizes.push(memory.byteLength);
    postMessage.call(this, value, transfer);
  });
  return sizes;
}

/** Reads in small steps with pauses, so that most of it waits in between. */
async function slowHashOf(stream: Readable): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    hash.update(chunk);
    await turn();
  }
  return hash.digest('hex');
}

describe('a connection that gives memory back', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it.each([
    'aes128-gcm@openssh.com',
    'aes256-gcm@openssh.com',
    'aes128-ctr',
    'aes256-ctr',
    'chacha20-poly1305@openssh.com',
  ])('loses nothing with %s, however the network cuts the stream', async (cipher) => {
    const freed = watchFreed();
    await using sample = await sampleRemote({ ciphers: [cipher] });
    await using proxy = await choppingProxy(sample.server.port);
    const content = randomBytes(12 * 1024 * 1024);
    await writeFile(path.join(sample.directory, 'content'), content);
    const expected = createHash('sha256').update(content).digest('hex');
    await using direct = await sample.connect();
    await using chopped = await sample.connect({
      port: proxy.port,
      hostKeys: { ...sample.host.connection.hostKeys, strict: 'no' },
    });
    await using web = await contentServer(content);
    const forwarded = await chopped.connect(web.address);
    const command = { argv: ['cat', path.join(sample.directory, 'content')] };
    const streams = await Promise.all([direct, direct, chopped, chopped].map((remote) => remote.read(command)));
    const hashes = await Promise.all([...streams.map(hashOf), slowHashOf(forwarded)]);
    expect(hashes).toEqual(Array(5).fill(expected));
    // Whole chunks of the socket, up to 64 KiB, and not only packets, of 32 KiB.
    expect(freed.filter((bytes) => bytes > 40_000).length).toBeGreaterThan(50);
  });
});
