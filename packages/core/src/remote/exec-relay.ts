import { setTimeout as delay } from 'node:timers/promises';
import { BackupError } from '../model/errors.js';
import type { GatedProcess } from './exit-gate.js';
import type { Command } from './remote-host.js';
import { RefusedError } from './transport.js';
import type { Channel, ChannelReceiver, ForwardAddress } from './transport.js';

/** What the relay prints before the first byte from the address, when it is connected. */
const connected = '+';
/** Exit statuses of the relay's own: it cannot connect, it has nothing to connect with, the connection broke. */
const notConnected = 81;
const noProgram = 82;
const broken = 83;
/** Seconds for a connection, and for a relay to end by itself once nobody wants it any more. */
const connectTimeout = 30;
const endGrace = 1;

/**
 * For Python 2.7 and 3. The end of what we send is passed on, and answers still come; when the other side has sent all, the relay ends.
 * Arguments: host and port, or the path of a socket.
 */
const python = `
import os, socket, sys, threading
def end(status, error):
    sys.stderr.write(str(error))
    sys.stderr.flush()
    os._exit(status)
def give(data):
    while data:
        data = data[os.write(1, data):]
def send():
    try:
        while True:
            data = os.read(0, 65536)
            if not data:
                break
            peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
    except EnvironmentError:
        pass
try:
    if len(sys.argv) > 2:
        peer = socket.create_connection((sys.argv[1], int(sys.argv[2])), ${connectTimeout})
    else:
        peer = socket.socket(socket.AF_UNIX)
        peer.settimeout(${connectTimeout})
        peer.connect(sys.argv[1])
    peer.settimeout(None)
except EnvironmentError as error:
    end(${notConnected}, error)
try:
    give(b'${connected}')
    sender = threading.Thread(target=send)
    sender.daemon = True
    sender.start()
    while True:
        data = peer.recv(65536)
        if not data:
            break
        give(data)
except EnvironmentError as error:
    end(${broken}, error)
os._exit(0)
`.trim();

/** Bash connects by itself where it was built so, as almost everywhere, but cannot pass on the end of what we send. Arguments: host and port. */
const bash = [
  `exec 4<>"/dev/tcp/$1/$2" || exit ${notConnected}`,
  'exec 5<&0',
  'cat <&5 >&4 2>/dev/null & sender=$!',
  `printf %s ${connected}`,
  `cat <&4 || exit ${broken}`,
  'kill "$sender" 2>/dev/null',
  'exit 0',
].join('; ');

/** Every host that Ansible manages has a Python. Arguments: what Python and bash run, then host and port, or the path of a socket. */
const launcher = [
  'python=$1; bash=$2; shift 2',
  'for name in python3 /usr/libexec/platform-python python python2; do command -v "$name" >/dev/null 2>&1 && exec "$name" -c "$python" "$@"; done',
  'test $# = 2 && command -v bash >/dev/null 2>&1 && exec bash -c "$bash" bash "$@"',
  `exit ${noProgram}`,
].join('; ');

/** The command that connects its standard input and output with an address on the host, as the login user. */
export function relayCommand(to: ForwardAddress): Command {
  const address = 'socket' in to ? [to.socket] : [to.host, String(to.port)];
  return {
    argv: ['/bin/sh', '-c', launcher, 'relay', python, bash, ...address],
    accept: [0, notConnected, noProgram],
  };
}

/**
 * The channel through a relay that has been started, once it is connected.
 * Errors: RefusedError with `connect-failed` when nothing answers at the address, without a reason when the host has nothing to relay
 * with; else what the command fails with.
 */
export async function relayChannel(process: GatedProcess): Promise<Channel> {
  const first = await firstByte(process);
  if (first === connected) return new RelayChannel(process);
  const status = await process.exit;
  if (status === noProgram) throw new RefusedError('there is no python3 and no bash', undefined);
  if (status === notConnected) throw new RefusedError(process.stderr.trim(), 'connect-failed');
  throw new BackupError('INTERNAL', 'a relay ended before it began');
}

/** Undefined when there is none. */
function firstByte({ stdout }: GatedProcess): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      const byte = stdout.read(1) as Buffer | null;
      if (byte !== null) finish(() => resolve(byte.toString()));
    };
    const onEnd = (): void => finish(() => resolve(undefined));
    const onError = (error: Error): void => finish(() => reject(error));
    const finish = (act: () => void): void => {
      stdout.off('readable', look).off('end', onEnd).off('error', onError);
      act();
    };
    stdout.on('readable', look).on('end', onEnd).on('error', onError);
  });
}

class RelayChannel implements Channel {
  readonly #process: GatedProcess;

  constructor(process: GatedProcess) {
    this.#process = process;
  }

  listen(receiver: ChannelReceiver): void {
    const { stdout } = this.#process;
    stdout.on('data', (packet: Buffer) => {
      if (!receiver.output(packet)) stdout.pause();
    });
    stdout.on('end', () => receiver.ended());
    stdout.on('error', (error) => receiver.failed(error));
    stdout.on('close', () => receiver.closed());
    // It stood still since the first byte was looked for.
    stdout.resume();
  }

  resume(): void {
    this.#process.stdout.resume();
  }

  write(chunk: Buffer, callback: () => void): void {
    this.#process.stdin.write(chunk, () => callback());
  }

  end(): void {
    this.#process.stdin.end();
  }

  close(): void {
    void endRelay(this.#process);
  }
}

/** A relay whose input has ended mostly ends by itself, which spares the session that would end it. */
async function endRelay(process: GatedProcess): Promise<void> {
  process.stdin.end();
  process.stdout.resume();
  const timer = new AbortController();
  const late = delay(endGrace * 1000, undefined, { signal: timer.signal }).catch(() => undefined);
  await Promise.race([process.exit.catch(() => undefined), late]);
  timer.abort();
  await process[Symbol.asyncDispose]();
}
