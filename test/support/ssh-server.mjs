// An SSH server inside the process, on the loopback interface: the sample cluster of `npm run quickstart`, and faults for unit tests.
// Plain JavaScript, so that Node runs it without a build; its types are in ssh-server.d.mts.
import { spawn } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import net from 'node:net';
import ssh2 from 'ssh2';

/** The line that precedes a command's own output ends so; bytes of a fault are counted after it. */
const markerEnd = '-begin\n';
/** The same on standard error, where the process id follows. */
const markerStart = '-begin ';

/** ECDSA: about one in 300 Ed25519 keys that ssh2 1.17 makes is malformed. */
export function generateKey(comment = '') {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'sec1', format: 'pem' });
  const parsed = ssh2.utils.parseKey(pem);
  return { privateKey: pem, publicKey: `${parsed.type} ${parsed.getPublicSSH().toString('base64')} ${comment}`.trim() };
}

export async function startSampleHost(options) {
  const hostKey = options.hostKey ?? generateKey('sample host');
  const state = {
    options,
    authorized: options.authorizedKeys.map((text) => ssh2.utils.parseKey(text)),
    sockets: new Set(),
    children: new Set(),
    commands: [],
    drops: options.dropConnections ?? 0,
    connections: 0,
  };
  const ssh = new ssh2.Server(
    { hostKeys: [hostKey.privateKey], algorithms: { ...(options.ciphers && { cipher: options.ciphers }) } },
    (client) => serveClient(client, state),
  );
  const server = net.createServer((socket) => {
    state.sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => state.sockets.delete(socket));
    state.connections += 1;
    if (state.drops > 0) {
      state.drops -= 1;
      socket.destroy();
      return;
    }
    ssh.injectSocket(socket);
  });
  const address = options.address ?? '127.0.0.1';
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, address, resolve);
  });
  const { port } = server.address();
  const [type, key] = hostKey.publicKey.split(' ');
  return {
    address,
    port,
    hostKey,
    knownHostsLine: `${port === 22 ? address : `[${address}]:${port}`} ${type} ${key}\n`,
    fingerprint: `SHA256:${createHash('sha256').update(Buffer.from(key, 'base64')).digest('base64').replace(/=+$/, '')}`,
    get commands() {
      return state.commands;
    },
    get connections() {
      return state.connections;
    },
    get running() {
      return state.children.size;
    },
    cut() {
      for (const socket of state.sockets) socket.destroy();
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of state.sockets) socket.destroy();
      await closed;
      await Promise.all([...state.children].map(({ ended }) => ended));
    },
  };
}

function serveClient(client, state) {
  const sessions = { open: 0 };
  client.on('error', () => undefined);
  client.on('authentication', (context) => (state.options.authenticate ?? authenticate)(context, state));
  client.on('session', (accept, reject) => {
    if (sessions.open >= (state.options.maximumSessions ?? Number.POSITIVE_INFINITY)) return void reject();
    sessions.open += 1;
    const session = accept();
    session.on('exec', (acceptExec, _reject, info) => {
      const channel = acceptExec();
      channel.on('close', () => (sessions.open -= 1));
      runCommand(channel, info.command, client, state);
    });
  });
  // Without a listener the server itself refuses forwarding, as "administratively prohibited".
  if (state.options.refuseForwarding) return;
  client.on('tcpip', (accept, reject, info) => {
    if (state.options.answersForward?.(info.destPort) === false) return;
    forward({ host: info.destIP, port: info.destPort }, accept, reject);
  });
  client.on('openssh.streamlocal', (accept, reject, info) => forward({ path: info.socketPath }, accept, reject));
}

function authenticate(context, { options, authorized }) {
  const userFits = options.user === undefined || context.username === options.user;
  if (context.method !== 'publickey' || !userFits) return context.reject(['publickey']);
  const key = authorized.find((candidate) => candidate.getPublicSSH().equals(context.key.data));
  if (!key) return context.reject(['publickey']);
  if (context.signature && key.verify(context.blob, context.signature, context.hashAlgo) !== true)
    return context.reject(['publickey']);
  context.accept();
}

function runCommand(channel, command, client, state) {
  state.commands.push(command);
  const fault = state.options.faults?.(command) ?? {};
  const child = spawn('/bin/sh', ['-c', command], {
    cwd: state.options.directory ?? '/',
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...state.options.environment },
  });
  const entry = { ended: new Promise((resolve) => child.on('close', resolve)) };
  state.children.add(entry);
  void entry.ended.then(() => state.children.delete(entry));
  channel.on('error', () => undefined);
  feed(channel, child);
  if (fault.banner !== undefined) channel.write(fault.banner);
  if (fault.errorBanner !== undefined) channel.stderr.write(fault.errorBanner);
  const end = (status, signal) => endCommand(channel, { ...fault, status, signal });
  const output = payloadCounter();
  const limit = fault.cutAfter ?? fault.stallAfter ?? fault.endAfter;
  const pass = (chunk) => {
    const room = limit === undefined ? Number.POSITIVE_INFINITY : limit - output.bytes;
    const taken = output.take(chunk, room);
    if (taken.length > 0 && !channel.write(taken)) child.stdout.pause();
    if (limit === undefined || output.bytes < limit || !output.started) return;
    child.stdout.pause();
    if (fault.stallAfter !== undefined) return;
    child.stdout.destroy();
    if (fault.endAfter !== undefined) end(fault.exitStatus ?? 0);
    else cut(channel, client, fault);
  };
  channel.on('drain', () => child.stdout.resume());
  let floods = fault.errorFlood !== undefined;
  child.stderr.on('data', (chunk) => {
    if (floods && chunk.includes(markerStart)) {
      floods = false;
      channel.stderr.write(chunk);
      return flood(channel, fault.errorFlood);
    }
    if (!channel.stderr.write(chunk)) child.stderr.pause();
  });
  channel.stderr.on('drain', () => child.stderr.resume());
  // ssh2 lets standard error wait for as long as there is output, and may drop it at the end: the line that a command begins with goes first.
  let early = [];
  child.stdout.on('data', (chunk) => (early === undefined ? pass(chunk) : early.push(chunk)));
  const begin = () => {
    const chunks = early ?? [];
    early = undefined;
    chunks.forEach(pass);
  };
  for (const event of ['data', 'end']) child.stderr.once(event, begin);
  child.on('close', (status, signal) => {
    if (fault.stallAfter === undefined && (limit === undefined || output.bytes < limit)) end(status, signal);
  });
}

/** Standard input of the command; closed pipes tell it, as sshd does, that the client is gone. */
function feed(channel, child) {
  child.stdin.on('error', () => undefined);
  channel.on('data', (chunk) => {
    if (!child.stdin.write(chunk)) channel.pause();
  });
  child.stdin.on('drain', () => channel.resume());
  channel.on('end', () => child.stdin.end());
  channel.on('close', () => {
    child.stdin.destroy();
    child.stdout.destroy();
    child.stderr.destroy();
  });
}

/** Counts the bytes after the marker line, and cuts chunks where `room` ends. */
function payloadCounter() {
  let head = '';
  const counter = { bytes: 0, started: false };
  counter.take = (chunk, room) => {
    if (counter.started) {
      const taken = chunk.subarray(0, room);
      counter.bytes += taken.length;
      return taken;
    }
    head += chunk.toString('latin1');
    const at = head.indexOf(markerEnd);
    if (at < 0) return chunk;
    counter.started = true;
    const payload = head.length - at - markerEnd.length;
    counter.bytes = Math.min(payload, room);
    return chunk.subarray(0, chunk.length - payload + counter.bytes);
  };
  return counter;
}

function endCommand(channel, { status, signal, exitStatus, exitSignal, noExitStatus }) {
  const name = exitSignal ?? signal?.replace(/^SIG/, '');
  if (!noExitStatus && name) channel.exit(name, false, '');
  else if (!noExitStatus) channel.exit(exitStatus ?? status);
  channel.end();
}

/** What was written so far goes out first; then the TCP connection is gone. */
function cut(channel, client, { statusBeforeCut }) {
  channel.write(Buffer.alloc(0), () => {
    if (statusBeforeCut !== undefined) channel.exit(statusBeforeCut);
    setTimeout(() => client._sock.destroy(), 20);
  });
}

function flood(channel, bytes) {
  const line = Buffer.from(`${'x'.repeat(99)}\n`);
  let left = bytes;
  const more = () => {
    while (left > 0) {
      left -= line.length;
      if (!channel.stderr.write(line)) return channel.stderr.once('drain', more);
    }
  };
  more();
}

function forward(to, accept, reject) {
  const socket = net.connect(to);
  const refuse = () => reject();
  socket.once('error', refuse);
  socket.once('connect', () => {
    socket.off('error', refuse);
    const channel = accept();
    socket.on('error', () => channel.close());
    channel.on('error', () => socket.destroy());
    channel.on('close', () => socket.destroy());
    socket.pipe(channel).pipe(socket);
  });
}
