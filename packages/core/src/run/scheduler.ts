import type { BufferPool, Reservation } from '../archive/archive.js';
import { abortError, BackupError } from '../model/errors.js';

/** What one open stream holds: a slot of its host and its buffers, all taken at once. */
export interface Grant {
  readonly reservation: Reservation;
  /** Gives the host's slot back; the archive closes the reservation. Safe to call twice. */
  release(): void;
}

export interface Scheduler {
  /**
   * Grants for streams that must be open at once, one per host name given, all or none, in the order asked. Nothing is held while
   * waiting, so any mix of streams makes progress; a request is passed by later ones only where they take nothing it waits for.
   * `hold`: the streams hold their host (a lock, a freeze), so buffers go to
   * them first. Errors: PLAN_MEMORY when they can never fit; the abort reason.
   */
  admit(
    hosts: readonly string[],
    options: { readonly signal: AbortSignal; readonly hold?: boolean },
  ): Promise<readonly Grant[]>;
}

interface Waiting {
  readonly hosts: readonly string[];
  readonly hold: boolean;
  readonly admit: (grants: readonly Grant[]) => void;
}

/** `channelsPerHost`: the most streams a `saveTogether` may open on one host, however many slots it has. */
export function createScheduler(limits: {
  readonly buffers: BufferPool;
  readonly streams: number;
  readonly streamsPerHost: number;
  readonly channelsPerHost: number;
}): Scheduler {
  const { buffers, streamsPerHost, channelsPerHost } = limits;
  const maximum = Math.min(limits.streams, buffers.maximumStreams);
  const queue: Waiting[] = [];
  const active = new Map<string, number>();
  let open = 0;
  buffers.onRelease(admitWaiting);

  function admitWaiting(): void {
    const contested = new Set<string>();
    for (const waiting of [...queue]) {
      const wanted = countByHost(waiting.hosts);
      const hostsFree = [...wanted].every(([host, count]) => !contested.has(host) && hasSlots(host, count));
      if (hostsFree) {
        const reservations =
          open + waiting.hosts.length <= maximum
            ? buffers.tryReserve(waiting.hosts.length, { hold: waiting.hold })
            : undefined;
        // The oldest request that only lacks memory gets the next that comes free.
        if (!reservations) return;
        queue.splice(queue.indexOf(waiting), 1);
        waiting.admit(waiting.hosts.map((host, index) => take(host, reservations[index])));
      } else for (const host of wanted.keys()) contested.add(host);
    }
  }

  function hasSlots(host: string, count: number): boolean {
    const used = active.get(host) ?? 0;
    return used + count <= streamsPerHost || (used === 0 && count <= channelsPerHost);
  }

  function take(host: string, reservation: Reservation | undefined): Grant {
    if (!reservation) throw new BackupError('INTERNAL', 'fewer reservations than streams');
    active.set(host, (active.get(host) ?? 0) + 1);
    open += 1;
    let released = false;
    return {
      reservation,
      release: () => {
        if (released) return;
        released = true;
        active.set(host, (active.get(host) ?? 1) - 1);
        open -= 1;
        admitWaiting();
      },
    };
  }

  function admit(hosts: readonly string[], options: Parameters<Scheduler['admit']>[1]): Promise<readonly Grant[]> {
    const { signal, hold = false } = options;
    const tooMany =
      hosts.length > maximum ||
      [...countByHost(hosts).values()].some((count) => count > Math.max(streamsPerHost, channelsPerHost));
    if (tooMany)
      return Promise.reject(
        new BackupError(
          'PLAN_MEMORY',
          `${hosts.length} streams must be open at once, at most ${maximum} fit (${channelsPerHost} on one host)`,
          {
            hint: 'Raise the memory limit.',
          },
        ),
      );
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(abortError(signal));
        return;
      }
      const waiting: Waiting = {
        hosts,
        hold,
        admit: (grants) => {
          signal.removeEventListener('abort', giveUp);
          resolve(grants);
        },
      };
      const giveUp = (): void => {
        queue.splice(queue.indexOf(waiting), 1);
        reject(abortError(signal));
        admitWaiting();
      };
      signal.addEventListener('abort', giveUp, { once: true });
      queue.push(waiting);
      admitWaiting();
    });
  }

  return { admit };
}

function countByHost(hosts: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const host of hosts) counts.set(host, (counts.get(host) ?? 0) + 1);
  return counts;
}
