/** Discards everything up to the end of the marker line. What a login shell prints before it is noise, up to a bound. */
export class MarkerFilter {
  readonly #marker: Buffer;
  readonly #maximum: number;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #found: string | undefined;

  constructor(marker: string, maximum: number) {
    this.#marker = Buffer.from(marker);
    this.#maximum = maximum;
  }

  /** The rest of the marker line, once it has been seen. */
  get found(): string | undefined {
    return this.#found;
  }

  /** What came before the marker, or everything while it has not been seen. */
  get noise(): string {
    return Buffer.concat(this.#pending).toString();
  }

  /** More than the allowed number of bytes came without a marker. */
  get overflown(): boolean {
    return this.#found === undefined && this.#pendingBytes > this.#maximum;
  }

  /** The command's own bytes in `chunk`: undefined while the marker has not been seen. */
  push(chunk: Buffer): Buffer | undefined {
    if (this.#found !== undefined) return chunk;
    const all = this.#pending.length === 0 ? chunk : Buffer.concat([...this.#pending, chunk]);
    const start = all.indexOf(this.#marker);
    const end = start < 0 ? -1 : all.indexOf('\n', start + this.#marker.length);
    if (end < 0) {
      this.#pending = [all];
      this.#pendingBytes = all.length;
      return undefined;
    }
    this.#found = all.toString('latin1', start + this.#marker.length, end).trim();
    this.#pending = [Buffer.from(all.subarray(0, start))];
    return all.subarray(end + 1);
  }
}
