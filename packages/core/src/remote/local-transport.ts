import { spawn } from 'node:child_process';
import net from 'node:net';
import type { Host, LocalUser } from '../cluster/cluster.js';
import { ProcessChannel } from './process-channel.js';
import type { RemoteHost } from './remote-host.js';
import { SocketChannel } from './socket-channel.js';
import { openHost } from './open-host.js';
import type { ConnectOptions } from './open-host.js';
import { RefusedError } from './transport.js';
import type { ForwardAddress, OpenCallback, Transport } from './transport.js';

/**
 * This machine itself as a host (`ansible_connection=local`): no login, commands through /bin/sh as whoever runs the program.
 * Errors: HOST_SUDO, HOST_TTY, or what a command may throw.
 */
export function connectLocal(host: Host, options: ConnectOptions): Promise<RemoteHost> {
  return openHost(host, new LocalTransport(options.user), options);
}

/** Processes and sockets of this machine. */
export class LocalTransport implements Transport {
  readonly login: string;
  readonly fingerprint = undefined;
  readonly isDoubtful = false;
  readonly isRemote = false;
  readonly #user: LocalUser;
  readonly #listeners = new Set<(cause: Error | undefined) => void>();
  #isClosed = false;

  constructor(user: LocalUser) {
    this.login = user.name;
    this.#user = user;
  }

  /**
   * In a process group of its own, so that an interrupt at the terminal reaches the program alone, which ends what it runs itself; and
   * with the few variables that sshd sets, so that nothing the program was given reaches commands.
   */
  session(line: string, callback: OpenCallback): void {
    const { name, homeDirectory } = this.#user;
    const child = spawn('/bin/sh', ['-c', line], {
      cwd: '/',
      detached: true,
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: homeDirectory, USER: name, LOGNAME: name, SHELL: '/bin/sh' },
    });
    child.once('error', callback);
    child.once('spawn', () => {
      child.off('error', callback);
      callback(undefined, new ProcessChannel(child));
    });
  }

  forward(to: ForwardAddress, callback: OpenCallback): void {
    const socket = net.connect({ ...('socket' in to ? { path: to.socket } : to), allowHalfOpen: true });
    const refuse = (error: Error): void => callback(new RefusedError(error.message, 'connect-failed', error));
    socket.once('error', refuse);
    socket.once('connect', () => {
      socket.off('error', refuse);
      callback(undefined, new SocketChannel(socket));
    });
  }

  onLost(listener: (cause: Error | undefined) => void): void {
    if (this.#isClosed) listener(undefined);
    else this.#listeners.add(listener);
  }

  close(): Promise<void> {
    this.#isClosed = true;
    for (const listener of this.#listeners) listener(undefined);
    this.#listeners.clear();
    return Promise.resolve();
  }
}
