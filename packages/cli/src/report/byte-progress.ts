import { redrawsLines } from '../base/environment.js';
import type { RunOutput } from '../output/run-output.js';
import { standardError } from '../output/standard-streams.js';
import { bytesText, printable } from './text.js';

const lineMilliseconds = 250;

/** Progress of reading one archive: `progress` lines four times a second at most, or one line redrawn on a terminal. */
export function createByteProgress(
  output: RunOutput,
  archive: string,
): { readonly update: (progress: { bytes: number; total: number }) => void; end(): void } {
  const live = !output.json && redrawsLines();
  let last = 0;
  let drawn = false;
  const clear = (): void => {
    if (drawn) standardError.write('\r\u001b[K');
    drawn = false;
  };
  output.beforeText(clear);
  return {
    update: ({ bytes, total }) => {
      const now = Date.now();
      if (now - last < lineMilliseconds && bytes < total) return;
      last = now;
      output.line('progress', { archive, bytes, total });
      if (!live) return;
      standardError.write(`\r\u001b[K${printable(archive)}: ${bytesText(bytes)} of ${bytesText(total)}`);
      drawn = true;
    },
    end: clear,
  };
}
