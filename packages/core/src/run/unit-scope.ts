import { setMaxListeners } from 'node:events';
import { Readable } from 'node:stream';
import type { ArchiveWriter, WrittenArtifact } from '../archive/archive.js';
import type { Cluster, Host } from '../cluster/cluster.js';
import type { AnyComponent, BackupContext, Unit } from '../components/component.js';
import type { Artifact, SavedArtifact, Warning } from '../model/artifact.js';
import { abortError, asBackupError, BackupError } from '../model/errors.js';
import type { Json } from '../model/json.js';
import type { Logger } from '../model/logger.js';
import type { ArtifactRecord, Metadata, UnitStatus } from '../model/metadata.js';
import type { RemoteHost } from '../remote/remote-host.js';
import { requireSpace } from '../host-files/host-space.js';
import type { Holding, Ledger } from './ledger.js';
import type { RunProgress } from './progress.js';
import type { Grant, Scheduler } from './scheduler.js';

type FailedRecord = Metadata['failed'][number];

/** What became of a unit. */
export interface UnitOutcome {
  readonly status: Extract<UnitStatus, 'complete' | 'partial' | 'failed'>;
  readonly error?: BackupError;
  readonly artifacts: readonly ArtifactRecord[];
  readonly failed: readonly FailedRecord[];
  readonly baseline?: Json;
  readonly warnings: readonly Warning[];
  readonly startedAt: string;
  readonly finishedAt: string;
}

/** What the run lends to its units. */
export interface UnitServices {
  readonly runId: string;
  readonly cluster: Cluster;
  readonly writer: ArchiveWriter;
  readonly scheduler: Scheduler;
  readonly ledger: Ledger;
  readonly progress: RunProgress;
  readonly remote: (host: Host) => Promise<RemoteHost>;
  readonly options: (component: AnyComponent, host: Host) => unknown;
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** For the code of a cancelled unit to end by itself, and again for its clean-ups together. */
  readonly cleanUpSeconds: number;
}

/**
 * Runs one unit's backup in a scope that the engine owns: the first failure (but of an artifact that stands alone) cancels the unit's other
 * streams, all of them are drained, and only then do its clean-ups run, last registered first. Never rejects.
 */
export async function runUnit(services: UnitServices, component: AnyComponent, unit: Unit): Promise<UnitOutcome> {
  const startedAt = new Date().toISOString();
  const scope = new UnitScope(services, component, unit);
  await scope.run();
  return scope.outcome(startedAt);
}

class UnitScope {
  readonly #services: UnitServices;
  readonly #component: AnyComponent;
  readonly #unit: Unit;
  readonly #controller = new AbortController();
  readonly #signal: AbortSignal;
  readonly #pending = new Set<Promise<unknown>>();
  readonly #cleanUps: ((signal: AbortSignal) => Promise<void>)[] = [];
  readonly #holdings = new Map<string, Promise<Holding>>();
  readonly #artifacts: ArtifactRecord[] = [];
  readonly #failed: FailedRecord[] = [];
  readonly #attempted = new Set<string>();
  readonly #gone = new Set<string>();
  readonly #warnings: Warning[];
  #baseline: Json | undefined;
  #firstError: BackupError | undefined;

  constructor(services: UnitServices, component: AnyComponent, unit: Unit) {
    this.#services = services;
    this.#component = component;
    this.#unit = unit;
    this.#warnings = [...unit.warnings];
    this.#signal = AbortSignal.any([services.signal, this.#controller.signal]);
    // Every waiting or open stream of the unit listens; there may be thousands.
    setMaxListeners(0, this.#signal);
  }

  async run(): Promise<void> {
    try {
      await this.#settled(this.#work());
    } catch (error) {
      this.#fail(error);
    }
    // A save that nobody awaited counts like any other; one that fails here cancels those still open.
    await this.#drain();
    this.#expectAll();
    await this.#cleanUp();
  }

  async #work(): Promise<void> {
    for (const space of this.#unit.tempSpace ?? []) {
      const remote = await this.#services.remote(findHost(this.#services.cluster, space.host));
      await requireSpace(remote, space, this.#signal);
    }
    await this.#component.backup(this.#context(), this.#unit);
  }

  /** The component's own promise, given up after a while once the unit is cancelled: code that ignores its signal must not hold the run. */
  async #settled(work: Promise<void>): Promise<void> {
    const givenUp = new Promise<never>((_resolve, reject) => {
      const abandon = (): void => {
        setTimeout(() => reject(abortError(this.#signal)), this.#services.cleanUpSeconds * 1000).unref();
      };
      if (this.#signal.aborted) abandon();
      else this.#signal.addEventListener('abort', abandon, { once: true });
    });
    await Promise.race([work, givenUp]);
  }

  async #drain(): Promise<void> {
    while (this.#pending.size > 0) await Promise.allSettled([...this.#pending]);
  }

  #fail(error: unknown): void {
    this.#firstError ??= asBackupError(error, { component: this.#component.name });
    this.#controller.abort(this.#firstError);
  }

  /** An artifact that stands alone takes nothing with it; the unit is not complete all the same. */
  #failSave(error: unknown, { alone }: Pick<Artifact, 'alone'>): void {
    if (alone === true) this.#firstError ??= asBackupError(error, { component: this.#component.name });
    else this.#fail(error);
  }

  #context(): BackupContext<unknown> {
    const { cluster, runId, log, options } = this.#services;
    return {
      runId,
      signal: this.#signal,
      log: log.child({ component: this.#component.name, unit: this.#unit.name }),
      optionsFor: (host) => options(this.#component, host),
      host: (name) => findHost(cluster, name),
      remote: (host) => this.#services.remote(host),
      workspace: async (host) => (await this.#holding(host)).workspace(),
      record: async (host, path) => (await this.#holding(host)).record(path),
      save: (artifact) => this.#track(this.#saveSingle(artifact), artifact),
      saveTogether: (artifacts) => this.#track(this.#saveAll(artifacts)),
      saveBytes: (artifact, content) => this.#track(this.#saveBytes(artifact, content), artifact),
      gone: (path, evidence) => this.#markGone(path, evidence),
      defer: (cleanUp) => {
        this.#cleanUps.push(cleanUp);
      },
      baseline: (baseline) => {
        this.#baseline = baseline;
      },
      warn: (warning) => {
        this.#warnings.push(warning);
      },
    };
  }

  /**
   * Remembers a save until it has settled and makes its failure the unit's, whether or not anybody looks at the promise. What it returns
   * must go to the component as it is: a promise derived from it would be an unhandled rejection where nobody awaits it.
   */
  #track<T>(work: Promise<T>, artifact: Pick<Artifact, 'alone'> = {}): Promise<T> {
    const watched = work
      .catch((error: unknown) => this.#failSave(error, artifact))
      .finally(() => this.#pending.delete(watched));
    this.#pending.add(watched);
    return work;
  }

  async #saveSingle(artifact: Artifact): Promise<SavedArtifact> {
    const [saved] = await this.#saveAll([artifact]);
    if (!saved) throw new BackupError('INTERNAL', `${artifact.path} was not saved`);
    return saved;
  }

  async #saveBytes(artifact: Omit<Artifact, 'open'>, content: Uint8Array): Promise<SavedArtifact> {
    this.#claim(artifact);
    const { path, format } = artifact;
    return this.#record(artifact, (signal) => this.#services.writer.addBytes({ path, format, content, signal }));
  }

  async #saveAll(artifacts: readonly Artifact[]): Promise<readonly SavedArtifact[]> {
    for (const artifact of artifacts) this.#claim(artifact);
    let grants: readonly Grant[];
    try {
      grants = await this.#services.scheduler.admit(
        artifacts.map((artifact) => artifact.host),
        { signal: this.#signal, hold: artifacts.some((artifact) => artifact.hold !== undefined) },
      );
    } catch (error) {
      for (const artifact of artifacts) this.#recordFailure(artifact, error);
      throw error;
    }
    const together = artifacts.map((artifact, index) => this.#saveOne(artifact, grants[index]));
    await Promise.allSettled(together);
    return Promise.all(together);
  }

  #claim(artifact: Pick<Artifact, 'path'>): void {
    if (!artifact.path.startsWith(`${this.#component.name}/`))
      throw new BackupError('INTERNAL', `${artifact.path} does not belong to component ${this.#component.name}`);
    if (this.#attempted.has(artifact.path)) throw new BackupError('INTERNAL', `${artifact.path} was saved twice`);
    this.#attempted.add(artifact.path);
  }

  async #saveOne(artifact: Artifact, grant: Grant | undefined): Promise<SavedArtifact> {
    if (!grant) throw new BackupError('INTERNAL', `${artifact.path} has no slot`);
    const { path, format } = artifact;
    const { reservation } = grant;
    const progress = this.#services.progress.stream(path, artifact.host);
    try {
      return await this.#record(artifact, async (signal, warn) => {
        const source = await openSource(artifact, { signal, warn });
        return this.#services.writer.add({ path, format, source, signal, reservation, onBytes: progress.add });
      });
    } finally {
      progress.end();
      grant.release();
    }
  }

  /** Writes one artifact and keeps what became of it. A failure cancels the unit's other streams at once, unless the artifact stands alone. */
  async #record(
    artifact: Omit<Artifact, 'open'>,
    write: (signal: AbortSignal, warn: (warning: Warning) => void) => Promise<WrittenArtifact>,
  ): Promise<SavedArtifact> {
    const startedAt = new Date().toISOString();
    const warnings: Warning[] = [];
    const limit = holdLimit(artifact, this.#signal);
    try {
      const written = await write(limit.signal, (warning) => void warnings.push(warning));
      this.#artifacts.push({
        ...written,
        ...(artifact.original === undefined ? {} : { original: artifact.original }),
        component: this.#component.name,
        unit: this.#unit.name,
        host: artifact.host,
        format: artifact.format.name,
        startedAt,
        finishedAt: new Date().toISOString(),
        warnings,
      });
      this.#services.progress.saved();
      this.#services.log.debug({ path: written.path, bytes: written.bytes, parts: written.parts }, 'saved');
      return { path: written.path, bytes: written.bytes, sha256: written.sha256 };
    } catch (error) {
      const failure = asBackupError(error, { host: artifact.host, component: this.#component.name });
      this.#services.log.debug({ path: artifact.path, error: failure }, 'not saved');
      this.#recordFailure(artifact, failure);
      this.#failSave(failure, artifact);
      throw failure;
    } finally {
      limit.clear();
    }
  }

  #recordFailure(artifact: Pick<Artifact, 'path' | 'host'>, error: unknown): void {
    const failure = asBackupError(error);
    this.#failed.push({
      path: artifact.path,
      component: this.#component.name,
      unit: this.#unit.name,
      host: artifact.host,
      code: failure.code,
      reason: failure.reason,
    });
  }

  #markGone(path: string, evidence: string): void {
    const expected = this.#unit.artifacts.find((artifact) => artifact.path === path);
    if (expected?.mayBeGone !== true) throw new BackupError('INTERNAL', `${path} may not end as gone`);
    this.#gone.add(path);
    this.#warnings.push({ code: 'ARTIFACT_GONE', message: `${path}: ${evidence}` });
  }

  /** Everything the plan expected must be saved, gone with evidence, or recorded as failed. */
  #expectAll(): void {
    for (const expected of this.#unit.artifacts) {
      if (this.#gone.has(expected.path) || this.#attempted.has(expected.path)) continue;
      const reason =
        this.#firstError ??
        new BackupError('ARTIFACT_NOT_SAVED', `${expected.path} was expected and not saved`, {
          component: this.#component.name,
          host: expected.host,
        });
      this.#recordFailure(expected, reason);
      this.#firstError ??= reason;
    }
  }

  #holding(host: Host): Promise<Holding> {
    let holding = this.#holdings.get(host.name);
    if (!holding) {
      holding = this.#services.ledger.hold(host);
      this.#holdings.set(host.name, holding);
    }
    return holding;
  }

  /** The component's clean-ups first; then, with time of its own, the ledger, which removes what is still recorded. */
  async #cleanUp(): Promise<void> {
    const deadline = AbortSignal.timeout(this.#services.cleanUpSeconds * 1000);
    for (let cleanUp = this.#cleanUps.pop(); cleanUp; cleanUp = this.#cleanUps.pop())
      await this.#tidy(cleanUp, deadline);
    const close = AbortSignal.timeout(this.#services.cleanUpSeconds * 1000);
    const held = [...this.#holdings.values()];
    await Promise.all(held.map((holding) => this.#tidy(async () => (await holding).close(), close)));
  }

  async #tidy(cleanUp: (signal: AbortSignal) => Promise<void>, deadline: AbortSignal): Promise<void> {
    try {
      await orAborted(cleanUp(deadline), deadline);
    } catch (error) {
      const failure = asBackupError(error, { component: this.#component.name });
      const message = `${this.#unit.name}: clean-up failed: ${failure.message}`;
      this.#warnings.push({ code: 'CLEAN_UP_FAILED', message });
      this.#firstError ??= failure;
    }
  }

  outcome(startedAt: string): UnitOutcome {
    const complete = this.#firstError === undefined && this.#failed.length === 0;
    return {
      status: complete ? 'complete' : this.#artifacts.length > 0 ? 'partial' : 'failed',
      ...(this.#firstError === undefined ? {} : { error: this.#firstError }),
      artifacts: this.#artifacts,
      failed: this.#failed,
      ...(this.#baseline === undefined ? {} : { baseline: this.#baseline }),
      warnings: this.#warnings,
      startedAt,
      finishedAt: new Date().toISOString(),
    };
  }
}

function findHost(cluster: Cluster, name: string): Host {
  const host = cluster.hosts.find((candidate) => candidate.name === name);
  if (!host) throw new BackupError('INTERNAL', `there is no host ${name} in the inventory`);
  return host;
}

/** A source that could not be opened becomes a stream that fails with the reason, so that the archive notes the artifact as failed too. */
async function openSource(artifact: Artifact, context: Parameters<Artifact['open']>[0]): Promise<Readable> {
  try {
    return await artifact.open(context);
  } catch (error) {
    return new Readable({
      read() {
        this.destroy(error instanceof Error ? error : new Error(String(error)));
      },
    });
  }
}

/** The unit's signal, which also fires when an artifact that holds its host has done so for as long as it may. */
function holdLimit(
  artifact: Omit<Artifact, 'open'>,
  signal: AbortSignal,
): { readonly signal: AbortSignal; clear(): void } {
  if (artifact.hold === undefined) return { signal, clear: () => undefined };
  const controller = new AbortController();
  const seconds = artifact.hold;
  const timer = setTimeout(() => {
    controller.abort(
      new BackupError('HOLD_EXPIRED', `${artifact.path} held ${artifact.host} for ${seconds} s, the most it may`, {
        host: artifact.host,
      }),
    );
  }, seconds * 1000);
  return { signal: AbortSignal.any([signal, controller.signal]), clear: () => clearTimeout(timer) };
}

async function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = new Promise<never>((_resolve, reject) => {
    const timedOut = (): void =>
      reject(new BackupError('COMMAND_TIMEOUT', 'the clean-up did not end in time', { cause: signal.reason }));
    if (signal.aborted) timedOut();
    else signal.addEventListener('abort', timedOut, { once: true });
  });
  aborted.catch(() => undefined);
  await Promise.race([work, aborted]);
}
