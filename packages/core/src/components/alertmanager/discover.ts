import { z } from 'zod';
import { describeCommand } from '../../host-services/describe-command.js';
import { pathFlag, readFlags } from '../../host-services/flags.js';
import { askJson, endpointOf, type Endpoint } from '../../host-services/http-service.js';
import { findServices, type Service } from '../../host-services/systemd.js';
import { filesCommand, findFiles, type FoundFiles } from '../../host-files/found-files.js';
import { lookAt } from '../../host-files/paths.js';
import type { Warning } from '../../model/artifact.js';
import { asBackupError, BackupError } from '../../model/errors.js';
import { artifactPath } from '../../model/names.js';
import type { RemoteHost, TarPolicy } from '../../remote/remote-host.js';
import type { DiscoverContext, Discovery, ExpectedArtifact, Refusal, Unit } from '../component.js';
import { readServiceConfiguration } from '../monitoring-configuration.js';
import { discoverEachHost, type HostAnswer } from '../each-host.js';
import type { AlertmanagerOptions } from './options.js';

export const componentName = 'alertmanager';
const defaultPort = 9093;
const usualServices = ['alertmanager.service', 'prometheus-alertmanager.service'];
/** Silences and the log of notifications; rewritten by rename at every --data.maintenance-interval (15 minutes) and at exit. */
const stateFiles = ['silences', 'nflog'];
export const silencesPath = '/api/v2/silences';
const statusPath = '/api/v2/status';

/** What `backup` needs to know again. Not an interface, so that it is Json. */
export type AlertmanagerFound = Readonly<{
  /** Whether its silences are to be had: not of a service that does not run. */
  silences: boolean;
  endpoint: Endpoint;
  files: FoundFiles;
}>;

/** One unit per host that has one; a host without is absent, with what was looked for. */
export function discover(context: DiscoverContext<AlertmanagerOptions>): Promise<Discovery<AlertmanagerFound>> {
  return discoverEachHost(componentName, context, (remote, host, signal) =>
    discoverHost(remote, context.optionsFor(host), signal),
  );
}

async function discoverHost(
  remote: RemoteHost,
  options: AlertmanagerOptions,
  signal: AbortSignal,
): Promise<HostAnswer<AlertmanagerFound>> {
  const units = options.service === undefined ? usualServices : [options.service];
  const service = (await findServices(remote, units, signal))[0];
  if (service === undefined) return { absent: `there is no ${units.join(' and no ')} on this host` };
  const flags = await readFlags(remote, service, signal);
  const configuration = await readServiceConfiguration(remote, { service, flags, signal });
  const storage = pathFlag(flags, 'storage.path', service) ?? `${service.workingDirectory}/data`;
  const paths = [
    ...configuration.directories,
    ...configuration.files,
    ...stateFiles.map((name) => `${storage}/${name}`),
  ];
  const { required, named, hidden } = configuration;
  const request = { service: 'Alertmanager', paths, required, named, hidden, signal };
  const { files, warnings } = await findFiles(remote, request);
  const noStorage = (await lookAt(remote, [storage], signal)).missing.map((path) => ({
    code: 'FILE_MISSING',
    message: `${remote.host.name}: Alertmanager's storage path ${path} is not there, so its log of notifications is not saved`,
  }));
  const endpoint = endpointOf(flags, options, { port: defaultPort, tls: configuration.tls });
  const status = await askStatus(remote, { endpoint, options, signal });
  // One that runs and does not answer has silences in memory, so they stay expected and the unit cannot end complete without them.
  const silences = service.running || !(status instanceof BackupError);
  const found: AlertmanagerFound = { silences, endpoint, files };
  const version = status instanceof BackupError ? undefined : status.versionInfo.version;
  const down = status instanceof BackupError ? refusalOf(remote, service, status) : undefined;
  const identity = { configFile: configuration.configFile ?? null, storage };
  const unit = {
    service,
    found,
    version,
    identity,
    warnings: [...warnings, ...noStorage, ...warningsOf(down)],
    refusal: service.running ? down : undefined,
  };
  return { unit: unitOf(remote, unit) };
}

const statusSchema = z.object({
  versionInfo: z.object({ version: z.string() }),
  config: z.object({ original: z.string() }),
});
export type Status = z.infer<typeof statusSchema>;

/** Its status, or why it does not answer: the files of a stopped one are complete without it. */
async function askStatus(
  remote: RemoteHost,
  question: { readonly endpoint: Endpoint; readonly options: AlertmanagerOptions; readonly signal: AbortSignal },
): Promise<Status | BackupError> {
  try {
    return await readStatus(remote, question);
  } catch (error) {
    const failure = asBackupError(error);
    if (failure.code !== 'HOST_FORWARD' && failure.code !== 'HTTP_FAILED') throw failure;
    return failure;
  }
}

export function readStatus(
  remote: RemoteHost,
  question: { readonly endpoint: Endpoint; readonly options: AlertmanagerOptions; readonly signal: AbortSignal },
): Promise<Status> {
  return askJson(remote, { ...question, path: statusPath, schema: statusSchema });
}

function refusalOf(remote: RemoteHost, service: Service, { message, hint }: BackupError): Refusal {
  const why = service.running
    ? 'what it has not written to disk yet (up to 15 minutes) is missing'
    : 'its files are complete without that';
  return {
    code: 'SERVICE_DOWN',
    message: `${remote.host.name}: Alertmanager (${service.unit}, ${service.state}) does not answer; ${why}: ${message}`,
    hint: hint ?? 'Start it, or set the option url if it listens elsewhere.',
  };
}

function warningsOf(down: Refusal | undefined): readonly Warning[] {
  return down === undefined ? [] : [{ code: down.code, message: down.message }];
}

function unitOf(
  remote: RemoteHost,
  {
    service,
    found,
    version,
    identity,
    warnings,
    refusal,
  }: {
    readonly service: Service;
    readonly found: AlertmanagerFound;
    readonly version: string | undefined;
    readonly identity: { readonly configFile: string | null; readonly storage: string };
    readonly warnings: readonly Warning[];
    readonly refusal: Refusal | undefined;
  },
): Unit<AlertmanagerFound> {
  const host = remote.host.name;
  return {
    name: host,
    hosts: [host],
    product: {
      name: 'Alertmanager',
      version: version ?? 'unknown',
      detectedBy: version === undefined ? 'it does not answer' : statusPath,
    },
    roles: { service: service.unit, state: service.state },
    consistency: 'file-copy',
    identity: { ...identity, endpoint: found.endpoint },
    containsSecrets: true,
    artifacts: expectedArtifacts(remote, found, refusal),
    warnings,
    found,
  };
}

export function filesPath(host: string): string {
  return artifactPath(componentName, host, 'files.tar');
}

export function silencesFile(host: string): string {
  return artifactPath(componentName, host, 'silences.json');
}

/**
 * State files are replaced by rename, which tar reports as a change of the old file; what it read is whole. Temporary files beside the
 * configuration, often those of Prometheus, may vanish; state files and what the configuration names must stay.
 */
export const filesPolicy: TarPolicy = { mayChange: true, mayVanish: true };

function expectedArtifacts(
  remote: RemoteHost,
  found: AlertmanagerFound,
  refusal: Refusal | undefined,
): readonly ExpectedArtifact[] {
  const host = remote.host.name;
  const { endpoint } = found;
  const files = {
    path: filesPath(host),
    host,
    size: found.files.bytes,
    commands: [describeCommand(remote, filesCommand(remote, found.files, filesPolicy))],
  };
  if (!found.silences) return [files];
  const url = `${endpoint.tls ? 'https' : 'http'}://${endpoint.host}:${String(endpoint.port)}${endpoint.prefix}${silencesPath}`;
  return [files, { path: silencesFile(host), host, commands: [`GET ${url}`], ...(refusal && { refusal }) }];
}
