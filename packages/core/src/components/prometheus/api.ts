import { z } from 'zod';
import { askJson, type Endpoint } from '../../host-services/http-service.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import type { PrometheusOptions } from './options.js';

export interface Prometheus {
  readonly remote: RemoteHost;
  readonly endpoint: Endpoint;
  readonly options: PrometheusOptions;
  readonly signal: AbortSignal;
}

/** Every answer of Prometheus' API v1 is wrapped like this. */
function answer<T extends z.ZodType>(data: T) {
  return z.object({ status: z.literal('success'), data });
}

/** The flags Prometheus runs with, defaults included. */
export async function readRunningFlags({ remote, ...question }: Prometheus): Promise<ReadonlyMap<string, string>> {
  const { data } = await askJson(remote, {
    ...question,
    path: '/api/v1/status/flags',
    schema: answer(z.record(z.string(), z.string())),
  });
  return new Map(Object.entries(data));
}

export async function readVersion({ remote, ...question }: Prometheus): Promise<string> {
  const { data } = await askJson(remote, {
    ...question,
    path: '/api/v1/status/buildinfo',
    schema: answer(z.object({ version: z.string() })),
  });
  return data.version;
}

/** Series in memory. */
export async function readHeadSeries({ remote, ...question }: Prometheus): Promise<number> {
  const { data } = await askJson(remote, {
    ...question,
    path: '/api/v1/status/tsdb',
    schema: answer(z.object({ headStats: z.object({ numSeries: z.number() }) })),
  });
  return data.headStats.numSeries;
}

/** `POST .../admin/tsdb/snapshot`: the snapshot's directory name, which Prometheus makes of the time and a random number. */
export const snapshotAnswer = answer(z.object({ name: z.string().regex(/^\d{8}T\d{6}Z-[0-9a-f]+$/) }));
export const snapshotPath = '/api/v1/admin/tsdb/snapshot?skip_head=false';
export const targetsPath = '/api/v1/targets?state=active';
export const targetsAnswer = answer(z.object({ activeTargets: z.array(z.object({ health: z.string() })) }));
