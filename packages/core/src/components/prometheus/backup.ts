import { Readable } from 'node:stream';
import { jsonFormat } from '../../formats/json.js';
import { tarFormat } from '../../formats/tar.js';
import { filesArtifact } from '../../host-files/found-files.js';
import { tarArtifact } from '../../host-files/tar.js';
import { askBody, parseBody } from '../../host-services/http-service.js';
import type { ArtifactOpen } from '../../model/artifact.js';
import { asBackupError, BackupError } from '../../model/errors.js';
import type { BackupContext, Unit } from '../component.js';
import { saveAlone } from '../save-alone.js';
import { readHeadSeries, targetsAnswer, targetsPath } from './api.js';
import { blocksBaseline, linkBlocksCommand, listBlocks, removeCommand, type BlockMeta } from './blocks.js';
import {
  configurationPath,
  configurationPolicy,
  storeCommand,
  storePath,
  targetsFile,
  type PrometheusFound,
} from './artifacts.js';
import { adminWarning } from './discover.js';
import type { PrometheusOptions } from './options.js';
import { makeSnapshot } from './snapshot.js';
import { linksDirectory, snapshotsDirectory, type Work } from './work.js';

const maximumTargets = 64 * 1024 * 1024;

type Context = BackupContext<PrometheusOptions>;

/**
 * Configuration and targets first: the copy of the blocks, which pins them on disk, is made last and removed as soon as it has been read. Each
 * is of use alone: a file that changes at the wrong moment in the configuration must not cost the time series.
 */
export async function backup(context: Context, unit: Unit<PrometheusFound>): Promise<void> {
  const { found } = unit;
  const host = context.host(unit.hosts[0] ?? '');
  const work: Work = { context, host, remote: await context.remote(host), found, options: context.optionsFor(host) };
  await saveConfiguration(work);
  const targets = found.refusal?.code === 'SERVICE_DOWN' ? null : await saveTargets(work);
  const blocks = await saveStore(work);
  context.baseline({ ...blocksBaseline(blocks), headSeries: await headSeries(work), targets });
}

/**
 * Saves the time series and returns their blocks. What fails before they can be read is told as the artifact's own failure: the engine would
 * give it the unit's first one, which may be of the configuration.
 */
async function saveStore(work: Work): Promise<readonly BlockMeta[]> {
  const { context, host, remote, found } = work;
  const path = storePath(host.name);
  let directory: string;
  let blocks: readonly BlockMeta[];
  try {
    directory = await copyBlocks(work);
    blocks = await listBlocks(remote, directory, context.signal);
  } catch (error) {
    const open = (): Promise<never> => Promise.reject(asBackupError(error));
    await context.save({ path, format: tarFormat(), host: host.name, alone: true, open });
    throw error;
  }
  const artifact = tarArtifact({ path, remote, command: storeCommand(remote, found.files, directory) });
  await context.save({ ...artifact, alone: true });
  return blocks;
}

/** The directory that Prometheus made or we made of links. Errors: what discover refused, and those of either way. */
async function copyBlocks(work: Work): Promise<string> {
  const { host, found } = work;
  if (found.refusal === null) return found.method === 'snapshot' ? snapshotOrLinks(work) : linkBlocks(work);
  const { code, message, hint } = found.refusal;
  throw new BackupError(code, message, { host: host.name, hint, retryable: code === 'SERVICE_DOWN' });
}

async function saveConfiguration({ context, host, remote, found }: Work): Promise<void> {
  await saveAlone(
    context,
    filesArtifact({
      path: configurationPath(host.name),
      remote,
      files: found.files,
      policy: configurationPolicy,
    }),
  );
}

/** Saves what Prometheus scrapes now; returns how many targets there are, null when they are not saved. */
async function saveTargets({ context, host, remote, found, options }: Work): Promise<number | null> {
  let targets = 0;
  const open = async ({ signal }: ArtifactOpen): Promise<Readable> => {
    const question = {
      endpoint: found.endpoint,
      options,
      path: targetsPath,
      signal,
      maximumBytes: maximumTargets,
      schema: targetsAnswer,
    };
    const body = await askBody(remote, question);
    targets = parseBody(remote, question, body).data.activeTargets.length;
    return Readable.from([body], { objectMode: false });
  };
  const saved = await saveAlone(context, { path: targetsFile(host.name), format: jsonFormat, host: host.name, open });
  return saved ? targets : null;
}

/** The flags may say more than the server, or a proxy before it, lets us do. */
async function snapshotOrLinks(work: Work): Promise<string> {
  const directory = await makeSnapshot(work);
  if (directory !== undefined) return directory;
  work.context.warn(adminWarning(work.host.name));
  return linkBlocks(work);
}

/** Recorded before it is made, because a killed run must not leave links that keep every block on disk. */
async function linkBlocks(work: Work): Promise<string> {
  const { context, host, remote, found } = work;
  const directory = linksDirectory(work);
  let made = false;
  context.defer(async (signal) => {
    await remote.run(removeCommand(directory, made ? snapshotsDirectory(work) : undefined), { signal });
  });
  await context.record(host, directory);
  const { stdout } = await remote.run(linkBlocksCommand(found.dataDirectory, directory), { signal: context.signal });
  made = stdout.toString('utf8').includes('made');
  return directory;
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
