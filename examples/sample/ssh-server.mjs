/** An SSH server inside this process: key login only, loopback only, runs commands as the user who started it. For the sample cluster. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { pipeline } from 'node:stream/promises';
import ssh2 from 'ssh2';

/**
 * Listens on a free loopback port. `clientKey` is the one public key that may log in; `bytesPerSecond(command)` may slow a
 * command's output down.
 */
export async function startSshServer({ hostKey, clientKey, environment = {}, bytesPerSecond = () => undefined }) {
  const allowed = ssh2.utils.parseKey(clientKey);
  const clients = new Set();
  const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
    clients.add(client);
    client.on('close', () => clients.delete(client));
    // A client that goes away without a goodbye is its own affair.
    client.on('error', () => client.end());
    client.on('authentication', (attempt) => authenticate(attempt, allowed));
    client.on('ready', () => {
      client.on('session', (accept) => serveSession(accept(), { environment, bytesPerSecond }));
      client.on('tcpip', (accept, reject, to) => serveForward(accept, reject, to));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: server.address().port,
    close: async () => {
      for (const client of clients) client.end();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function authenticate(attempt, allowed) {
  const offered = attempt.method === 'publickey' && attempt.key.data.equals(allowed.getPublicSSH());
  const proven =
    offered && (!attempt.signature || allowed.verify(attempt.blob, attempt.signature, attempt.hashAlgo) === true);
  if (proven) attempt.accept();
  else attempt.reject(['publickey']);
}

function serveSession(session, { environment, bytesPerSecond }) {
  session.on('exec', (accept, _reject, { command }) => {
    const channel = accept();
    // Its own process group, so that a command whose channel is gone ends with everything it started.
    const child = spawn('/bin/sh', ['-c', command], {
      detached: true,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
    });
    const stop = () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended by itself meanwhile.
      }
    };
    channel.on('close', stop);
    channel.on('error', stop);
    const rate = bytesPerSecond(command);
    // A stream that breaks shows as a command without exit status, which is what the client has to notice.
    const streams = [
      pipeline(channel, child.stdin).catch(() => undefined),
      pipeline(child.stdout, ...(rate === undefined ? [] : [slowed(rate)]), channel, { end: false }).catch(stop),
      pipeline(child.stderr, channel.stderr, { end: false }).catch(stop),
    ];
    child.on('error', () => channel.end());
    child.on('close', async (code, signal) => {
      await Promise.all(streams.slice(1));
      if (signal === null) channel.exit(code ?? 255);
      else channel.exit(signal.replace('SIG', ''));
      channel.end();
    });
  });
}

function slowed(bytesPerSecond) {
  return async function* (source) {
    for await (const chunk of source) {
      yield chunk;
      await new Promise((resolve) => setTimeout(resolve, (chunk.length / bytesPerSecond) * 1000));
    }
  };
}

function serveForward(accept, reject, { destIP, destPort }) {
  const socket = connect(destPort, destIP);
  socket.once('error', () => reject());
  socket.once('connect', () => {
    const channel = accept();
    pipeline(channel, socket, channel).catch(() => socket.destroy());
  });
}
