import type { Duplex, Readable, Writable } from 'node:stream';
import type { Host } from '../cluster/cluster.js';
import type { Warning } from '../model/artifact.js';

/**
 * A command as data. `argv` is quoted in one place (quote.ts), so no caller ever builds shell text; a value that is secret never
 * belongs in it: give it on standard input.
 */
export interface Command {
  readonly argv: readonly string[];
  /** User to run as; `root` where the command needs root. False or absent: the login user. A host without become runs all as the login user. */
  readonly become?: string | false;
  /** Exit statuses that count as success; `[0]` unless set. A tar policy also classifies every line of standard error. */
  readonly accept?: readonly number[] | { readonly tar: TarPolicy };
  /** Environment beside `LC_ALL=C`. Values are visible in the host's process list: no secrets. */
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute; `/` unless set. */
  readonly cwd?: string;
  /**
   * Seconds until the whole command must have ended, waiting for a session included. `run` has 60 unless set; the others have none
   * (streams have the stall clock), but wait 120 at most for a session.
   */
  readonly deadline?: number;
}

/** Which of tar's complaints are harmless for the tree being read; everything else fails the stream. Files that shrank always do. */
export interface TarPolicy {
  /** Regular files may grow or be touched while they are read (append-only logs, hard-linked blocks): recorded as a warning. */
  readonly mayChange: boolean;
  /** Names may vanish between listing and reading. */
  readonly mayVanish: boolean;
  /** Names, as tar is given them, that must not vanish all the same, nor a directory they are in. */
  readonly mustStay?: readonly string[];
}

export interface StreamOptions {
  readonly signal?: AbortSignal;
  /** Seconds of silence, while we want bytes and have room, after which the stream fails with STREAM_STALLED; 120 unless set. */
  readonly quiet?: number;
  readonly warn?: (warning: Warning) => void;
  /**
   * For a tar whose files must not change. Whether what changed is a file or a directory, whose entries may come and go, stands in the
   * archive only: the names of all that changed, as tar was given them, each byte one character (latin1) and without a slash at their
   * end, come here before the output ends, and the reader has to judge them. Without it all of them fail the stream.
   */
  readonly changed?: (names: readonly string[]) => void;
  /** Standard input of the command: closed at once when absent. */
  readonly input?: Uint8Array;
}

export interface Output {
  readonly stdout: Buffer;
  /** First and last 32 KiB. */
  readonly stderr: string;
  readonly status: number;
}

/** A command that is talked to while it runs, such as a psql that holds a snapshot. */
export interface RemoteProcess extends AsyncDisposable {
  readonly stdin: Writable;
  /** Ends only after the exit gate has passed; errors otherwise. */
  readonly stdout: Readable;
  /** Resolves with the accepted exit status; rejects as `run` does. Never an unhandled rejection. */
  readonly exit: Promise<number>;
}

/**
 * One connection to one host, shared by everything that wants this host.
 *
 * Every failure is a BackupError that names the host and the command, with the tail of standard error: COMMAND_FAILED (a status
 * that is not accepted, or a signal), STREAM_CUT (no exit status: the connection was lost), STREAM_STALLED, COMMAND_TIMEOUT,
 * HOST_SUDO, HOST_TTY, HOST_PREFLIGHT (the login shell), TAR_SHRANK, TAR_FAILED, CHANNEL_REFUSED, or the abort reason of the signal.
 */
export interface RemoteHost extends AsyncDisposable {
  readonly host: Host;
  readonly facts: HostFacts;
  /** Small, bounded output (16 MiB unless `maximumBytes` says otherwise); rejects unless the exit is accepted. */
  run(command: Command, options?: StreamOptions & { readonly maximumBytes?: number }): Promise<Output>;
  /** A stream of the command's standard output. It ends only after an accepted exit status was received; otherwise it errors. */
  read(command: Command, options?: StreamOptions): Promise<Readable>;
  /** Feeds `input` to the command; resolves when both have ended well. */
  write(command: Command, input: Readable, options?: StreamOptions): Promise<void>;
  /**
   * `run`, `read` and `write` are built on this. `giveWay` is for a command that is held all run and can be done without: called when the
   * host turns out to take so few sessions that the others need its place; the caller then ends the command.
   */
  start(command: Command, options?: StreamOptions & { readonly giveWay?: () => void }): Promise<RemoteProcess>;
  /** TCP or a Unix socket as the host itself would reach it. Errors: HOST_FORWARD. */
  connect(
    to: { readonly host: string; readonly port: number } | { readonly socket: string },
    options?: { readonly signal?: AbortSignal },
  ): Promise<Duplex>;
}

/** Facts gathered in one round trip when the connection is made. */
export interface HostFacts {
  /** The host's own name. */
  readonly hostname: string;
  readonly machineId: string;
  /** `PRETTY_NAME` of /etc/os-release. */
  readonly os: string;
  /** The login user is root. */
  readonly loginIsRoot: boolean;
  readonly tar: 'gnu' | 'bsdtar' | 'busybox' | 'none';
  /** Undefined where the host is this machine itself. */
  readonly sshFingerprint: string | undefined;
  /** As in `Transport`: no password may reach the host. */
  readonly isDoubtful: boolean;
}
