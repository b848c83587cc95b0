/** Discards everything up to the end of the marker line. What a login shell prints before it is noise, of which the last `maximum` bytes are kept. */
export class MarkerFilter {
  readonly #marker: Buffer;
  readonly #maximum: number;
  #pending: Buffer = Buffer.alloc(0);
  #bytes = 0;
  #found: string | undefined;

  constructor(marker: string, maximum: number) {
    this.#marker = Buffer.from(marker);
    this.#maximum = maximum;
  }

  /** The rest of the marker line, once it has been seen. */
  get found(): string | undefined {
    return this.#found;
  }

  /** The end of what came before the marker, or of everything while it has not been seen. */
  get noise(): string {
    return this.#pending.toString();
  }

  /** More than `maximum` bytes came without a marker. */
  get overflown(): boolean {
    return this.#found === undefined && this.#bytes > this.#maximum;
  }

  /** The command's own bytes in `chunk`: undefined while the marker has not been seen. */
  push(chunk: Buffer): Buffer | undefined {
    if (this.#found !== undefined) return chunk;
    this.#bytes += chunk.length;
    const all = Buffer.concat([this.#pending, chunk]);
    const start = all.indexOf(this.#marker);
    const end = start < 0 ? -1 : all.indexOf('\n', start + this.#marker.length);
    if (end < 0) {
      this.#pending = all.subarray(-Math.max(this.#maximum, this.#marker.length + 32));
      return undefined;
    }
    this.#found = all.toString('latin1', start + this.#marker.length, end).trim();
    this.#pending = Buffer.from(all.subarray(0, start));
    return all.subarray(end + 1);
  }
}
