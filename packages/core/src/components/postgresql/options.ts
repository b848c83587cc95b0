import { z } from 'zod';
import { textList, wholeNumber } from '../option-types.js';

/** See README.md. */
export const postgresqlOptions = z.strictObject({
  port: wholeNumber({ minimum: 1, maximum: 65_535 }).optional().describe('Only the server at this port.'),
  maintenance_database: z.string().min(1).default('postgres').describe('The database that is asked about the others.'),
  exclude_databases: textList.default([]).describe('Databases that are not saved.'),
  ignore_stopped: z
    .union([z.boolean(), z.stringbool()])
    .default(false)
    .describe('Whether stopped servers beside a running one are accepted; unless it is true, each is a failed unit.'),
  count_rows: wholeNumber({ minimum: 0, maximum: 1_000_000_000 })
    .default(1024)
    .describe('Rows are counted for tables of at most this many MiB; 0 counts none.'),
  lock_wait_timeout: wholeNumber({ minimum: 1, maximum: 86_400 })
    .default(60)
    .describe("Seconds pg_dump waits for a table's lock before it fails."),
  physical: z
    .union([z.boolean(), z.stringbool()])
    .default(false)
    .describe('Whether the whole server is saved too, as pg_basebackup copies it, to be restored as a whole.'),
});
export type PostgresqlOptions = z.infer<typeof postgresqlOptions>;
