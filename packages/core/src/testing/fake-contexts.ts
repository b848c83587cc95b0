import { buffer } from 'node:stream/consumers';
import type { Host } from '../cluster/cluster.js';
import type { BackupContext, DiscoverContext, Unit } from '../components/component.js';
import type { Artifact, SavedArtifact, Warning } from '../model/artifact.js';
import { asBackupError, BackupError } from '../model/errors.js';
import type { Json } from '../model/json.js';
import { silentLogger } from '../model/logger.js';
import type { RemoteHost } from '../remote/remote-host.js';

export interface FakeContextOptions<Options> {
  readonly hosts: readonly RemoteHost[];
  readonly options: Options;
  /** Hosts that cannot be reached. */
  readonly unreachable?: readonly Host[];
  readonly signal?: AbortSignal;
}

/** A discover context over given hosts; unreachable ones are asked last. */
export function fakeDiscoverContext<Options>({
  hosts,
  options,
  unreachable = [],
  signal,
}: FakeContextOptions<Options>): DiscoverContext<Options> {
  return {
    hosts: [...hosts.map(({ host }) => host), ...unreachable],
    optionsFor: () => options,
    remote: (host) => remoteOf(hosts, host.name),
    signal: signal ?? new AbortController().signal,
    log: silentLogger,
  };
}

/** What a backup did, for a test to look at. */
export interface FakeRun<Options> {
  readonly context: BackupContext<Options>;
  /** Content by path, each checked by its own format. */
  readonly saved: Map<string, Buffer>;
  /** By path, why a save failed. */
  readonly failed: Map<string, BackupError>;
  readonly gone: Map<string, string>;
  readonly warnings: Warning[];
  readonly recorded: string[];
  readonly baseline: () => Json | undefined;
  /** Runs the deferred clean-ups as the engine does, last first. */
  cleanUp(): Promise<void>;
}

/** A backup context that keeps everything in memory. */
export function fakeBackupContext<Options>({ hosts, options, signal }: FakeContextOptions<Options>): FakeRun<Options> {
  const saved = new Map<string, Buffer>();
  const failed = new Map<string, BackupError>();
  const stop = new AbortController();
  const gone = new Map<string, string>();
  const warnings: Warning[] = [];
  const recorded: string[] = [];
  const cleanUps: ((signal: AbortSignal) => Promise<void>)[] = [];
  let baseline: Json | undefined;
  const ownSignal = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const warn = (warning: Warning): void => {
    warnings.push(warning);
  };

  /** As the engine does, a failure cancels everything unless the artifact stands alone. */
  async function save(artifact: Artifact): Promise<SavedArtifact> {
    try {
      return await keep(artifact);
    } catch (error) {
      const failure = asBackupError(error);
      failed.set(artifact.path, failure);
      if (artifact.alone !== true) stop.abort(failure);
      throw failure;
    }
  }

  async function keep(artifact: Artifact): Promise<SavedArtifact> {
    const content = await buffer(await artifact.open({ signal: ownSignal, warn }));
    const check = artifact.format.check();
    check.write(content);
    check.end();
    if (saved.has(artifact.path)) throw new Error(`${artifact.path} was saved twice`);
    saved.set(artifact.path, content);
    return { path: artifact.path, bytes: content.length, sha256: '0'.repeat(64) };
  }

  const context: BackupContext<Options> = {
    optionsFor: () => options,
    host: (name) => {
      const found = hosts.find(({ host }) => host.name === name);
      if (found === undefined) throw new Error(`no host ${name}`);
      return found.host;
    },
    remote: (host) => remoteOf(hosts, host.name),
    workspace: (host) => Promise.resolve(`/var/lib/lsbackup/run-1/${host.name}`),
    record: (host, path) => {
      recorded.push(`${host.name}:${path}`);
      return Promise.resolve();
    },
    save,
    saveTogether: (artifacts) => Promise.all(artifacts.map(save)),
    saveBytes: (artifact, content) => {
      const check = artifact.format.check();
      check.write(content);
      check.end();
      saved.set(artifact.path, Buffer.from(content));
      return Promise.resolve({ path: artifact.path, bytes: content.length, sha256: '0'.repeat(64) });
    },
    gone: (path, evidence) => gone.set(path, evidence),
    defer: (cleanUp) => cleanUps.push(cleanUp),
    baseline: (value) => {
      if (baseline !== undefined) throw new Error('the baseline was given twice');
      baseline = value;
    },
    warn,
    signal: ownSignal,
    log: silentLogger,
    runId: 'run-1',
  };
  return {
    context,
    saved,
    failed,
    gone,
    warnings,
    recorded,
    baseline: () => baseline,
    cleanUp: async () => {
      for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp(ownSignal);
    },
  };
}

/** The only unit of a discovery, for tests that expect exactly one. */
export function onlyUnit<Found extends Json>(discovery: {
  readonly units: readonly Unit<Found>[];
  readonly problems: readonly { readonly error: BackupError }[];
}): Unit<Found> {
  const [unit, ...others] = discovery.units;
  if (unit === undefined || others.length > 0 || discovery.problems.length > 0)
    throw new Error(
      `expected one unit, found ${String(discovery.units.length)} and ${discovery.problems.map(({ error }) => error.message).join('; ')}`,
    );
  return unit;
}

function remoteOf(hosts: readonly RemoteHost[], name: string): Promise<RemoteHost> {
  const found = hosts.find(({ host }) => host.name === name);
  return found === undefined
    ? Promise.reject(
        new BackupError('HOST_UNREACHABLE', `${name}: connection refused`, { host: name, retryable: true }),
      )
    : Promise.resolve(found);
}
