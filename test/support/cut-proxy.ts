import net from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** A TCP proxy on the loopback interface that cuts its connections after a given number of bytes from the server. */
export interface CutProxy extends AsyncDisposable {
  readonly port: number;
  /** Cuts when so many more bytes have come from the server; the bytes up to there are delivered. */
  cutAfter(bytes: number): void;
  /** Cuts that happened. */
  readonly cuts: number;
}

export async function startCutProxy(to: { readonly host: string; readonly port: number }): Promise<CutProxy> {
  const sockets = new Set<Socket>();
  let left = Number.POSITIVE_INFINITY;
  let cuts = 0;
  const cut = (): void => {
    cuts += 1;
    left = Number.POSITIVE_INFINITY;
    for (const socket of sockets) socket.destroy();
  };
  const server = net.createServer((client) => {
    const upstream = net.connect(to);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (chunk) => upstream.write(chunk));
    upstream.on('data', (chunk) => {
      const part = chunk.subarray(0, left);
      left -= part.length;
      if (left > 0) {
        if (!client.write(part)) {
          upstream.pause();
          client.once('drain', () => upstream.resume());
        }
      } else {
        // The kernel takes what was written before the connection goes.
        upstream.pause();
        client.write(part, cut);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cutAfter(bytes) {
      if (bytes === 0) cut();
      else left = bytes;
    },
    get cuts() {
      return cuts;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
