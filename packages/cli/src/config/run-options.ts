import type { PlanOptions } from '@lsbackup/core';
import { createLogger } from '../base/environment.js';
import { clusterOptions, type SecretFlags } from './cluster-options.js';
import type { Settings } from './settings.js';

/** What a backup, its plan and its diagnosis are asked with alike: the cluster, loaded, and what is wanted of it. Errors: those of loading it. */
export async function runOptions(
  settings: Settings,
  flags: SecretFlags & { readonly 'log-level': string },
  signal: AbortSignal,
): Promise<Omit<PlanOptions, 'onEvent'>> {
  const options = await clusterOptions(settings, flags, signal);
  const { loadCluster } = await import('@lsbackup/core');
  const cluster = await loadCluster(options);
  const logger = await createLogger(flags['log-level']);
  return {
    cluster,
    user: options.user,
    ...settings.selection,
    options: settings.layers,
    limits: settings.limits,
    signal,
    ...(logger && { logger }),
  };
}
