import type { Warning } from '../model/artifact.js';
import { asBackupError, abortError, BackupError } from '../model/errors.js';
import type { RemoteHost, RemoteProcess } from '../remote/remote-host.js';
import { type Finding, ok, skipped, warning, withoutName } from './diagnosis.js';

/** With fewer at once than this a backup gives its lock back, and components wait for each other (remote/slots.ts). */
const wanted = 4;
const waitSeconds = 15;
/** A refusal may come before the answer to those that were taken. */
const refusedMilliseconds = 2000;

/**
 * How many sessions sshd takes at once on one connection (MaxSessions in sshd_config(5)), as far as that matters. They wait for their standard input, so that they
 * are open together; `giveWay` is how a connection tells that it has found out that there are too few.
 */
export async function sessionFinding(remote: RemoteHost, signal: AbortSignal): Promise<Finding> {
  const opened: RemoteProcess[] = [];
  const enough = new AbortController();
  const stop = (): void => enough.abort(new BackupError('CHANNEL_REFUSED', 'no more sessions'));
  const stopSoon = (): void => void setTimeout(stop, refusedMilliseconds).unref();
  const timer = setTimeout(stop, waitSeconds * 1000);
  const limited = AbortSignal.any([signal, enough.signal]);
  const open = async (): Promise<void> => {
    opened.push(
      await remote.start({ argv: ['cat'], deadline: 2 * waitSeconds }, { signal: limited, giveWay: stopSoon }),
    );
  };
  try {
    const results = await Promise.allSettled(Array.from({ length: wanted }, open));
    if (signal.aborted) throw abortError(signal);
    const failure = results.find((result) => result.status === 'rejected');
    if (failure === undefined) return ok('sessions', `at least ${wanted} sessions at once`);
    if (!enough.signal.aborted) throw asBackupError(failure.reason);
  } finally {
    clearTimeout(timer);
    await Promise.all(opened.map(endSession));
  }
  const few = Math.max(1, opened.length);
  return warning(
    'sessions',
    `sshd took only ${few} of ${wanted} sessions at once: parts of a backup wait for each other, and it holds no lock against a restore`,
    `Raise MaxSessions in sshd_config on ${remote.host.name} (10 is the default).`,
  );
}

async function endSession(process: RemoteProcess): Promise<void> {
  process.stdout.resume();
  process.stdin.end();
  // One that was stopped has failed, which is no news here.
  await process.exit.catch(() => undefined);
  await process[Symbol.asyncDispose]();
}

/** Whether sshd forwards TCP, found out with a port where something listens: sshd's own. `told` has the warnings of the host so far. */
export async function forwardingFinding(
  remote: RemoteHost,
  { signal, told }: { readonly signal: AbortSignal; readonly told: () => readonly Warning[] },
): Promise<Finding> {
  const { transport, port } = remote.host.connection;
  if (transport === 'local') return skipped('forwarding', 'not needed on this machine itself');
  try {
    (await remote.connect({ host: '127.0.0.1', port }, { signal })).destroy();
  } catch (error) {
    const refusal = asBackupError(error);
    if (signal.aborted || refusal.code !== 'HOST_FORWARD') throw refusal;
    // That nothing answered there is sshd's word that it tried: the port may be another one behind a translation of addresses.
    if (!refusal.retryable)
      return warning(
        'forwarding',
        `${withoutName(refusal.message, remote.host.name)}: what is asked over HTTP cannot be`,
        refusal.hint,
        refusal.code,
      );
  }
  const relayed = told().find(({ code }) => code === 'HOST_FORWARD');
  if (relayed === undefined) return ok('forwarding', 'forwarding allowed');
  return warning(
    'forwarding',
    withoutName(relayed.message, remote.host.name),
    allowForwarding(remote.host.name),
    relayed.code,
  );
}

function allowForwarding(host: string): string {
  return `Nothing has to be done; AllowTcpForwarding yes in sshd_config on ${host} costs less than the relay.`;
}
