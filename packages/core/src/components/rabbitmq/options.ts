import { z } from 'zod';
import { pathList } from '../../host-files/paths.js';

/** See README.md. */
export const rabbitmqOptions = z.strictObject({
  rabbitmqctl: z.string().min(1).default('rabbitmqctl').describe('The command, where it is not in the usual path.'),
  paths: pathList.default([]).describe('Further files and directories, absolute; each must exist.'),
});
export type RabbitmqOptions = z.infer<typeof rabbitmqOptions>;
