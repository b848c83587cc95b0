/** Where a forwarded connection leads, as the host itself would reach it. */
export type ForwardAddress = { readonly host: string; readonly port: number } | { readonly socket: string };

/**
 * A way to a host that has been logged in to: channels, and how long it lives. What makes SSH of the system, our own SSH and this machine
 * itself look the same to everything above.
 */
export interface Transport {
  /** The user that commands run as. */
  readonly login: string;
  /** Of the host's key, `SHA256:...` as ssh-keygen prints it; undefined where there is no key. */
  readonly fingerprint: string | undefined;
  /**
   * The host's key is not the known one, and was accepted all the same (StrictHostKeyChecking=no): no password may reach such a host. A
   * host of which no key was known is none: ssh gives it the password of the login, and we any other too.
   */
  readonly isDoubtful: boolean;
  /** Whether a server decides how many sessions it takes: then a session that it refused may be had later. */
  readonly isRemote: boolean;
  /** Opens a session in which the login shell runs the line. */
  session(line: string, callback: OpenCallback): void;
  /** Opens a connection to an address. */
  forward(to: ForwardAddress, callback: OpenCallback): void;
  /** Calls back once when the transport is gone, with the reason if there is one. At once if it is gone already. */
  onLost(listener: (cause: Error | undefined) => void): void;
  /** Ends the transport; one that does not end within some seconds is cut. Never rejects. */
  close(): Promise<void>;
}

/**
 * Gets the channel before anything of what it received is looked at, or why there is none: a RefusedError when the server refuses it, any
 * other error when the transport fails. May be called after nobody wants the channel any more; then it must be closed all the same.
 */
export type OpenCallback = (error: Error | undefined, channel?: Channel) => void;

/** A channel that the server does not open. Reasons: RFC 4254, section 5.1. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';

  constructor(
    message: string,
    readonly reason: RefusalReason | undefined,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
  }
}

export type RefusalReason = 'prohibited' | 'connect-failed' | 'unknown-type' | 'resource-shortage';

/** Reasons by their number in RFC 4254, section 5.1. */
export function refusalReason(code: unknown): RefusalReason | undefined {
  const reasons = ['prohibited', 'connect-failed', 'unknown-type', 'resource-shortage'] as const;
  return typeof code === 'number' ? reasons[code - 1] : undefined;
}

/** Two directions of bytes, and beside them standard error and an exit status where there is a command. */
export interface Channel {
  /** Once, before the channel's opener gives the control back. */
  listen(receiver: ChannelReceiver): void;
  /** Lets the other side send on, after the receiver wanted no more. Does nothing where it may send already. */
  resume(): void;
  /** Calls back when more can be taken; perhaps never, when the channel ends before. */
  write(chunk: Buffer, callback: () => void): void;
  /** No more will be written. */
  end(): void;
  /** Gives up both directions. What still comes is thrown away. */
  close(): void;
}

/** What a channel tells of. */
export interface ChannelReceiver {
  /**
   * Bytes of the main direction; the receiver copies what it keeps, as their memory may be freed at once. False: the other side may use up
   * the window (2 MiB at most), also with standard error, and gets no more until `resume` is called.
   */
  output(packet: Buffer): boolean;
  /** Bytes of standard error; the receiver copies what it keeps. */
  error(packet: Buffer): void;
  /** The command's end: a status, or the signal that ended it, such as `SIGKILL`. It may come before the last output. */
  exit(status: number | undefined, signal: string | undefined): void;
  /** All output and standard error has come. */
  ended(): void;
  /** The channel failed while the transport lives. */
  failed(error: Error): void;
  /** The last that comes: nothing reaches the other side any more. Without `ended` before, output may be missing. */
  closed(): void;
}
