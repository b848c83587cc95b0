import { z } from 'zod';
import { httpOptions } from '../../host-services/http-service.js';

/** See README.md. */
export const alertmanagerOptions = z.strictObject({
  service: z.string().min(1).optional().describe("Name of the systemd unit; LambdaStack's and Debian's unless set."),
  url: httpOptions.url.describe('Base address of the API as the host itself reaches it; from its flags unless set.'),
  user: httpOptions.user.describe('Basic authentication of the API.'),
  password: httpOptions.password.describe('Basic authentication of the API.'),
});
export type AlertmanagerOptions = z.infer<typeof alertmanagerOptions>;
