import { readFlags, pathFlag, type Flags } from '../../host-services/flags.js';
import { endpointOf, type Endpoint } from '../../host-services/http-service.js';
import { findServices, type Service } from '../../host-services/systemd.js';
import { findFiles } from '../../host-files/found-files.js';
import { lookAt, withoutDots } from '../../host-files/paths.js';
import type { Warning } from '../../model/artifact.js';
import { asBackupError, BackupError } from '../../model/errors.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import type { DiscoverContext, Discovery, Refusal, Unit } from '../component.js';
import { readServiceConfiguration } from '../monitoring-configuration.js';
import { discoverEachHost, hostProblem, type HostAnswer } from '../each-host.js';
import { readRunningFlags, readVersion } from './api.js';
import { componentName, expectedArtifacts, type PrometheusFound } from './artifacts.js';
import type { PrometheusOptions } from './options.js';

const defaultPort = 9090;
const adminFlag = 'web.enable-admin-api';

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
  readonly down: BackupError | undefined;
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
  const refusal = refusalOf(remote, { running, store, dataDirectory });
  const method = refusal !== null ? 'none' : running.flags.get(adminFlag) === 'true' ? 'snapshot' : 'finished blocks';
  const found: PrometheusFound = {
    method,
    endpoint,
    dataDirectory,
    version: running.version,
    files,
    refusal,
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
    return { flags, version, down: undefined };
  } catch (error) {
    const failure = asBackupError(error);
    // An answer that refuses us is not a server that is down.
    if (failure.code !== 'HOST_FORWARD' && failure.code !== 'HTTP_FAILED') throw failure;
    return { flags: started, version: 'unknown', down: failure };
  }
}

interface Store {
  readonly place: 'there' | 'missing' | 'hidden';
  /** Whether we may remove what Prometheus makes in its data directory. */
  readonly mayRemove: boolean;
  readonly bytes: number;
  /** What a snapshot has to write anew, at most. */
  readonly headBytes: number;
  /** Snapshots somebody else made and left. */
  readonly leftovers: readonly string[];
}

/** `snapshots`, or where Prometheus will make it; and `wal`, because Prometheus makes the directories of a snapshot as it made that one. */
const removeScript = `cd -- "$1" || exit
for directory in snapshots wal; do
  if [ ! -d $directory ]; then directory=.; fi
  [ -w $directory ] && [ -x $directory ] || exit
done`;

async function lookStore(remote: RemoteHost, dataDirectory: string, signal: AbortSignal): Promise<Store> {
  const [{ found, missing, unreachable }, leftovers, mayRemove] = await Promise.all([
    lookAt(remote, [dataDirectory, `${dataDirectory}/wal`, `${dataDirectory}/chunks_head`], signal),
    remote.run(
      { argv: ['ls', '-1', '--', `${dataDirectory}/snapshots`], become: 'root', accept: [0, 1, 2] },
      { signal },
    ),
    remote.run(
      { argv: ['sh', '-c', removeScript, 'sh', dataDirectory], become: 'root', accept: [0, 1, 2] },
      { signal },
    ),
  ]);
  const bytesOf = (path: string): number => found.find((one) => one.path === path)?.bytes ?? 0;
  const isMissing = missing.includes(dataDirectory);
  return {
    place: !isMissing ? 'there' : unreachable.includes(dataDirectory) ? 'hidden' : 'missing',
    mayRemove: mayRemove.status === 0,
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

/**
 * Why there will be no time series. Prometheus makes a snapshot wherever it runs; one that we can neither see nor remove would stay with
 * every run and keep the disk space of its blocks.
 */
function refusalOf(
  remote: RemoteHost,
  {
    running,
    store,
    dataDirectory,
  }: { readonly running: Running; readonly store: Store; readonly dataDirectory: string },
): Refusal | null {
  const host = remote.host.name;
  const { down } = running;
  if (down !== undefined)
    return {
      code: 'SERVICE_DOWN',
      message: `${host}: Prometheus does not answer, so its time series cannot be saved: ${down.message}`,
      hint:
        forbidden(down) ?? 'Start Prometheus on this host, or set the option prometheus.url if it listens elsewhere.',
    };
  if (store.place === 'missing')
    return {
      code: 'SERVICE_MISSING',
      message: `${host}: the data directory that Prometheus names, ${dataDirectory}, is not there as the host sees it, so its time series cannot be saved`,
      hint: 'If Prometheus runs in a container or with another root directory, mount its data at the same path on the host. If another Prometheus answered, set the option prometheus.url.',
    };
  const root = `Let lsbackup become root on ${host} (ansible_become), or log in as the user that Prometheus runs as.`;
  if (store.place === 'hidden')
    return {
      code: 'HOST_SUDO',
      message: `${host}: the data directory of Prometheus, ${dataDirectory}, is in a directory that may not be searched, so its time series cannot be saved`,
      hint: root,
    };
  if (running.flags.get(adminFlag) === 'true' && !store.mayRemove)
    return {
      code: 'HOST_SUDO',
      message: `${host}: no snapshot is asked for, because what Prometheus makes in ${dataDirectory}/snapshots could not be removed by lsbackup, so its time series cannot be saved`,
      hint: root,
    };
  return null;
}

/** What to do where sshd, not Prometheus, refuses. */
function forbidden({ code, hint, retryable }: BackupError): string | undefined {
  return code === 'HOST_FORWARD' && !retryable ? hint : undefined;
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
      detectedBy: found.refusal?.code === 'SERVICE_DOWN' ? 'it does not answer' : '/api/v1/status/buildinfo',
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
  if (found.refusal !== null) warnings.push({ code: found.refusal.code, message: found.refusal.message });
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
