import { z } from 'zod';
import { httpOptions } from '../../host-services/http-service.js';

/** See README.md. */
export const alertmanagerOptions = z.strictObject({
  /** Name of the systemd unit; LambdaStack's and Debian's unless set. */
  service: z.string().min(1).optional(),
  ...httpOptions,
});
export type AlertmanagerOptions = z.infer<typeof alertmanagerOptions>;
