import type { AuthContext } from 'ssh2';

/** A key pair: the private key as PEM, the public one as OpenSSH's line of text. */
export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** What goes wrong with one command. Bytes count after the marker line that lsbackup's own wrapper prints. */
export interface Fault {
  /** Printed on standard output before anything else. */
  readonly banner?: string | Uint8Array;
  readonly errorBanner?: string;
  /** Bytes of junk lines on standard error while the command runs. */
  readonly errorFlood?: number;
  /** The TCP connection is cut after so many bytes of output. */
  readonly cutAfter?: number;
  /** With `cutAfter`: this exit status is sent just before the cut. */
  readonly statusBeforeCut?: number;
  /** Nothing more comes after so many bytes, for ever. */
  readonly stallAfter?: number;
  /** The command seems to end after so many bytes, with `exitStatus`. */
  readonly endAfter?: number;
  readonly exitStatus?: number;
  /** Without `SIG`. */
  readonly exitSignal?: string;
  /** The channel is closed without an exit status. */
  readonly noExitStatus?: boolean;
}

export interface SampleHostOptions {
  /** Public keys that may log in, in OpenSSH's text format. */
  readonly authorizedKeys: readonly string[];
  /** The only user that may log in; any unless set. Commands run as the user of this process in any case. */
  readonly user?: string;
  /** Generated unless set. */
  readonly hostKey?: KeyPair;
  /** 127.0.0.1 unless set. */
  readonly address?: string;
  /** A free one unless set. */
  readonly port?: number;
  /** Working directory of commands; `/` unless set. */
  readonly directory?: string;
  /** Beside PATH and HOME. */
  readonly environment?: Readonly<Record<string, string>>;
  /** So many connections are dropped before the server says anything. */
  readonly dropConnections?: number;
  /** Sessions open at once on one connection; more are refused. */
  readonly maximumSessions?: number;
  readonly refuseForwarding?: boolean;
  /** Asked for the port of every TCP connection; false: it never says whether it can connect, as with a host behind it that takes no packets. */
  readonly answersForward?: (port: number) => boolean;
  /** Decides about every attempt to log in, instead of `authorizedKeys`. */
  readonly authenticate?: (context: AuthContext) => void;
  /** The only ciphers it takes. */
  readonly ciphers?: readonly string[];
  /** Asked for every command line. */
  readonly faults?: (command: string) => Fault | undefined;
}

export interface SampleHost {
  readonly address: string;
  readonly port: number;
  readonly hostKey: KeyPair;
  /** For a known_hosts file, with its line break. */
  readonly knownHostsLine: string;
  readonly fingerprint: string;
  /** Every command line so far. */
  readonly commands: readonly string[];
  /** TCP connections so far. */
  readonly connections: number;
  /** Commands that run now. */
  readonly running: number;
  /** Cuts every connection. */
  cut(): void;
  /** Stops listening, cuts what is connected, and waits until every command has ended. */
  close(): Promise<void>;
}

export function generateKey(comment?: string): KeyPair;

/** Starts a server that runs commands with /bin/sh as the current user and forwards TCP and Unix sockets. */
export function startSampleHost(options: SampleHostOptions): Promise<SampleHost>;
