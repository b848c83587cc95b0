import { createHash } from 'node:crypto';
import pLimit from 'p-limit';
import type { ClientChannel } from 'ssh2';
import type { Login } from '../../cluster/cluster.js';
import type { Warning } from '../../model/artifact.js';
import { BackupError, abortError } from '../../model/errors.js';
import type { Dialled } from './log-in.js';
import { JumpLostError, JumpSocket } from './jump-socket.js';
import { jumpServer } from './server.js';
import type { Server } from './server.js';

/** Connections that a jump host is asked for at once. */
const opensAtOnce = 8;
/** Seconds for a jump host to end the connection when asked. */
const closeTimeout = 5;

/** Logs in to a jump host; `warn` is that of the host for which it is needed first. */
export type DialJump = (jump: Server, warn: (warning: Warning) => void) => Promise<Dialled>;

/** The connections to jump hosts in one run: one each, shared by all hosts behind it, and closed when the last of them is. */
export class JumpPool {
  readonly #dial: DialJump;
  readonly #jumps = new Map<string, SharedJump>();

  constructor(dial: DialJump) {
    this.#dial = dial;
  }

  /**
   * A place on the connection to the last of these jump hosts; undefined for none. A jump host that could not be logged in to is not
   * tried again for the next host: refused passwords lock accounts. One whose connection was lost is.
   * Errors: as `dial`, with the jump host in the message.
   */
  async lease(jumps: readonly Login[], warn: (warning: Warning) => void): Promise<JumpLease | undefined> {
    const server = jumpServer(jumps);
    if (server === undefined) return undefined;
    const name = digest(jumps);
    const known = this.#jumps.get(name);
    if (known !== undefined) return known.lease();
    const jump: SharedJump = new SharedJump(server, this.#dial(server, warn), () => {
      // One that came after it is not meant.
      if (this.#jumps.get(name) === jump) this.#jumps.delete(name);
    });
    this.#jumps.set(name, jump);
    return jump.lease();
  }
}

/** A way through a jump host for one server behind it. */
export interface JumpLease {
  /**
   * A connection from the jump host to a server. Errors: HOST_FORWARD when it does not forward, HOST_UNREACHABLE when it cannot connect,
   * or the abort reason. `begin` is called when it is this server's turn: only then may its time run.
   */
  connect(to: Server, begin: () => AbortSignal): Promise<JumpSocket>;
  release(): void;
}

class SharedJump {
  readonly #server: Server;
  readonly #dialled: Promise<Dialled>;
  readonly #forget: () => void;
  readonly #limit = pLimit(opensAtOnce);
  readonly #sockets = new Set<JumpSocket>();
  #leases = 0;

  constructor(server: Server, dialled: Promise<Dialled>, forget: () => void) {
    this.#server = server;
    this.#dialled = dialled;
    this.#forget = forget;
    dialled.then(
      (connection) => connection.onLost((cause) => this.#onLost(cause)),
      (error: unknown) => {
        // Of a run that goes on the failure stays: it is the same for the next host.
        if (error instanceof BackupError && error.code === 'ABORTED') forget();
      },
    );
  }

  async lease(): Promise<JumpLease> {
    this.#leases += 1;
    let isReleased = false;
    const release = (): void => {
      if (isReleased) return;
      isReleased = true;
      this.#leases -= 1;
      if (this.#leases === 0) void this.#close();
    };
    await this.#dialled;
    return { release, connect: (to, begin) => this.#limit(() => this.#connect(to, begin())) };
  }

  async #connect(to: Server, signal: AbortSignal): Promise<JumpSocket> {
    const { client } = await this.#dialled;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(abortError(signal));
      const onChannel = (error: Error | undefined, channel: ClientChannel): void => {
        signal.removeEventListener('abort', onAbort);
        if (error) {
          reject(this.#refusal(to, error));
          return;
        }
        const socket = new JumpSocket(channel);
        if (signal.aborted) socket.destroy();
        else resolve(this.#keep(socket));
      };
      if (signal.aborted) {
        onAbort();
        return;
      }
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        client.forwardOut('127.0.0.1', 0, to.login.address, to.login.port, onChannel);
      } catch (error) {
        // ssh2 throws when the socket has gone already.
        signal.removeEventListener('abort', onAbort);
        reject(new JumpLostError(`the connection to the ${this.#server.title} is gone`, { cause: error }));
      }
    });
  }

  #keep(socket: JumpSocket): JumpSocket {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    return socket;
  }

  /** Reason 1 is "administratively prohibited" (RFC 4254, 5.1). */
  #refusal(to: Server, cause: Error): Error {
    const { address, port } = to.login;
    const reason = 'reason' in cause ? cause.reason : undefined;
    if (reason === undefined)
      return new JumpLostError(`the connection to the ${this.#server.title} is gone`, { cause });
    const text = cause.message.replace(/^\(SSH\) Channel open failure: /, '');
    const jump = this.#server.title;
    if (reason !== 1)
      return new BackupError(
        'HOST_UNREACHABLE',
        `${to.title}: the ${jump} cannot connect to ${address} port ${port}: ${text}`,
        {
          host: to.host,
          cause,
          retryable: true,
          hint: 'Check that the host is up, and that the jump host is the right one.',
        },
      );
    return new BackupError(
      'HOST_FORWARD',
      `${to.title}: the ${jump} refuses to forward to ${address} port ${port} (${text})`,
      {
        host: to.host,
        cause,
        hint: `Allow it with AllowTcpForwarding and PermitOpen in sshd_config on the ${jump}.`,
      },
    );
  }

  #onLost(cause: Error | undefined): void {
    this.#forget();
    const why = cause === undefined ? '' : `: ${cause.message}`;
    for (const socket of this.#sockets) socket.lost(`the connection to the ${this.#server.title} is gone${why}`);
  }

  async #close(): Promise<void> {
    const dialled = await this.#dialled.catch(() => undefined);
    if (dialled === undefined || this.#leases > 0) return;
    this.#forget();
    dialled.client.end();
    const timer = setTimeout(() => dialled.cut(), closeTimeout * 1000);
    dialled.onLost(() => clearTimeout(timer));
  }
}

/** Two chains are the same when everything about each login is, passwords too; those are not kept. */
function digest(jumps: readonly Login[]): string {
  const text = JSON.stringify(jumps.map((jump) => ({ ...jump, ...secretsOf(jump) })));
  return createHash('sha256').update(text).digest('hex');
}

function secretsOf({ password, passphrase }: Login): Record<string, string | undefined> {
  return { password: password?.reveal(), passphrase: passphrase?.reveal() };
}
