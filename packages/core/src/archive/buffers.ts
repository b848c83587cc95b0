import { abortError, BackupError } from '../model/errors.js';
import type { BufferPool, Reservation } from './archive.js';
import { BufferSlots, slotsOfLarge, type Slot } from './buffer-slots.js';
import { maximumHeaderBytes, paddingAfter, tarHeader, type TarEntry } from './tar-header.js';

/** Buffers every reservation is sure of: one that is held until its stream goes on, one to fill meanwhile. */
const sureBuffers = 2;
/** With more streams than this the next buffers are small ones. */
const streamsWithLargeBuffers = 5;
/** Buffers beyond one for each stream that compression can make use of; more would only wait in front of it. */
const usefulSpares = 5;
const tarBlock = 512;

export interface PoolOptions {
  /** Most bytes of content all buffers together may hold. */
  readonly bytes: number;
  /** Content bytes of a large buffer; a small one has a quarter. */
  readonly chunkBytes: number;
}

/** The BufferPool of an archive writer. Buffers are had through a reservation only. */
export class RecycledBuffers implements BufferPool {
  readonly maximumStreams: number;
  readonly #bytes: number;
  readonly #large: number;
  readonly #small: number;
  readonly #open = new Set<BufferReservation>();
  readonly #waiting = new Set<Waiter>();
  readonly #slots: BufferSlots;
  readonly #listeners: (() => void)[] = [];
  /** What the last refused `tryReserve` needs: kept from those that would take more than they are sure of. */
  #heldBack = 0;

  constructor(options: PoolOptions) {
    this.#bytes = options.bytes;
    this.#large = options.chunkBytes;
    this.#small = Math.ceil(options.chunkBytes / slotsOfLarge);
    this.#slots = new BufferSlots(Math.ceil(this.#bytes / this.#large), allocationFor(this.#small));
    this.maximumStreams = Math.floor(this.#bytes / this.#sure);
    if (this.maximumStreams < 1)
      throw new BackupError('PLAN_MEMORY', `${String(this.#bytes)} bytes are too few for the buffers of one stream`);
  }

  get #sure(): number {
    return sureBuffers * this.#small;
  }

  /** Content bytes of the buffers that streams or compressions hold now. */
  get inUse(): number {
    return sum([...this.#open], (reservation) => reservation.held);
  }

  tryReserve(streams: number, options: { readonly hold?: boolean } = {}): readonly Reservation[] | undefined {
    const needed = streams * this.#sure;
    if (needed > this.#uncommitted) {
      this.#heldBack = needed;
      return undefined;
    }
    this.#heldBack = 0;
    const made = Array.from({ length: streams }, () => new BufferReservation(this, options.hold ?? false));
    for (const reservation of made) this.#open.add(reservation);
    return made;
  }

  onRelease(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** For reservations only. A buffer as soon as it is the stream's turn; rejects when the signal aborts. */
  acquire(reservation: BufferReservation, signal: AbortSignal): Promise<ChunkBuffer> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#waiting.delete(waiter);
        reject(abortError(signal));
      };
      const grant = (buffer: ChunkBuffer): void => {
        signal.removeEventListener('abort', abort);
        resolve(buffer);
      };
      const waiter: Waiter = { reservation, grant };
      if (signal.aborted) {
        abort();
        return;
      }
      signal.addEventListener('abort', abort, { once: true });
      this.#waiting.add(waiter);
      this.#serve();
    });
  }

  /** For chunk buffers and reservations only: something was given back. */
  givenBack(reservation: BufferReservation): void {
    if (reservation.closed && reservation.held === 0) this.#open.delete(reservation);
    for (const listener of this.#listeners) listener();
    this.#serve();
  }

  get #uncommitted(): number {
    return this.#bytes - sum([...this.#open], (reservation) => this.#committed(reservation, 0));
  }

  #committed(reservation: BufferReservation, more: number): number {
    return Math.max(reservation.closed ? 0 : this.#sure, reservation.held + more);
  }

  #serve(): void {
    const order = [...this.#waiting].sort(
      (a, b) => Number(b.reservation.hold) - Number(a.reservation.hold) || a.reservation.held - b.reservation.held,
    );
    for (const waiter of order) {
      const size = this.#sizeFor(waiter.reservation);
      if (size === undefined) continue;
      this.#waiting.delete(waiter);
      const slot = size === this.#large ? this.#slots.takeLarge() : this.#slots.takeSmall();
      waiter.grant(waiter.reservation.take(slot, size));
    }
  }

  /** The largest buffer the stream may have now. */
  #sizeFor(reservation: BufferReservation): number | undefined {
    const sizes =
      this.#open.size <= streamsWithLargeBuffers && this.#slots.roomForLarge
        ? [this.#large, this.#small]
        : [this.#small];
    const buffersHeld = sum([...this.#open], (each) => each.buffers);
    return sizes.find((size) => {
      if (reservation.held + size <= this.#sure) return true;
      if (buffersHeld >= this.#open.size + usefulSpares) return false;
      const more = this.#committed(reservation, size) - this.#committed(reservation, 0);
      return more <= this.#uncommitted - this.#heldBack;
    });
  }
}

interface Waiter {
  readonly reservation: BufferReservation;
  readonly grant: (buffer: ChunkBuffer) => void;
}

/** One stream's claim on the pool. Buffers it took may outlive `close` while they are being compressed. */
export class BufferReservation implements Reservation {
  readonly #pool: RecycledBuffers;
  readonly hold: boolean;
  /** Content bytes and number of the buffers taken and not yet given back. */
  held = 0;
  buffers = 0;
  closed = false;

  constructor(pool: RecycledBuffers, hold: boolean) {
    this.#pool = pool;
    this.hold = hold;
  }

  acquire(signal: AbortSignal): Promise<ChunkBuffer> {
    return this.#pool.acquire(this, signal);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#pool.givenBack(this);
  }

  /** For the pool only. */
  take(slot: Slot, size: number): ChunkBuffer {
    this.held += size;
    this.buffers += 1;
    return new ChunkBuffer(slot.memory, size, () => {
      this.held -= size;
      this.buffers -= 1;
      slot.giveBack();
      this.#pool.givenBack(this);
    });
  }
}

/** Memory for one chunk, with room for a tar header in front and padding behind, so that an entry lies in one piece. */
export class ChunkBuffer {
  readonly #memory: Buffer;
  readonly #size: number;
  #release: (() => void) | undefined;
  #filled = 0;

  constructor(memory: Buffer, size: number, release: () => void) {
    this.#memory = memory;
    this.#size = size;
    this.#release = release;
  }

  /** Content bytes copied in so far. */
  get bytes(): number {
    return this.#filled;
  }

  get full(): boolean {
    return this.#filled === this.#size;
  }

  /** Copies as much as fits and returns that piece of `source`. */
  fill(source: Uint8Array): Uint8Array {
    const piece = source.subarray(0, this.#size - this.#filled);
    this.#memory.set(piece, maximumHeaderBytes + this.#filled);
    this.#filled += piece.length;
    return piece;
  }

  /** The content as a tar entry: a view of this buffer's memory. */
  entry(entry: Omit<TarEntry, 'bytes'>): Buffer {
    const header = tarHeader({ ...entry, bytes: this.#filled });
    const start = maximumHeaderBytes - header.length;
    this.#memory.set(header, start);
    const end = maximumHeaderBytes + this.#filled;
    const padding = paddingAfter(this.#filled);
    this.#memory.fill(0, end, end + padding);
    return this.#memory.subarray(start, end + padding);
  }

  /** Back to the pool; the entry's view is dead from here on. A second call does nothing. */
  release(): void {
    const release = this.#release;
    this.#release = undefined;
    release?.();
  }
}

/** An empty buffer outside any pool, for `size` bytes of content. */
export function unpooledBuffer(size: number): ChunkBuffer {
  return new ChunkBuffer(Buffer.allocUnsafeSlow(allocationFor(size)), size, () => undefined);
}

function allocationFor(size: number): number {
  return maximumHeaderBytes + size + tarBlock;
}

function sum<T>(items: readonly T[], amount: (item: T) => number): number {
  return items.reduce((total, item) => total + amount(item), 0);
}
