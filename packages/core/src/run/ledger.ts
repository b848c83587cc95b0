import type { Host } from '../cluster/cluster.js';
import { abortError, asBackupError, BackupError } from '../model/errors.js';
import type { Logger } from '../model/logger.js';
import type { RemoteHost } from '../remote/remote-host.js';
import type { Controller } from '../controller/controller.js';
import { openDialogue, type Dialogue } from '../remote/dialogue.js';
import { ledgerCommand, recordsOn, timeToLiveSeconds } from './ledger-records.js';
import { holdScript, lockScript, sweepScript } from './ledger-scripts.js';

const heartbeatSeconds = 300;
const answerSeconds = 30;

/**
 * What one run has on the hosts: a shared lock in memory, and, only where a unit creates remote state, a record on disk of what must
 * not outlive the unit. The record is written before the state is created and removed with it.
 */
export interface Ledger {
  /**
   * Takes the shared lock; a host that cannot have one, or takes too few sessions to spare one for it, is a warning. Errors: HOST_LOCKED.
   */
  lock(host: Host): Promise<void>;
  /** Removes what dead runs of this controller, and runs without a heartbeat, left on the host. */
  sweep(host: Host): Promise<void>;
  /** Opens a record on the host. */
  hold(host: Host): Promise<Holding>;
  /** Gives the locks back. */
  close(): Promise<void>;
}

/** A record of remote state. Once open it listens to no cancellation: what was recorded must be removed also then. */
export interface Holding {
  /** Makes a private directory and returns it. */
  workspace(): Promise<string>;
  /** Before what lies there is created. Errors: INTERNAL for a path that would not be removed. */
  record(path: string): Promise<void>;
  /** Removes everything recorded. */
  close(): Promise<void>;
}

export interface LedgerOptions {
  readonly runId: string;
  readonly startedAt: Date;
  readonly controller: Controller;
  /** Where records lie on the hosts; unset: /var/lib/lsbackup, or under the home of a login user without become. */
  readonly stateDirectory?: string;
  /** What a run and a restore lock on the hosts; unset: /run/lsbackup. */
  readonly lockDirectory?: string;
  readonly remote: (host: Host) => Promise<RemoteHost>;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly warn: (host: Host, code: string, message: string) => void;
}

export function createLedger(options: LedgerOptions): Ledger {
  const locks: Dialogue[] = [];
  let records = 0;
  const state = options.stateDirectory ?? '';
  const lockDirectory = options.lockDirectory ?? '';

  async function lock(host: Host): Promise<void> {
    const remote = await options.remote(host);
    let answer: string;
    try {
      const { signal } = options;
      const opening: Promise<Dialogue> = openDialogue(remote, ledgerCommand(lockScript, [lockDirectory]), {
        what: `lock on ${host.name}`,
        signal,
        giveWay: () => void opening.then((dialogue) => giveBack(host, dialogue)).catch(() => undefined),
      });
      const dialogue = await opening;
      answer = await dialogue.next({ signal, seconds: answerSeconds });
      locks.push(dialogue);
    } catch (error) {
      if (options.signal.aborted) throw abortError(options.signal);
      const message = `${host.name}: no lock could be taken under /run, a restore started meanwhile would not wait`;
      if (host.connection.become !== undefined) options.warn(host, 'LOCK_UNAVAILABLE', message);
      options.log.info({ host: host.name, error: asBackupError(error).message }, 'no lock');
      return;
    }
    if (answer === 'busy')
      throw new BackupError('HOST_LOCKED', `${host.name}: a restore is running on this host`, {
        host: host.name,
        hint: 'Wait until it has ended.',
      });
  }

  /** The backup is worth more than its lock: a session held all run would keep those that work from their own. */
  async function giveBack(host: Host, dialogue: Dialogue): Promise<void> {
    const at = locks.indexOf(dialogue);
    if (at >= 0) locks.splice(at, 1);
    const message = `${host.name}: its sshd allows so few sessions at once (MaxSessions) that the lock was given back, a restore started meanwhile would not wait`;
    options.warn(host, 'LOCK_UNAVAILABLE', message);
    await end(dialogue);
  }

  async function end(dialogue: Dialogue): Promise<void> {
    try {
      await dialogue.end(answerSeconds);
    } catch (error) {
      options.log.info({ error: asBackupError(error).message }, 'lock was lost');
    }
  }

  async function sweep(host: Host): Promise<void> {
    const remote = await options.remote(host);
    const place = { stateDirectory: state, controller: options.controller, signal: options.signal };
    const { stale, live } = await recordsOn(remote, place);
    for (const runId of live) options.log.info({ host: host.name, runId }, 'another run has data on this host');
    if (stale.length === 0) return;
    await remote.run(ledgerCommand(sweepScript, [state, ...stale]), { signal: options.signal });
    options.warn(host, 'LEFTOVERS_REMOVED', `${host.name}: removed what interrupted runs left: ${stale.join(', ')}`);
  }

  async function hold(host: Host): Promise<Holding> {
    const remote = await options.remote(host);
    records += 1;
    const name = `${options.runId}-${records}`;
    const dialogue = await openDialogue(remote, ledgerCommand(holdScript, [state, name, String(timeToLiveSeconds)]), {
      what: `ledger on ${host.name}`,
      signal: options.signal,
    });
    const directory = await dialogue.next(untilAnswered());
    const ask = (line: string): Promise<string> => dialogue.ask(line, untilAnswered());
    await ask(
      `owner ${JSON.stringify({ runId: options.runId, startedAt: options.startedAt.toISOString(), controller: options.controller })}`,
    );
    const heartbeat = setInterval(() => {
      ask('beat').catch((error: unknown) => {
        options.log.warn({ host: host.name, error: asBackupError(error).message }, 'heartbeat failed');
      });
    }, heartbeatSeconds * 1000);
    heartbeat.unref();
    return {
      workspace: async () => {
        await ask('workspace');
        return `${directory}/workspace`;
      },
      record: async (path) => {
        if (!isRemovable(path))
          throw new BackupError(
            'INTERNAL',
            `a path to be recorded must be absolute, on one line, without .. and below a directory of /: ${JSON.stringify(path)}`,
          );
        await ask(`path ${path}`);
      },
      close: async () => {
        clearInterval(heartbeat);
        await dialogue.end(answerSeconds);
      },
    };
  }

  async function close(): Promise<void> {
    await Promise.all(locks.splice(0).map(end));
  }

  return { lock, sweep, hold, close };
}

/** What ledger-scripts.ts removes; anything else it keeps. */
function isRemovable(path: string): boolean {
  return /^\/[^/]+\/[^/]/.test(path) && !path.includes('\n') && !path.split('/').includes('..');
}

/** Clean-up goes on after the run was cancelled, so the ledger's questions have a deadline and no signal. */
function untilAnswered(): { signal: AbortSignal; seconds: number } {
  return { signal: new AbortController().signal, seconds: answerSeconds };
}
