const limit = 32 * 1024;

/** Keeps the first and the last 32 KiB of what it is given, and counts what it left out. */
export class BoundedText {
  #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #dropped = 0;

  add(chunk: Buffer): void {
    const room = limit - this.#headBytes;
    if (room > 0) {
      // A copy, because a slice would keep the whole network packet alive.
      const part = Buffer.from(chunk.subarray(0, room));
      this.#head.push(part);
      this.#headBytes += part.length;
    }
    if (chunk.length > room) this.#addTail(Buffer.from(chunk.subarray(Math.max(0, room))));
  }

  toString(): string {
    const tail = Buffer.concat(this.#tail);
    const surplus = Math.max(0, tail.length - limit);
    const dropped = this.#dropped + surplus;
    const gap = dropped > 0 ? `\n[${dropped} bytes left out]\n` : '';
    return Buffer.concat(this.#head).toString() + gap + tail.subarray(surplus).toString();
  }

  #addTail(chunk: Buffer): void {
    this.#tail.push(chunk);
    this.#tailBytes += chunk.length;
    for (let first = this.#tail[0]; first && this.#tailBytes - first.length >= limit; first = this.#tail[0]) {
      this.#tail.shift();
      this.#tailBytes -= first.length;
      this.#dropped += first.length;
    }
  }
}
