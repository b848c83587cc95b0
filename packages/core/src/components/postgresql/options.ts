import { z } from 'zod';
import { textList, wholeNumber } from '../option-types.js';

/** See README.md. */
export const postgresqlOptions = z.strictObject({
  /** Only the server at this port. */
  port: wholeNumber({ minimum: 1, maximum: 65_535 }).optional(),
  /** The database that is asked about the others. */
  maintenance_database: z.string().min(1).default('postgres'),
  exclude_databases: textList.default([]),
  /** Largest table, in MiB, whose rows are counted for the baseline; 0: none. */
  count_rows: wholeNumber({ minimum: 0, maximum: 1_000_000_000 }).default(1024),
  /** Seconds pg_dump waits for a lock. */
  lock_wait_timeout: wholeNumber({ minimum: 1, maximum: 86_400 }).default(60),
});
export type PostgresqlOptions = z.infer<typeof postgresqlOptions>;
