import { BackupError } from '../model/errors.js';
import type { Format, FormatCheck } from '../model/format.js';

const nothing = new Uint8Array(0);

/** What a walk yields when it has used up the bytes it was given. */
export type Walk<Result = void> = Generator<undefined, Result, undefined>;

/**
 * The bytes of one stream as a walk (a generator that pulls) sees them. Whatever is wholly inside the current chunk is read
 * without a copy of more than what was asked for; the rest is put together from several chunks.
 */
export class Feed {
  readonly #format: string;
  #chunk: Uint8Array = nothing;
  #position = 0;
  #before = 0;
  #ended = false;

  constructor(format: string) {
    this.#format = format;
  }

  /** Bytes consumed so far. */
  get offset(): number {
    return this.#before + this.#position;
  }

  /** Bytes left in the current chunk. */
  get available(): number {
    return this.#chunk.length - this.#position;
  }

  /** Gives the next chunk; the one before has been used up. */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk;
  }

  /** Forgets the chunk, which has been used up: its memory may be freed. */
  drop(): void {
    this.#before += this.#position;
    this.#chunk = nothing;
    this.#position = 0;
  }

  end(): void {
    this.#ended = true;
  }

  /** The next byte. Only when `available` says there is one. */
  takeByte(): number {
    return this.#chunk[this.#position++] ?? 0;
  }

  /** Goes past bytes of the current chunk. Only when `available` says they are there. */
  pass(bytes: number): void {
    this.#position += bytes;
  }

  /** What is left of the current chunk, consumed by this call. Valid until the walk yields. */
  takeRest(): Uint8Array {
    const rest = this.#chunk.subarray(this.#position);
    this.#position = this.#chunk.length;
    return rest;
  }

  /** False when the stream has ended here. */
  *more(): Walk<boolean> {
    while (this.available === 0) {
      if (this.#ended) return false;
      yield;
    }
    return true;
  }

  *byte(inside: string): Walk<number> {
    if (!(yield* this.more())) throw this.cut(inside);
    return this.takeByte();
  }

  /** The next `length` bytes, a copy. `inside` names what they belong to, for the message when the stream ends too early. */
  *bytes(length: number, inside: string): Walk<Uint8Array> {
    const result = new Uint8Array(length);
    for (let filled = 0; filled < length;) {
      if (!(yield* this.more())) throw this.cut(inside);
      const taken = Math.min(length - filled, this.available);
      result.set(this.#chunk.subarray(this.#position, this.#position + taken), filled);
      this.#position += taken;
      filled += taken;
    }
    return result;
  }

  *skip(length: number, inside: string): Walk {
    for (let left = length; left > 0;) {
      if (!(yield* this.more())) throw this.cut(inside);
      const taken = Math.min(left, this.available);
      this.#position += taken;
      left -= taken;
    }
  }

  /** The error for a stream that ends where it must not. */
  cut(inside: string): BackupError {
    return this.invalid(`it ends after ${String(this.offset)} bytes, inside ${inside}`);
  }

  /** FORMAT_INVALID with where it happened. */
  invalid(what: string): BackupError {
    return new BackupError('FORMAT_INVALID', `not a complete ${this.#format} stream: ${what}`);
  }
}

/**
 * A format whose check is a walk. The walk must return, by itself, exactly when the stream has ended well: it sees the end as
 * `feed.more()` being false.
 */
export function walkedFormat(name: string, walk: (feed: Feed) => Walk): Format {
  return { name, check: () => walkedCheck(name, walk) };
}

function walkedCheck(name: string, walk: (feed: Feed) => Walk): FormatCheck {
  const feed = new Feed(name);
  const steps = walk(feed);
  let failure: { readonly error: unknown } | undefined;
  // A generator that has thrown is done: asked again, it must not seem to have ended well.
  const isDone = (): boolean => {
    if (failure !== undefined) throw failure.error;
    try {
      return steps.next().done === true;
    } catch (error) {
      failure = { error };
      throw error;
    }
  };
  return {
    write(chunk) {
      if (chunk.length === 0) return;
      feed.push(chunk);
      if (isDone()) throw feed.invalid('bytes follow its end');
      feed.drop();
    },
    end() {
      feed.end();
      if (!isDone()) throw new BackupError('INTERNAL', `the ${name} check did not finish at the end of the stream`);
    },
  };
}
