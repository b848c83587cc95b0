import pLimit from 'p-limit';
import { asBackupError, BackupError } from '../model/errors.js';
import type { Logger } from '../model/logger.js';
import type { RemoteHost } from '../remote/remote-host.js';
import { type Dialogue, openDialogue } from '../remote/dialogue.js';
import { ledgerCommand } from '../run/ledger-records.js';
import { lockScript } from '../run/ledger-scripts.js';
import { fence } from './host-fence.js';
import { lockMark, markHost } from './marked-host.js';

const answerSeconds = 30;

/** How a host of the run is reached, for its lock. */
type Reach = (host: string) => Promise<RemoteHost>;

export interface HostLocks {
  /** Has these hosts locked, over other connections where the lock went with the first ones. Errors: as `lockHosts`. */
  renew(hosts: readonly string[], reach: Reach): Promise<void>;
  release(): Promise<void>;
}

interface Held {
  readonly dialogue: Dialogue;
  isLost: boolean;
}

/**
 * Takes each host for this restore alone: no backup and no other restore works on it meanwhile. All hosts or none. Errors: HOST_LOCKED; HOST_PREFLIGHT where
 * no lock can be had, for two restores at once would destroy what they keep aside.
 */
export async function lockHosts(
  hosts: readonly string[],
  options: {
    readonly runId: string;
    readonly reach: Reach;
    readonly signal: AbortSignal;
    readonly log: Logger;
  },
): Promise<HostLocks> {
  const { runId, signal, log } = options;
  const held = new Map<string, Held>();
  const take = async (host: string, remote: RemoteHost, wait: AbortSignal): Promise<void> => {
    const dialogue = await lock(markHost(remote, lockMark(runId)), wait);
    const one: Held = { dialogue, isLost: false };
    void dialogue.ended.then(() => (one.isLost = true));
    held.set(host, one);
  };
  const release = async (): Promise<void> => {
    await Promise.all([...held.values()].map(({ dialogue }) => end(dialogue, log)));
  };
  const oneByOne = pLimit(1);
  const results = await Promise.allSettled(hosts.map(async (host) => take(host, await options.reach(host), signal)));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    await release();
    throw asBackupError(failed.reason);
  }
  return {
    release,
    renew: (names, reach) =>
      oneByOne(async () => {
        const never = new AbortController().signal;
        for (const host of names) {
          if (held.get(host)?.isLost !== true) continue;
          const remote = await reach(host);
          // The server may not have noticed yet that the connection is gone.
          await fence(remote, lockMark(runId), never);
          await take(host, remote, never);
        }
      }),
  };
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
