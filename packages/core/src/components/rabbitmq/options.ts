import { z } from 'zod';
import { pathList } from '../../host-files/paths.js';

/** See README.md. */
export const rabbitmqOptions = z.strictObject({
  /** The command, where it is not in root's path. */
  rabbitmqctl: z.string().min(1).default('rabbitmqctl'),
  /** Further files and directories; each must exist. */
  paths: pathList.default([]),
});
export type RabbitmqOptions = z.infer<typeof rabbitmqOptions>;
