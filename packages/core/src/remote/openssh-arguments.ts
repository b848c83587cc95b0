import { join } from 'node:path';
import type { Connection, HostKeyPolicy, Login } from '../cluster/cluster.js';
import { quoteArgument } from './quote.js';

/** Seconds between signs of life, and without any after which a connection counts as dead; the same as for our own connections. */
const defaultKeepAlive = 15;
const deadAfter = 60;

/** A master's command line without the program's name, and the files that it names in a directory of its own. */
export interface MasterStart {
  readonly argv: readonly string[];
  /** Shell scripts by name: how to get to a server that is not reached directly. */
  readonly files: Readonly<Record<string, string>>;
}

/** Name of the control socket in the master's directory. */
export const controlSocket = 's';

/**
 * How to start a master. ssh takes the first value it meets of most options, so what the program cannot do without comes first, then what
 * the inventory and the user's configuration were found to say, then what Ansible would write. ssh reads the user's configuration itself
 * too, for what this program knows nothing of. Source: ssh(1), ssh_config(5).
 */
export function masterStart(connection: Connection, directory: string): MasterStart {
  const controlPath = join(directory, controlSocket);
  const fixed = {
    ...unattended,
    ControlMaster: 'yes',
    ControlPath: path(controlPath),
    ControlPersist: 'no',
    ClearAllForwardings: 'yes',
    // As `ssh -v` prints it, and no other way.
    FingerprintHash: 'sha256',
  };
  const files: Record<string, string> = {};
  let proxy: string | undefined;
  for (const [index, login] of [...connection.jumps, connection].entries()) {
    const script = index === 0 ? login.proxyCommand : jumpCommand(connection.jumps[index - 1] ?? login, proxy, login);
    if (script === undefined) continue;
    files[`way${index}`] = `exec ${script}\n`;
    proxy = plainPercent(`/bin/sh ${quoteArgument(join(directory, `way${index}`))}`);
  }
  const argv = [
    '-N',
    '-T',
    ...options({
      ...fixed,
      // Where ssh was chosen for this host, it decides by its own configuration; else the way that was found out is the way.
      HostName: connection.transport === 'openssh' ? undefined : plainPercent(connection.address),
    }),
    ...loginArguments(connection, proxy),
    ...passedOn(connection.sshArguments),
    // The last one counts, unlike -o.
    ...['-S', plainPercent(controlPath), '-v', '--', connection.sshDestination],
  ];
  return { argv, files };
}

/** Flags of ssh(1) that take a value; of these, and of the others, those that would undo what a master is started for. */
const flagsWithValue = /[BbcDEeFIiJLlmOopQRSWw]/;
const undoingWithValue = 'EJOQSW';
const undoing = 'fGMNVy';

/** The words without what would send ssh into the background or its messages elsewhere, and without -J: the jumps are there as commands. */
function passedOn(words: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    const place = word.slice(1).search(flagsWithValue) + 1;
    const alone = Array.from(word.slice(1, place === 0 ? undefined : place)).filter(
      (letter) => !undoing.includes(letter),
    );
    if (alone.length > 0) kept.push(`-${alone.join('')}`);
    if (place === 0) continue;
    const attached = word.slice(place + 1);
    if (attached === '') index += 1;
    const value = attached === '' ? (words[index] ?? '') : attached;
    if (!undoingWithValue.includes(word.charAt(place))) kept.push(`-${word.charAt(place)}`, value);
  }
  return kept;
}

/** Asks nothing, runs nothing here, hands nothing of this machine to the host. */
const unattended = { BatchMode: 'yes', PermitLocalCommand: 'no', ForwardAgent: 'no', ForwardX11: 'no' };

/** The command whose input and output are a connection from a jump host to the next server; `before` leads to the jump host. */
function jumpCommand(jump: Login, before: string | undefined, next: Login): string {
  const argv = [
    'ssh',
    ...options({ ...unattended, ControlMaster: 'no', ControlPath: 'none' }),
    ...loginArguments(jump, before),
    ...['-W', `[${next.address}]:${next.port}`, '--', jump.address],
  ];
  return argv.map(quoteArgument).join(' ');
}

function loginArguments(login: Login, proxy: string | undefined): readonly string[] {
  const { algorithms, hostKeys, keepAliveSeconds } = login;
  const keepAlive = keepAliveSeconds !== undefined && keepAliveSeconds > 0 ? keepAliveSeconds : defaultKeepAlive;
  return [
    ...options({
      Port: String(login.port),
      User: login.user === undefined ? undefined : quoted(login.user),
      // In a script: ssh wants quotes balanced in a way that is not the shell's (argv_split in misc.c).
      ProxyCommand: proxy,
      IdentitiesOnly: login.identitiesOnly ? 'yes' : undefined,
      IdentityAgent: login.agentSocket === undefined ? undefined : path(login.agentSocket),
      ...hostKeyOptions(hostKeys),
      Ciphers: algorithms.ciphers,
      KexAlgorithms: algorithms.keyExchange,
      MACs: algorithms.macs,
      HostKeyAlgorithms: algorithms.hostKeys,
      ServerAliveInterval: String(keepAlive),
      ServerAliveCountMax: String(Math.max(1, Math.round(deadAfter / keepAlive))),
      ConnectTimeout: String(login.connectSeconds ?? 30),
    }),
    ...identityFiles(login),
    ...login.certificateFiles.flatMap((file) => options({ CertificateFile: path(file) })),
  ];
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
