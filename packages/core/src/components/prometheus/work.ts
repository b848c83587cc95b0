import type { Host } from '../../cluster/cluster.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import type { BackupContext } from '../component.js';
import type { PrometheusFound } from './artifacts.js';
import type { PrometheusOptions } from './options.js';

/** What every step of one server's backup needs. */
export interface Work {
  readonly context: BackupContext<PrometheusOptions>;
  readonly host: Host;
  readonly remote: RemoteHost;
  readonly found: PrometheusFound;
  readonly options: PrometheusOptions;
}

export function snapshotsDirectory({ found }: Work): string {
  return `${found.dataDirectory}/snapshots`;
}

/** Where hard links to the finished blocks are made when Prometheus makes no snapshot. */
export function linksDirectory(work: Work): string {
  return `${snapshotsDirectory(work)}/lsbackup-${work.context.runId}`;
}
