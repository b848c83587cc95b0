import type { Format } from '../model/format.js';

/** No check beyond the command's exit status: for single files whose format has no end mark. */
export const bytesFormat: Format = {
  name: 'bytes',
  check: () => ({ write: () => undefined, end: () => undefined }),
};
