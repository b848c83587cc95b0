import { z } from 'zod';
import { httpOptions } from '../../host-services/http-service.js';
import { wholeNumber } from '../option-types.js';

/** See README.md. */
export const prometheusOptions = z.strictObject({
  /** Name of the systemd unit. */
  service: z.string().min(1).default('prometheus.service'),
  ...httpOptions,
  /** Seconds Prometheus may take to write its head block into a snapshot. */
  snapshot_timeout: wholeNumber({ minimum: 1, maximum: 86_400 }).default(600),
});
export type PrometheusOptions = z.infer<typeof prometheusOptions>;
