import { jsonFormat } from '../../formats/json.js';
import { tarArtifact } from '../../host-files/tar.js';
import { ask, askBody, parseBody } from '../../host-services/http-service.js';
import type { Host } from '../../cluster/cluster.js';
import { BackupError } from '../../model/errors.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import type { BackupContext, Unit } from '../component.js';
import { readHeadSeries, snapshotAnswer, snapshotPath, targetsAnswer, targetsPath } from './api.js';
import { blocksBaseline, linkBlocksCommand, listBlocks, removeCommand } from './blocks.js';
import {
  configurationCommand,
  configurationPath,
  storeCommand,
  storePath,
  targetsFile,
  type PrometheusFound,
} from './artifacts.js';
import { adminWarning } from './discover.js';
import type { PrometheusOptions } from './options.js';

const maximumTargets = 64 * 1024 * 1024;

type Context = BackupContext<PrometheusOptions>;

interface Work {
  readonly context: Context;
  readonly host: Host;
  readonly remote: RemoteHost;
  readonly found: PrometheusFound;
  readonly options: PrometheusOptions;
}

/** Configuration and targets first: the copy of the blocks, which pins them on disk, is made last and removed as soon as it has been read. */
export async function backup(context: Context, unit: Unit<PrometheusFound>): Promise<void> {
  const { found } = unit;
  const host = context.host(unit.hosts[0] ?? '');
  const work: Work = { context, host, remote: await context.remote(host), found, options: context.optionsFor(host) };
  await saveConfiguration(work);
  if (found.method === 'none')
    throw new BackupError(
      'SERVICE_DOWN',
      `${host.name}: Prometheus does not answer, so its time series are not saved: ${found.down}`,
      {
        host: host.name,
        hint: 'Start Prometheus on this host, or set the option prometheus.url if it listens elsewhere.',
        retryable: true,
      },
    );
  const targets = await saveTargets(work);
  const directory = found.method === 'snapshot' ? await makeSnapshot(work) : await linkBlocks(work);
  const blocks = await listBlocks(work.remote, directory, context.signal);
  await context.save(
    tarArtifact({
      path: storePath(host.name),
      remote: work.remote,
      command: storeCommand(work.remote, found.files, directory),
    }),
  );
  context.baseline({ ...blocksBaseline(blocks), headSeries: await headSeries(work), targets });
}

async function saveConfiguration({ context, host, remote, found }: Work): Promise<void> {
  await context.save(
    tarArtifact({
      path: configurationPath(host.name),
      remote,
      command: configurationCommand(remote, found.files),
      size: found.files.bytes,
    }),
  );
}

/** Saves what Prometheus scrapes now; returns how many targets there are. */
async function saveTargets({ context, host, remote, found, options }: Work): Promise<number> {
  const question = {
    endpoint: found.endpoint,
    options,
    path: targetsPath,
    signal: context.signal,
    maximumBytes: maximumTargets,
    schema: targetsAnswer,
  };
  const body = await askBody(remote, question);
  await context.saveBytes({ path: targetsFile(host.name), format: jsonFormat, host: host.name }, body);
  return parseBody(remote, question, body).data.activeTargets.length;
}

/** Returns the snapshot's directory, which is removed when the unit has ended. */
async function makeSnapshot(work: Work): Promise<string> {
  const { context, host, remote, found, options } = work;
  const question = {
    endpoint: found.endpoint,
    options,
    path: snapshotPath,
    signal: context.signal,
    deadline: options.snapshot_timeout,
    schema: snapshotAnswer,
  };
  const { status, body } = await ask(remote, { ...question, method: 'POST' });
  if (status === 403 || status === 404) {
    context.warn(adminWarning(host.name));
    return linkBlocks(work);
  }
  if (status !== 200)
    throw new BackupError(
      'SERVICE_ANSWER',
      `${host.name}: Prometheus ${found.version} could not make a snapshot, status ${String(status)}: ${body.toString('utf8', 0, 300)}`,
      { host: host.name },
    );
  const { name } = parseBody(remote, question, body).data;
  const directory = `${found.dataDirectory}/snapshots/${name}`;
  await removeLater(work, directory, undefined);
  return directory;
}

/** Recorded before it is made, because a killed run must not leave links that keep every block on disk. */
async function linkBlocks(work: Work): Promise<string> {
  const { context, remote, found } = work;
  const snapshots = `${found.dataDirectory}/snapshots`;
  const directory = `${snapshots}/lsbackup-${context.runId}`;
  let made = false;
  await removeLater(work, directory, () => (made ? snapshots : undefined));
  const { stdout } = await remote.run(linkBlocksCommand(found.dataDirectory, directory), { signal: context.signal });
  made = stdout.toString('utf8').includes('made');
  return directory;
}

async function removeLater(
  { context, host, remote }: Work,
  directory: string,
  alsoEmpty: (() => string | undefined) | undefined,
): Promise<void> {
  context.defer(async (signal) => {
    await remote.run(removeCommand(directory, alsoEmpty?.()), { signal });
  });
  await context.record(host, directory);
}

/** Only a number to compare with, and older versions cannot tell it. */
async function headSeries({ context, remote, found, options }: Work): Promise<number | null> {
  try {
    return await readHeadSeries({ remote, endpoint: found.endpoint, options, signal: context.signal });
  } catch (error) {
    context.log.debug({ error: String(error) }, 'Prometheus does not tell its series');
    return null;
  }
}
