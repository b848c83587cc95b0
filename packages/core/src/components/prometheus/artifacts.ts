import { describeCommand } from '../../host-services/describe-command.js';
import type { Endpoint } from '../../host-services/http-service.js';
import { filesCommand, type FoundFiles } from '../../host-files/found-files.js';
import { tarCommand } from '../../host-files/tar.js';
import { artifactPath } from '../../model/names.js';
import type { Command, RemoteHost, TarPolicy } from '../../remote/remote-host.js';
import type { ExpectedArtifact, Refusal } from '../component.js';
import { snapshotPath, targetsPath } from './api.js';
import { linkBlocksCommand } from './blocks.js';

export const componentName = 'prometheus';

/** How the time series are copied: by Prometheus' own snapshot, by links to its finished blocks, or not at all. */
type Method = 'snapshot' | 'finished blocks' | 'none';

/** What `backup` needs to know again. Not an interface, so that it is Json. */
export type PrometheusFound = Readonly<{
  method: Method;
  endpoint: Endpoint;
  dataDirectory: string;
  version: string;
  files: FoundFiles;
  /** Why the time series cannot be saved; null when they can. */
  refusal: Refusal | null;
}>;

export function configurationPath(host: string): string {
  return artifactPath(componentName, host, 'config.tar');
}

export function storePath(host: string): string {
  return artifactPath(componentName, host, 'tsdb.tar');
}

export function targetsFile(host: string): string {
  return artifactPath(componentName, host, 'targets.json');
}

/** Files that service discovery reads may be rewritten at any time, as a temporary file that is renamed. What the configuration names must stay. */
export const configurationPolicy: TarPolicy = { mayChange: true, mayVanish: true };

/** Blocks never change, but tar takes a change of their link count for one. Nothing may vanish from a tree of our own. */
export function storeCommand(remote: RemoteHost, { support }: Pick<FoundFiles, 'support'>, directory: string): Command {
  return tarCommand(
    { flavour: remote.facts.tar, support, directory, names: ['.'] },
    { mayChange: true, mayVanish: false },
  );
}

/** `storeBytes` is the size of the whole store, an estimate. */
export function expectedArtifacts(
  remote: RemoteHost,
  found: PrometheusFound,
  storeBytes: number,
): readonly ExpectedArtifact[] {
  const host = remote.host.name;
  const { endpoint } = found;
  const refused = found.refusal === null ? {} : { refusal: found.refusal };
  const base = `${endpoint.tls ? 'https' : 'http'}://${endpoint.host}:${String(endpoint.port)}${endpoint.prefix}`;
  const directory = `${found.dataDirectory}/snapshots/${found.method === 'snapshot' ? '<snapshot>' : 'lsbackup-<run>'}`;
  const first =
    found.method === 'snapshot'
      ? `POST ${base}${snapshotPath}`
      : `hard-link the finished blocks of ${found.dataDirectory} into ${linkBlocksCommand(found.dataDirectory, directory).argv.at(-1) ?? ''}`;
  return [
    {
      path: configurationPath(host),
      host,
      size: found.files.bytes,
      commands: [describeCommand(remote, filesCommand(remote, found.files, configurationPolicy))],
    },
    {
      path: targetsFile(host),
      host,
      commands: [`GET ${base}${targetsPath}`],
      ...(found.refusal?.code === 'SERVICE_DOWN' && refused),
    },
    {
      path: storePath(host),
      host,
      size: storeBytes,
      commands: [first, describeCommand(remote, storeCommand(remote, found.files, directory)), `rm -rf ${directory}`],
      ...refused,
    },
  ];
}
