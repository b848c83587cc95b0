/** A counted place at a host, taken for as long as a channel is open. */
export interface Slot {
  /** The server opened the channel. */
  opened(): void;
  /** The server refused the channel: gives the place back, and no more are tried at once than the server is known to take. */
  refused(): void;
  release(): void;
}

/**
 * A short helper command; a stream that ends by itself; a session that is held while its owner asks for streams and helpers;
 * a command that ends another one, for which one more is always allowed.
 */
export type SlotKind = 'helper' | 'stream' | 'session' | 'urgent';

/** With a lower limit than this, a session that is held all run could keep the others from ever getting a stream or a helper. */
const leastForLasting = 4;

interface Waiter {
  readonly kind: SlotKind;
  readonly giveWay: (() => void) | undefined;
  grant(slot: Slot): void;
}

/**
 * How many sessions may be open on one connection. sshd allows 10 (MaxSessions in sshd_config(5)). Whoever holds a session needs
 * streams and helpers to finish, so some of the limit is kept for each of these two and is never given to a session; what is kept for
 * helpers is never given to a stream either. From a limit of 3 on, everybody so gets through in the end; with 2, a stream and a helper
 * take turns beside the one session. With 1 there is nothing to keep: who waits must have a deadline. That holds for sessions that end;
 * one that is held all run and can be done without is told to give way when the limit is below 4. First come, first served within a
 * kind.
 */
export class Slots {
  #limit: number;
  readonly #taken: Record<SlotKind, number> = { helper: 0, stream: 0, session: 0, urgent: 0 };
  readonly #waiting: Waiter[] = [];
  /** What to tell those who can be done without. */
  readonly #lasting = new Set<() => void>();
  #opened = 0;
  #mostOpened = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Places taken now. */
  get taken(): number {
    const { helper, stream, session, urgent } = this.#taken;
    return helper + stream + session + urgent;
  }

  /**
   * Resolves when there is room. Rejects with the signal's reason when it aborts first. `giveWay` is for a session that is held all run
   * and can be done without: called, once the place is taken, when it has to be given back.
   */
  take(kind: SlotKind, signal: AbortSignal, giveWay?: () => void): Promise<Slot> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal.reason as Error);
      };
      const waiter: Waiter = {
        kind,
        giveWay,
        grant: (slot) => {
          signal.removeEventListener('abort', onAbort);
          resolve(slot);
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiter);
      this.#serve();
    });
  }

  #serve(): void {
    for (let next = this.#next(); next >= 0; next = this.#next()) {
      const [waiter] = this.#waiting.splice(next, 1);
      if (waiter) waiter.grant(this.#slot(waiter));
    }
  }

  #next(): number {
    return this.#waiting.findIndex(({ kind }) => this.#hasRoom(kind));
  }

  #hasRoom(kind: SlotKind): boolean {
    const limit = this.#limit;
    if (kind === 'urgent') return this.taken <= limit;
    if (this.taken >= limit) return false;
    const { stream, session } = this.#taken;
    const kept = limit >= 6 ? 2 : 1;
    switch (kind) {
      case 'helper':
        return true;
      case 'stream':
        return stream < Math.max(1, limit - kept - session);
      case 'session':
        return session < Math.max(1, limit - 2 * kept) && stream + session < Math.max(1, limit - kept);
    }
  }

  #slot({ kind, giveWay }: Waiter): Slot {
    this.#taken[kind] += 1;
    if (giveWay) this.#lasting.add(giveWay);
    this.#makeWay();
    let held = true;
    let open = false;
    const release = (): void => {
      if (!held) return;
      held = false;
      this.#taken[kind] -= 1;
      if (giveWay) this.#lasting.delete(giveWay);
      if (open) this.#opened -= 1;
      this.#serve();
    };
    return {
      opened: () => {
        if (!held || open) return;
        open = true;
        this.#opened += 1;
        this.#mostOpened = Math.max(this.#mostOpened, this.#opened);
      },
      refused: () => {
        if (held) this.#shrink();
        release();
      },
      release,
    };
  }

  /** The server takes fewer than we thought: no more than the others that are taken now, but as many as it once had open together. */
  #shrink(): void {
    const others = this.taken - 1;
    if (others > 0) this.#limit = Math.min(this.#limit, Math.max(others, this.#mostOpened));
    this.#makeWay();
  }

  #makeWay(): void {
    if (this.#limit >= leastForLasting) return;
    for (const giveWay of this.#lasting) queueMicrotask(giveWay);
    this.#lasting.clear();
  }
}
