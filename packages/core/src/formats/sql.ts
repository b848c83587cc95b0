import { BackupError } from '../model/errors.js';
import type { Format } from '../model/format.js';

const tailBytes = 4096;
/**
 * How pg_dumpall and plain pg_dump end. Since the releases of August 2025 a `\unrestrict KEY` line belongs to it: before the
 * mark in a cluster dump, after it in other tools' output. Source: output of pg_dumpall 15.18.
 */
const endMark =
  /(?:^|\n)-- PostgreSQL database (?:cluster )?dump complete\r?\n--\r?\n(?:\s*\\unrestrict [^\s]+\r?\n)?\s*$/;

/** SQL text as pg_dumpall writes it: complete only with its closing comment. */
export const sqlFormat: Format = {
  name: 'sql',
  check() {
    let tail = Buffer.alloc(0);
    return {
      write(chunk) {
        const last = chunk.length > tailBytes ? chunk.subarray(chunk.length - tailBytes) : chunk;
        const joined = Buffer.concat([tail, last]);
        tail = joined.length > tailBytes ? Buffer.from(joined.subarray(joined.length - tailBytes)) : joined;
      },
      end() {
        if (!endMark.test(tail.toString('latin1')))
          throw new BackupError(
            'FORMAT_INVALID',
            'not a complete sql stream: the comment "dump complete" is missing at its end',
          );
      },
    };
  },
};
