/** A counted place at a host, taken for as long as a channel is open. */
export interface Slot {
  release(): void;
}

/** A long stream; a short helper command; a command that ends another one, for which one more is always allowed. */
export type SlotKind = 'stream' | 'helper' | 'urgent';

interface Waiter {
  readonly kind: SlotKind;
  grant(slot: Slot): void;
}

/**
 * How many sessions may be open on one connection. sshd allows 10 (MaxSessions in sshd_config(5)); some of ours are kept back for
 * short helper commands, so that long streams never keep a component from asking something. First come, first served within a kind.
 */
export class Slots {
  #limit: number;
  readonly #reserved: number;
  #open = 0;
  readonly #waiting: Waiter[] = [];

  constructor(limit: number, reserved: number) {
    this.#limit = limit;
    this.#reserved = reserved;
  }

  get open(): number {
    return this.#open;
  }

  /** Resolves when there is room. Rejects with the signal's reason when it aborts first. */
  take(kind: SlotKind, signal: AbortSignal | undefined): Promise<Slot> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal?.reason as Error);
      };
      const waiter: Waiter = {
        kind,
        grant: (slot) => {
          signal?.removeEventListener('abort', onAbort);
          resolve(slot);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiter);
      this.#serve();
    });
  }

  /** The server takes fewer than we thought: no more than are open now. At least one stays allowed. */
  shrink(): void {
    this.#limit = Math.max(1, Math.min(this.#limit, this.#open));
  }

  #serve(): void {
    for (let next = this.#next(); next >= 0; next = this.#next()) {
      const [waiter] = this.#waiting.splice(next, 1);
      this.#open += 1;
      waiter?.grant(this.#slot());
    }
  }

  #next(): number {
    const limits = { stream: Math.max(1, this.#limit - this.#reserved), helper: this.#limit, urgent: this.#limit + 1 };
    return this.#waiting.findIndex((waiter) => this.#open < limits[waiter.kind]);
  }

  #slot(): Slot {
    let held = true;
    return {
      release: () => {
        if (!held) return;
        held = false;
        this.#open -= 1;
        this.#serve();
      },
    };
  }
}
