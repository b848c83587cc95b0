import { readFlags, pathFlag, type Flags } from '../../host-services/flags.js';
import { endpointOf, type Endpoint } from '../../host-services/http-service.js';
import { findServices, type Service } from '../../host-services/systemd.js';
import { findFiles } from '../../host-files/found-files.js';
import { lookAt, withoutDots } from '../../host-files/paths.js';
import type { Warning } from '../../model/artifact.js';
import { asBackupError, BackupError } from '../../model/errors.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import type { DiscoverContext, Discovery, Unit } from '../component.js';
import { readServiceConfiguration } from '../monitoring-configuration.js';
import { discoverEachHost, hostProblem, type HostAnswer } from '../each-host.js';
import { readRunningFlags, readVersion } from './api.js';
import { componentName, expectedArtifacts, type PrometheusFound } from './artifacts.js';
import type { PrometheusOptions } from './options.js';

const defaultPort = 9090;

/** A host in it must have a Prometheus; one that is only in `monitoring` may be there for Grafana. */
export const ownGroup = 'prometheus';

/**
 * One unit per host: servers of a pair scrape for themselves, so their stores differ. Where none of the hosts that are asked has a Prometheus
 * each is a problem, also one that is only in `monitoring`: its unit may have another name.
 */
export async function discover(context: DiscoverContext<PrometheusOptions>): Promise<Discovery<PrometheusFound>> {
  const found = await discoverEachHost(componentName, context, (remote, host, signal) =>
    discoverHost(remote, context.optionsFor(host), signal),
  );
  if (found.units.length > 0 || found.problems.length > 0) return found;
  const problems = found.absent.map(({ host, evidence }) =>
    hostProblem(componentName, host, serviceMissing(host, evidence)),
  );
  return { units: [], absent: [], problems };
}

function serviceMissing(host: string, evidence: string): BackupError {
  const hint = 'If its unit has another name, set the option prometheus.service.';
  return new BackupError('SERVICE_MISSING', `${host}: ${evidence}`, { host, hint });
}

interface Running {
  readonly flags: Flags;
  readonly version: string;
  readonly down: string;
}

async function discoverHost(
  remote: RemoteHost,
  options: PrometheusOptions,
  signal: AbortSignal,
): Promise<HostAnswer<PrometheusFound>> {
  const service = (await findServices(remote, [options.service], signal))[0];
  if (service === undefined) {
    const evidence = `there is no ${options.service} on this host`;
    if (remote.host.groups.includes(ownGroup)) throw serviceMissing(remote.host.name, evidence);
    return { absent: evidence };
  }
  const started = await readFlags(remote, service, signal);
  const configuration = await readServiceConfiguration(remote, { service, flags: started, signal });
  const endpoint = endpointOf(started, options, { port: defaultPort, tls: configuration.tls });
  const running = await askRunning(remote, { endpoint, options, signal, started });
  const storage = pathFlag(running.flags, 'storage.tsdb.path', service) ?? `${service.workingDirectory}/data`;
  // The ledger records what lies in it, and removes no path with `..`.
  const dataDirectory = await withoutDots(remote, storage, signal);
  const store = await lookStore(remote, dataDirectory, signal);
  const directories = configuration.directories.filter((path) => !isInside(dataDirectory, path));
  const { files, warnings } = await findFiles(remote, {
    service: 'Prometheus',
    paths: [...directories, ...configuration.files],
    required: configuration.required,
    named: configuration.named,
    hidden: configuration.hidden,
    signal,
  });
  const method =
    running.down !== ''
      ? 'none'
      : running.flags.get('web.enable-admin-api') === 'true'
        ? 'snapshot'
        : 'finished blocks';
  const found: PrometheusFound = {
    method,
    endpoint,
    dataDirectory,
    version: running.version,
    files,
    down: running.down,
  };
  const unit = unitOf(remote, { service, found, store, configFile: configuration.configFile });
  return { unit: { ...unit, warnings: [...unit.warnings, ...warnings] } };
}

async function askRunning(
  remote: RemoteHost,
  {
    started,
    ...question
  }: {
    readonly endpoint: Endpoint;
    readonly options: PrometheusOptions;
    readonly signal: AbortSignal;
    readonly started: Flags;
  },
): Promise<Running> {
  const prometheus = { remote, ...question };
  try {
    const [flags, version] = await Promise.all([readRunningFlags(prometheus), readVersion(prometheus)]);
    return { flags, version, down: '' };
  } catch (error) {
    const failure = asBackupError(error);
    // An answer that refuses us is not a server that is down.
    if (failure.code !== 'HOST_FORWARD' && failure.code !== 'HTTP_FAILED') throw failure;
    return { flags: started, version: 'unknown', down: failure.message };
  }
}

interface Store {
  readonly bytes: number;
  /** What a snapshot has to write anew, at most. */
  readonly headBytes: number;
  /** Snapshots somebody else made and left. */
  readonly leftovers: readonly string[];
}

async function lookStore(remote: RemoteHost, dataDirectory: string, signal: AbortSignal): Promise<Store> {
  const [{ found }, leftovers] = await Promise.all([
    lookAt(remote, [dataDirectory, `${dataDirectory}/wal`, `${dataDirectory}/chunks_head`], signal),
    remote.run(
      { argv: ['ls', '-1', '--', `${dataDirectory}/snapshots`], become: 'root', accept: [0, 1, 2] },
      { signal },
    ),
  ]);
  const bytesOf = (path: string): number => found.find((one) => one.path === path)?.bytes ?? 0;
  return {
    bytes: bytesOf(dataDirectory),
    headBytes: bytesOf(`${dataDirectory}/wal`) + bytesOf(`${dataDirectory}/chunks_head`),
    leftovers:
      leftovers.status === 0
        ? leftovers.stdout
            .toString('utf8')
            .split('\n')
            .filter((name) => name !== '')
        : [],
  };
}

function isInside(directory: string, path: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}

function unitOf(
  remote: RemoteHost,
  {
    service,
    found,
    store,
    configFile,
  }: {
    readonly service: Service;
    readonly found: PrometheusFound;
    readonly store: Store;
    readonly configFile: string | undefined;
  },
): Unit<PrometheusFound> {
  const host = remote.host.name;
  return {
    name: host,
    hosts: [host],
    product: {
      name: 'Prometheus',
      version: found.version,
      detectedBy: found.method === 'none' ? 'it does not answer' : '/api/v1/status/buildinfo',
    },
    roles: { service: service.unit, state: service.state, method: found.method },
    consistency: found.method === 'snapshot' ? 'point-in-time' : 'finished-blocks',
    identity: { configFile: configFile ?? null, dataDirectory: found.dataDirectory, endpoint: found.endpoint },
    containsSecrets: true,
    artifacts: expectedArtifacts(remote, found, store.bytes),
    ...(found.method === 'snapshot'
      ? {
          tempSpace: [
            {
              host,
              path: `${found.dataDirectory}/snapshots`,
              bytes: store.headBytes,
              why: 'Prometheus writes its head block into the snapshot',
            },
          ],
        }
      : {}),
    warnings: warningsOf(host, found, store),
    found,
  };
}

function warningsOf(host: string, found: PrometheusFound, store: Store): readonly Warning[] {
  const warnings: Warning[] = [];
  if (found.method === 'none')
    warnings.push({
      code: 'SERVICE_DOWN',
      message: `${host}: Prometheus does not answer, so only its configuration can be saved: ${found.down}`,
    });
  if (found.method === 'finished blocks') warnings.push(adminWarning(host));
  if (store.leftovers.length > 0)
    warnings.push({
      code: 'SNAPSHOT_LEFTOVER',
      message: `${host}: ${found.dataDirectory}/snapshots holds snapshots that are not of this run and keep disk space: ${store.leftovers.slice(0, 5).join(', ')}`,
    });
  return warnings;
}

export function adminWarning(host: string): Warning {
  return {
    code: 'PROM_ADMIN',
    message: `${host}: the admin API is off, so finished blocks only are copied; up to the newest 3 hours are missing. Start Prometheus with --web.enable-admin-api to have them.`,
  };
}
