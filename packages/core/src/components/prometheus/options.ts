import { z } from 'zod';
import { httpOptions } from '../../host-services/http-service.js';
import { wholeNumber } from '../option-types.js';

/** See README.md. */
export const prometheusOptions = z.strictObject({
  service: z.string().min(1).default('prometheus.service').describe('Name of the systemd unit.'),
  url: httpOptions.url.describe(
    'Base address of the API as the host itself reaches it, with the route prefix; from its flags unless set.',
  ),
  user: httpOptions.user.describe('Basic authentication of the API.'),
  password: httpOptions.password.describe('Basic authentication of the API.'),
  snapshot_timeout: wholeNumber({ minimum: 1, maximum: 86_400 })
    .default(600)
    .describe('Seconds the snapshot call may take.'),
});
export type PrometheusOptions = z.infer<typeof prometheusOptions>;
