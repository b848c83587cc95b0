import { once } from 'node:events';
import { connect } from 'node:net';
import type { Host, LocalUser } from '../cluster/cluster.js';
import { inTime } from '../model/in-time.js';
import { abortError, BackupError } from '../model/errors.js';
import { nameList } from '../model/name-list.js';
import { systemReason } from '../model/system-errors.js';
import { hasNativeCrypto } from '../remote/native-crypto.js';
import { opensshVersion } from '../remote/openssh-version.js';
import { type Finding, ok, refused, warning } from './diagnosis.js';

const answerSeconds = 5;
/** SSH_AGENTC_REQUEST_IDENTITIES, one byte long, and the number of its answer (draft-ietf-sshm-ssh-agent, 3.5). */
const listRequest = Buffer.from([0, 0, 0, 1, 11]);
const listAnswer = 12;

/** What this machine brings. `hosts`: those that will be called. */
export async function examineController(
  user: LocalUser,
  hosts: readonly Host[],
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  return [
    ok('node', `Node.js ${process.versions.node}`),
    ok('native-crypto', hasNativeCrypto() ? "with ssh2's native module" : "without ssh2's native module"),
    ...(await Promise.all([sshCheck(hosts, signal), agentCheck(user, signal)])),
    ok('user', `user ${user.name}`),
  ];
}

/** Its absence is no fault where nobody needs it. */
async function sshCheck(hosts: readonly Host[], signal: AbortSignal): Promise<Finding> {
  try {
    return ok('ssh', (await opensshVersion(signal)).name);
  } catch (error) {
    if (signal.aborted) throw abortError(signal);
    const needing = hosts.filter(({ connection }) => connection.transport === 'openssh').map(({ name }) => name);
    if (needing.length === 0) return ok('ssh', 'no OpenSSH that will do, and no host asks for it');
    const detail = `ssh cannot be run (${systemReason(error)}), and these hosts are reached with it: ${nameList(needing)}`;
    return refused('ssh', 'HOST_UNREACHABLE', detail, 'Install the OpenSSH client on this machine, 7.4 or later.');
  }
}

async function agentCheck({ agentSocket }: LocalUser, signal: AbortSignal): Promise<Finding> {
  if (agentSocket === undefined) return ok('agent', 'no SSH agent');
  const late = (): BackupError => new BackupError('COMMAND_TIMEOUT', `no answer within ${answerSeconds} s`);
  try {
    const keys = await inTime({ seconds: answerSeconds, signal, late }, (limited) => countKeys(agentSocket, limited));
    return ok('agent', `SSH agent with ${keys} ${keys === 1 ? 'key' : 'keys'}`);
  } catch (error) {
    if (signal.aborted) throw abortError(signal);
    const detail = `the SSH agent at ${agentSocket} cannot be asked: ${systemReason(error)}`;
    return warning('agent', detail, 'Start an agent and set SSH_AUTH_SOCK to its socket, or unset it.');
  }
}

async function countKeys(agentSocket: string, signal: AbortSignal): Promise<number> {
  const socket = connect(agentSocket);
  const stop = (): unknown => socket.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    await once(socket, 'connect', { signal });
    socket.write(listRequest);
    let answer = Buffer.alloc(0);
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      answer = Buffer.concat([answer, chunk]);
      // Its length, its number, how many keys.
      if (answer.length < 9) continue;
      if (answer[4] !== listAnswer) throw new Error('it does not list its keys');
      return answer.readUInt32BE(5);
    }
    throw new Error('it closed the connection');
  } finally {
    signal.removeEventListener('abort', stop);
    socket.destroy();
  }
}
