import type { Host } from '../cluster/cluster.js';
import { asBackupError, BackupError } from '../model/errors.js';
import type { Logger } from '../model/logger.js';
import type { RemoteHost } from '../remote/remote-host.js';
import { type Dialogue, openDialogue } from '../remote/dialogue.js';
import { ledgerCommand } from '../run/ledger-records.js';
import { lockScript } from '../run/ledger-scripts.js';

const answerSeconds = 30;

export interface HostLocks {
  release(): Promise<void>;
}

/**
 * Takes each host for this restore alone: no backup and no other restore works on it meanwhile. All hosts or none. Errors: HOST_LOCKED; HOST_PREFLIGHT where
 * no lock can be had, for two restores at once would destroy what they keep aside.
 */
export async function lockHosts(
  hosts: readonly Host[],
  options: {
    readonly remote: (host: Host) => Promise<RemoteHost>;
    readonly signal: AbortSignal;
    readonly log: Logger;
  },
): Promise<HostLocks> {
  const results = await Promise.allSettled(hosts.map(async (host) => lock(await options.remote(host), options.signal)));
  const held = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const release = async (): Promise<void> => {
    await Promise.all(held.map((dialogue) => end(dialogue, options.log)));
  };
  const failed = results.find((result) => result.status === 'rejected');
  if (failed === undefined) return { release };
  await release();
  throw asBackupError(failed.reason);
}

async function lock(remote: RemoteHost, signal: AbortSignal): Promise<Dialogue> {
  const host = remote.host.name;
  let dialogue: Dialogue;
  let answer: string;
  try {
    dialogue = await openDialogue(remote, ledgerCommand(lockScript, ['', 'exclusive']), {
      what: `lock on ${host}`,
      signal,
    });
    answer = await dialogue.next({ signal, seconds: answerSeconds });
  } catch (cause) {
    signal.throwIfAborted();
    const { message } = asBackupError(cause);
    throw new BackupError('HOST_PREFLIGHT', `${host}: no lock can be taken under /run: ${message}`, { host, cause });
  }
  if (answer !== 'busy') return dialogue;
  throw new BackupError('HOST_LOCKED', `${host}: a backup or another restore is using this host`, {
    host,
    hint: 'Wait until it has ended.',
    retryable: true,
  });
}

async function end(dialogue: Dialogue, log: Logger): Promise<void> {
  try {
    await dialogue.end(answerSeconds);
  } catch (error) {
    log.info({ error: asBackupError(error).message }, 'lock was lost');
  }
}
