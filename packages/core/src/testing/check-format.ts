import type { Format } from '../model/format.js';

/** Feeds `content` to a fresh check, cut at the given lengths (the last one repeats). Throws what the check throws. */
export function checkWhole(
  format: Format,
  content: Uint8Array,
  chunkLengths: readonly number[] = [content.length],
): void {
  const check = format.check();
  let position = 0;
  for (let index = 0; position < content.length; index++) {
    const length = Math.max(1, chunkLengths[Math.min(index, chunkLengths.length - 1)] ?? content.length);
    // A copy that is overwritten afterwards: a check that keeps a reference to the chunk is found out.
    const chunk = Uint8Array.from(content.subarray(position, position + length));
    check.write(chunk);
    chunk.fill(0xee);
    position += length;
  }
  check.end();
}

/** Whether the format accepts the content as complete. */
export function accepts(format: Format, content: Uint8Array, chunkLengths?: readonly number[]): boolean {
  try {
    checkWhole(format, content, chunkLengths);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'FORMAT_INVALID') return false;
    throw error;
  }
}
