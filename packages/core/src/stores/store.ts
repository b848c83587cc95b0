import type { Readable, Writable } from 'node:stream';
import type { BackupError } from '../model/errors.js';

/**
 * A place for archives. Visible whole or not at all, never overwritten, readable by range, nothing left behind.
 *
 * Errors: TARGET_MISSING, TARGET_READ_ONLY, TARGET_UNREADABLE, TARGET_NO_SPACE, TARGET_UNREACHABLE, TARGET_IO, OBJECT_MISSING, OBJECT_UNREADABLE
 * (this object may not be read, others may), or the abort reason.
 */
export interface Store extends AsyncDisposable {
  /** For people: the target as they gave it, without secrets. */
  readonly description: string;
  /**
   * Settles a final name that nothing else has or will get (`name`, else with `_1`, `_2` ... before the extension) and opens it for
   * writing. Nothing stands under that name before `commit`. USAGE where no name is left that `list` would show (`numberedName` checks it).
   */
  begin(
    name: string,
    options: { readonly signal: AbortSignal; readonly expectedBytes?: number; readonly runId: string },
  ): Promise<Upload>;
  /** Atomic: true when this call created the object, false when it was there already. For small things: claims, locks, pins. */
  create(name: string, content: Uint8Array): Promise<boolean>;
  /** The object's bytes, or those of `[start, end)`; a range that goes past the end yields what is there. */
  get(
    name: string,
    options?: { readonly range?: { readonly start: number; readonly end: number }; readonly signal?: AbortSignal },
  ): Promise<Readable>;
  /** Undefined: there is no such object. */
  stat(name: string): Promise<Entry | undefined>;
  /** Committed objects whose name begins with `prefix`, in name order. Unfinished uploads and claims are not among them. */
  list(prefix: string, options?: { readonly signal?: AbortSignal }): AsyncIterable<Entry>;
  /** Bytes that can still be written, as far as the place tells; undefined, or no such method: it does not. Quotas may allow less. */
  freeBytes?(): Promise<number | undefined>;
  /** Afterwards there is no such object; removing what is not there is no error. */
  remove(name: string): Promise<void>;
  /**
   * Removes unfinished uploads and claims last touched before `olderThan` whose owner is known to be gone, or cannot be asked and has
   * been silent for a day; returns them, with an error where one could not be removed: that is no reason not to write beside it. An upload
   * whose process lives is never touched.
   */
  sweep(olderThan: Date): Promise<readonly Leftover[]>;
}

export interface Upload {
  /** The settled final name. */
  readonly name: string;
  /** Ending it publishes nothing. A chunk's memory may be gone once its write has been called back: what a body keeps longer, it copies. */
  readonly body: Writable;
  /** After `body` has finished: makes the object visible under `name`, durably. `stillOwner` is asked last; false gives up. Never overwrites. */
  commit(options: { stillOwner(): Promise<boolean> }): Promise<void>;
  /** Leaves nothing behind. Safe to call at any time, twice, and after a failed commit; a committed object stays. */
  abort(): Promise<void>;
}

export interface Entry {
  readonly name: string;
  readonly bytes: number;
  readonly modified: Date;
}

export interface Leftover {
  readonly name: string;
  readonly bytes: number;
  /** Why it is still there. */
  readonly error?: BackupError;
}

/** Opens stores of one kind. There is no global registry: `openStore` gets the drivers it may use. */
export interface StoreDriver {
  /** Without the colon: `file`, `memory`, `s3`. */
  readonly scheme: string;
  open(target: URL, options: { readonly signal?: AbortSignal }): Promise<Store>;
}
