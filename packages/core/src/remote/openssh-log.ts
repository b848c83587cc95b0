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

/** How ssh came to accept a key, the worst last: `added`: none was known, and it is now; `new`: none was; `changed`: another one is. */
const acceptances = ['added', 'new', 'changed', 'revoked'] as const;
export type Acceptance = (typeof acceptances)[number];

/** One ssh's part of what it was told to do, from what it writes with `-v`. */
export interface LoggedLogin {
  /** Without what `-v` adds. */
  readonly said: readonly string[];
  /** The server that it got to. */
  readonly server: LoggedServer | undefined;
  /** Of that server. */
  readonly hostKey: LoggedKey | undefined;
  /** The name that its key is looked up by, where that is not its address. */
  readonly alias: string | undefined;
  /** Although its key was not the known one. */
  readonly accepted: Acceptance | undefined;
  /** It is told of another server, or another key, than before. */
  readonly isContradictory: boolean;
}

/**
 * What an ssh that holds a connection wrote while it logged in: to a file of its own (`-E`), in which no other program writes; and what came on
 * standard error, which it shares with the programs that lead to the server and with greetings of servers, so that it only serves to say
 * what went wrong. Source of all texts: sshconnect.c, sshconnect2.c, readconf.c and ssh.c of OpenSSH; tried with 9.2.
 */
export class OpensshLog {
  /**
   * Of the host itself. A host can make ssh write lines of its choice, but only when ssh has written which server and key it sees, and
   * what it thinks of the key: so the first of these count, and the worst.
   */
  readonly host: LoggedLogin;
  /** Of the way there: the last server that is told of. */
  readonly way: LoggedLogin;
  /** Whether a command leads to the host, as for jump hosts. */
  readonly isProxied: boolean;
  /** Whether ssh tried to get anywhere: before, it reads its options. */
  readonly hasTried: boolean;

  constructor(log: string, standardError: string) {
    const lines = linesOf(log);
    this.host = readLogin(lines);
    this.way = readLogin(lastLogin(linesOf(standardError)));
    this.isProxied = lines.some((line) => line.startsWith('debug1: Executing proxy command'));
    this.hasTried = lines.some((line) =>
      /^debug1: (?:Connecting to|Executing proxy)|Could not resolve hostname/.test(line),
    );
  }
}

function linesOf(text: string): readonly string[] {
  return text.replaceAll('\r', '').split('\n');
}

/** From the last server on that is told of. */
function lastLogin(lines: readonly string[]): readonly string[] {
  const start = lines.findLastIndex((line) => authenticatingTo(line) !== undefined);
  return start < 0 ? lines : lines.slice(start);
}

function readLogin(lines: readonly string[]): LoggedLogin {
  const servers = lines.flatMap((line) => authenticatingTo(line) ?? []);
  const keys = lines.flatMap((line) => hostKeyOf(line) ?? []);
  const kinds = new Set(lines.map(acceptance));
  return {
    said: lines.filter((line) => line !== '' && !addedByVerbosity.test(line)),
    server: servers[0],
    hostKey: keys[0],
    alias: lines.map((line) => /^debug1: using hostkeyalias: (.+)$/.exec(line)?.[1]).find((name) => name !== undefined),
    accepted: acceptances.findLast((kind) => kinds.has(kind)),
    isContradictory: servers.length > 1 || new Set(keys.map(({ fingerprint }) => fingerprint)).size > 1,
  };
}

const addedByVerbosity = /^(?:debug\d: |OpenSSH_\d|Authenticated to |Transferred: |Bytes per second: )/;

function authenticatingTo(line: string): LoggedServer | undefined {
  const [, address, port, user] = /^debug1: Authenticating to (.+):(\d+) as '(.*)'$/.exec(line) ?? [];
  return address === undefined || user === undefined ? undefined : { address, port: Number(port), user };
}

function hostKeyOf(line: string): LoggedKey | undefined {
  const [, type, fingerprint] =
    /^debug1: Server host (?:key|certificate): (\S+) (SHA256:[A-Za-z0-9+/]+)/.exec(line) ?? [];
  return type === undefined || fingerprint === undefined ? undefined : { type, fingerprint };
}

function acceptance(line: string): Acceptance | undefined {
  if (line.includes('REMOTE HOST IDENTIFICATION HAS CHANGED')) return 'changed';
  if (line.includes('REVOKED HOST KEY DETECTED')) return 'revoked';
  if (line.startsWith('Warning: Permanently added')) return 'added';
  if (line.startsWith('Failed to add the host to the list of known hosts')) return 'new';
  return undefined;
}
