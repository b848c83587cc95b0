import { z } from 'zod';
import { pathList } from '../../host-files/paths.js';

/** See README.md. */
export const haproxyOptions = z.strictObject({
  /** Configuration files in haproxy's order; set, nothing else is looked for but what they name and `paths`. */
  config_file: pathList.optional(),
  /** Further files and directories; each must exist. */
  paths: pathList.default([]),
});
export type HaproxyOptions = z.infer<typeof haproxyOptions>;
