import { join } from 'node:path';
import type { Connection, HostKeyPolicy, Login } from '../cluster/cluster.js';
import { splitFlags } from '../cluster/connection/ssh-arguments.js';
import type { OpensshVersion } from './openssh-version.js';
import { quoteArgument } from './quote.js';
import { signsOfLife } from './signs-of-life.js';

/** A master's command line without the program's name, and the files that it names in a directory of its own. */
export interface MasterStart {
  readonly argv: readonly string[];
  /** Shell scripts by name: how to get to a server that is not reached directly. */
  readonly files: Readonly<Record<string, string>>;
}

/** What a master is started with and in. */
export interface MasterPlace {
  /** The master's own. */
  readonly directory: string;
  readonly version: OpensshVersion;
  /** For a proxy command. */
  readonly shell: string;
}

/** Names of the control socket and of the log in the master's directory. */
export const controlSocket = 's';
export const logFile = 'log';

/**
 * How to start a master. ssh takes the first value it meets of most options, so what the program cannot do without comes first. Where ssh
 * was chosen for the host, it gets what Ansible would write, and decides the rest by its own configuration: nothing that was found out here
 * about where the host is. Where it stands in for our own SSH, it reads no configuration, and gets all of what was found out. Source:
 * ssh(1), ssh_config(5).
 */
export function masterStart(connection: Connection, { directory, version, shell }: MasterPlace): MasterStart {
  const controlPath = join(directory, controlSocket);
  const fixed = options({
    ...unattended,
    ControlMaster: 'yes',
    ControlPath: path(controlPath),
    ControlPersist: 'no',
    // The option is younger than the oldest ssh that will do.
    ForkAfterAuthentication: version.forksByOption ? 'no' : undefined,
    ClearAllForwardings: 'yes',
    // As `ssh -v` prints it, and no other way.
    FingerprintHash: 'sha256',
    ...patience(connection),
  });
  const { words, files } =
    connection.transport === 'openssh' ? asAnsible(connection) : asFoundOut(connection, directory, shell);
  // The last -S counts, unlike of -o. The log has a file of its own: greetings of servers come on standard error.
  const last = ['-S', plainPercent(controlPath), '-v', '-E', join(directory, logFile), ...end(connection)];
  return { argv: ['-N', '-T', ...fixed, ...words, ...last], files };
}

interface Words {
  readonly words: readonly string[];
  readonly files: MasterStart['files'];
}

function end({ transport, sshDestination, address }: Connection): readonly string[] {
  return ['--', transport === 'openssh' ? sshDestination : address];
}

/**
 * Flags that would undo what a master is started for, that hand something of this machine to the host, or that send messages elsewhere.
 * Most of them count wherever they stand.
 */
const undoing = 'AEfGKMNOQqSsTtVvWwXYy';

function asAnsible({ sshArguments }: Connection): Words {
  const { flags } = splitFlags(sshArguments);
  const kept = flags.filter(({ letter }) => !undoing.includes(letter));
  return {
    words: kept.flatMap(({ letter, value }) => (value === undefined ? [`-${letter}`] : [`-${letter}`, value])),
    files: {},
  };
}

function asFoundOut(connection: Connection, directory: string, shell: string): Words {
  const files: Record<string, string> = {};
  let proxy: string | undefined;
  for (const [index, login] of [...connection.jumps, connection].entries()) {
    const jump = connection.jumps[index - 1];
    const command = jump === undefined ? login.proxyCommand : jumpCommand(jump, proxy, login);
    if (command === undefined) continue;
    const name = `way${index}`;
    files[name] = `exec ${command}\n`;
    // In a script: ssh wants quotes balanced in a way that is not the shell's (argv_split in misc.c).
    const runner = jump === undefined ? shell : '/bin/sh';
    proxy = plainPercent([runner, join(directory, name)].map(quoteArgument).join(' '));
  }
  return { words: loginArguments(connection, proxy), files };
}

/** Asks nothing, runs nothing here, hands nothing of this machine to the host. */
const unattended = { BatchMode: 'yes', PermitLocalCommand: 'no', ForwardAgent: 'no', ForwardX11: 'no' };

/** The command whose input and output are a connection from a jump host to the next server; `before` leads to the jump host. */
function jumpCommand(jump: Login, before: string | undefined, next: Login): string {
  // As by our own SSH, a changed key of a jump host is refused whatever is set: it could lead anywhere.
  const strict = jump.hostKeys.strict === 'no' ? ('accept-new' as const) : jump.hostKeys.strict;
  const argv = [
    'ssh',
    '-v',
    ...options({ ...unattended, FingerprintHash: 'sha256', ...patience(jump) }),
    ...loginArguments({ ...jump, hostKeys: { ...jump.hostKeys, strict } }, before),
    ...['-W', `[${next.address}]:${next.port}`, '--', jump.address],
  ];
  return argv.map(quoteArgument).join(' ');
}

/** One server with everything that is known about it, and without a look at any configuration. */
function loginArguments(login: Login, proxy: string | undefined): readonly string[] {
  const { algorithms, hostKeys } = login;
  return [
    ...['-F', 'none'],
    ...options({
      Port: String(login.port),
      User: login.user === undefined ? undefined : quoted(login.user),
      ProxyCommand: proxy,
      PubkeyAuthentication: login.authentications.includes('publickey') ? undefined : 'no',
      IdentitiesOnly: login.identitiesOnly ? 'yes' : undefined,
      IdentityAgent: login.agentSocket === undefined ? undefined : path(login.agentSocket),
      ...hostKeyOptions(hostKeys),
      Ciphers: algorithms.ciphers,
      KexAlgorithms: algorithms.keyExchange,
      MACs: algorithms.macs,
      HostKeyAlgorithms: algorithms.hostKeys,
    }),
    ...identityFiles(login),
    ...login.certificateFiles.flatMap((file) => options({ CertificateFile: path(file) })),
  ];
}

/** How long to wait says nothing about where to go: it is given in both cases. */
function patience(login: Login): Readonly<Record<string, string>> {
  const { interval, count } = signsOfLife(login);
  return {
    ServerAliveInterval: String(interval),
    ServerAliveCountMax: String(count),
    ConnectTimeout: String(login.connectSeconds ?? 30),
  };
}

/** Not with -i: ssh passes over one that is missing, and then tries the default ones. */
function identityFiles({ identityFiles: files }: Login): readonly string[] {
  if (files?.length === 0) return options({ IdentityFile: 'none' });
  return (files ?? []).flatMap((file) => options({ IdentityFile: path(file) }));
}

function hostKeyOptions(policy: HostKeyPolicy): Readonly<Record<string, string | undefined>> {
  const list = (files: readonly string[] | undefined): string | undefined =>
    files === undefined ? undefined : files.length === 0 ? '/dev/null' : files.map(path).join(' ');
  return {
    StrictHostKeyChecking: policy.strict,
    HostKeyAlias: policy.alias === undefined ? undefined : quoted(policy.alias),
    UserKnownHostsFile: list(policy.userFiles),
    GlobalKnownHostsFile: list(policy.globalFiles),
    HashKnownHosts: policy.hash ? 'yes' : undefined,
    RevokedHostKeys: policy.revokedFile === undefined ? undefined : path(policy.revokedFile),
  };
}

function options(values: Readonly<Record<string, string | undefined>>): readonly string[] {
  return Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : ['-o', `${name}=${value}`]));
}

function path(file: string): string {
  return quoted(plainPercent(file));
}

/** One word in ssh_config's syntax, whatever it holds. */
function quoted(word: string): string {
  return /^[A-Za-z0-9_@%+:,./-]+$/.test(word) ? word : `"${word.replaceAll(/["\\]/g, '\\$&')}"`;
}

/** Text in which ssh finds no tokens to expand. */
function plainPercent(text: string): string {
  return text.replaceAll('%', '%%');
}
