import type { Host, LocalUser, Login } from '../cluster/cluster.js';
import type { BackupError, ErrorCode } from '../model/errors.js';
import type { Warning } from '../model/artifact.js';
import type { RemoteHost } from '../remote/remote-host.js';
import { failed, type Finding, type HostCheck, ok, skipped, warning, withoutName } from './diagnosis.js';

/** What has to go well one after the other. */
const stages = ['reach', 'host-key', 'login', 'commands', 'become'] as const;
type Stage = (typeof stages)[number];

/** Where a connection that was not made got stuck; with any other code it was the first command. */
const stageOf: Partial<Record<ErrorCode, Stage>> = {
  INVENTORY_UNSUPPORTED: 'reach',
  HOST_UNREACHABLE: 'reach',
  HOST_KEY: 'host-key',
  HOST_KEY_FILE: 'login',
  HOST_AUTH: 'login',
  HOST_SUDO: 'become',
  HOST_TTY: 'become',
};

/** Found before the host is called, or perhaps before: they do not tell that what comes earlier went well. */
const provesNothing: readonly ErrorCode[] = ['HOST_KEY', 'HOST_KEY_FILE'];

/** Of a host that the inventory gives no way to that can be gone. */
export function notCalled(host: Host, refusal: BackupError, later: readonly HostCheck[]): readonly Finding[] {
  const checks = [...new Set<HostCheck>([...stages, ...later])];
  return [failed('connection', refusal, host.name), ...checks.map((check) => skipped(check, 'not called'))];
}

/** Of a host that could not be connected to; `later` are the checks that so cannot be made. */
export function notConnected(host: Host, error: BackupError, later: readonly HostCheck[]): readonly Finding[] {
  const stuck = stages.indexOf(stageOf[error.code] ?? 'commands');
  const before = (stage: Stage): Finding =>
    provesNothing.includes(error.code) ? skipped(stage, 'not known') : ok(stage, passed[stage]);
  const way = stages.map((stage, index) => {
    if (index < stuck) return before(stage);
    return index === stuck ? failed(stage, error, host.name) : skipped(stage, 'no connection');
  });
  const others = later.filter((check) => !stages.some((stage) => stage === check));
  return [...way, ...others.map((check) => skipped(check, 'no connection'))];
}

const passed: Readonly<Record<Stage, string>> = {
  reach: 'reached',
  'host-key': 'host key accepted',
  login: 'logged in',
  commands: 'commands run',
  become: 'root',
};

export interface WayIn {
  readonly user: LocalUser;
  /** What connecting took. */
  readonly milliseconds: number | undefined;
  /** What was told while connecting. */
  readonly warnings: readonly Warning[];
}

/** Of a host that is connected. */
export function connected(
  { host, facts }: Pick<RemoteHost, 'host' | 'facts'>,
  { user, milliseconds, warnings }: WayIn,
): readonly Finding[] {
  const { connection, name } = host;
  const took = milliseconds === undefined ? 'connected' : `connected in ${Math.round(milliseconds)} ms`;
  return [
    ok('reach', took),
    hostKeyFinding(name, facts.sshFingerprint, warnings),
    ok('login', loginText(host, user)),
    ok('become', becomeText(connection.become?.method, facts.loginIsRoot)),
    ok('os', facts.os),
    ...warnings.filter((each) => !isOfHostKey(each)).map((each) => warned('connection', name, each)),
  ];
}

function hostKeyFinding(name: string, fingerprint: string | undefined, warnings: readonly Warning[]): Finding {
  const doubt = warnings.find(isOfHostKey);
  if (doubt === undefined)
    return ok('host-key', fingerprint === undefined ? 'no host key' : `known key ${fingerprint}`);
  const remedy = 'Compare the fingerprint, add the key to a file of known hosts, and let ssh check it.';
  return warned('host-key', name, doubt, remedy);
}

function isOfHostKey({ code }: Warning): boolean {
  return code.startsWith('HOST_KEY');
}

function warned(check: HostCheck, name: string, { code, message }: Warning, remedy?: string): Finding {
  return warning(check, withoutName(message, name), remedy, code);
}

function loginText({ connection }: Host, user: LocalUser): string {
  const { transport, jumps } = connection;
  if (transport === 'local') return `this machine itself, as ${user.name}`;
  const through = jumps.length === 0 ? '' : ` through ${jumps.map((jump) => placeText(jump, user)).join(', ')}`;
  return `${placeText(connection, user)}${through}${transport === 'openssh' ? " by the system's ssh" : ''}`;
}

function placeText(login: Login, user: LocalUser): string {
  return `${login.user ?? user.name}@${login.address}${login.port === 22 ? '' : ` port ${login.port}`}`;
}

function becomeText(method: string | undefined, loginIsRoot: boolean): string {
  if (loginIsRoot) return 'root';
  return method === undefined ? 'no become: all runs as the login user' : `root by ${method}`;
}
