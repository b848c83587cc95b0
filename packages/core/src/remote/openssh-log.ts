/** A server that ssh got to, as it says so: `Authenticating to HOST:PORT as 'USER'`. */
export interface LoggedServer {
  readonly address: string;
  readonly port: number;
  readonly user: string;
}

/** The key of a server: its type and `SHA256:...`. */
export interface LoggedKey {
  readonly type: string;
  readonly fingerprint: string;
}

/** A key that ssh accepted although it was not the known one. */
export interface AcceptedKey {
  /** Undefined: a server on the way, of which ssh says nothing. */
  readonly server: LoggedServer | undefined;
  readonly key: LoggedKey | undefined;
  /** `changed`: another one is known; `added`: none was, and it is now; `new`: none was. */
  readonly as: 'changed' | 'added' | 'new';
}

/**
 * What `ssh -v` wrote while it logged in. The ssh of a jump host writes to the same place, before the one that goes through it gets to its
 * server. Source of all texts: sshconnect.c, sshconnect2.c, readconf.c and ssh.c of OpenSSH 7.4 to 9.9.
 */
export class OpensshLog {
  /** Without what `-v` adds. */
  readonly said: readonly string[];
  /** The server that ssh got to last: in the end, the host itself. */
  readonly server: LoggedServer | undefined;
  /** Of that server. */
  readonly hostKey: LoggedKey | undefined;
  /** The name that its key is looked up by, where that is not its address. */
  readonly alias: string | undefined;
  readonly accepted: readonly AcceptedKey[];
  /** Whether a command leads to the server, as for jump hosts. */
  readonly isProxied: boolean;
  /** Whether ssh tried to get anywhere: before, it reads its options. */
  readonly hasTried: boolean;

  constructor(stderr: string) {
    const lines = stderr.replaceAll('\r', '').split('\n');
    this.said = lines.filter(
      (line) =>
        line !== '' && !/^(?:debug\d: |OpenSSH_\d|Authenticated to |Transferred: |Bytes per second: )/.test(line),
    );
    this.isProxied = lines.some((line) => line.startsWith('debug1: Executing proxy command'));
    this.hasTried = lines.some((line) =>
      /^debug1: (?:Connecting to|Executing proxy)|Could not resolve hostname/.test(line),
    );
    const accepted: AcceptedKey[] = [];
    let server: LoggedServer | undefined;
    let key: LoggedKey | undefined;
    let alias: string | undefined;
    for (const line of lines) {
      const next = authenticatingTo(line);
      if (next !== undefined) [server, key, alias] = [next, undefined, undefined];
      key = hostKeyOf(line) ?? key;
      alias = /^debug1: using hostkeyalias: (.+)$/.exec(line)?.[1] ?? alias;
      const as = acceptance(line);
      if (as !== undefined) accepted.push({ server, key, as });
    }
    this.server = server;
    this.hostKey = key;
    this.alias = alias;
    this.accepted = accepted;
  }

  find(pattern: RegExp): string | undefined {
    return this.said.find((line) => pattern.test(line));
  }
}

function authenticatingTo(line: string): LoggedServer | undefined {
  const [, address, port, user] = /^debug1: Authenticating to (.+):(\d+) as '(.*)'$/.exec(line) ?? [];
  return address === undefined || user === undefined ? undefined : { address, port: Number(port), user };
}

function hostKeyOf(line: string): LoggedKey | undefined {
  const [, type, fingerprint] =
    /^debug1: Server host (?:key|certificate): (\S+) (SHA256:[A-Za-z0-9+/]+)/.exec(line) ?? [];
  return type === undefined || fingerprint === undefined ? undefined : { type, fingerprint };
}

function acceptance(line: string): AcceptedKey['as'] | undefined {
  if (line.includes('REMOTE HOST IDENTIFICATION HAS CHANGED')) return 'changed';
  if (line.startsWith('Warning: Permanently added')) return 'added';
  if (line.startsWith('Failed to add the host to the list of known hosts')) return 'new';
  return undefined;
}
