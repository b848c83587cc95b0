import { z } from 'zod';
import { pathList } from '../../host-files/paths.js';

/** See README.md. */
export const haproxyOptions = z.strictObject({
  config_file: pathList
    .optional()
    .describe(
      "Configuration files in haproxy's order, absolute. When set, only these, what they name, and paths are taken; no service is looked for.",
    ),
  paths: pathList.default([]).describe('Further files and directories, absolute; each must exist.'),
});
export type HaproxyOptions = z.infer<typeof haproxyOptions>;
