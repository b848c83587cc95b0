import { z } from 'zod';
import { pathList } from '../../host-files/paths.js';

/** See README.md. */
export const rabbitmqOptions = z.strictObject({
  rabbitmqctl: z.string().min(1).default('rabbitmqctl').describe('The command, where it is not in the usual path.'),
  paths: pathList.default([]).describe('Further files and directories, absolute; each must exist.'),
  messages: z
    .union([z.boolean(), z.stringbool()])
    .default(false)
    .describe('Whether messages are saved too. RabbitMQ is STOPPED while they are copied.'),
});
export type RabbitmqOptions = z.infer<typeof rabbitmqOptions>;
