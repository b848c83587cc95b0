import type { ZodType } from 'zod';
import type { Host } from '../cluster/cluster.js';
import type { Artifact, SavedArtifact, Warning } from '../model/artifact.js';
import type { ByHand, ByHandRequest } from '../model/by-hand.js';
import type { BackupError, ErrorCode } from '../model/errors.js';
import type { Format } from '../model/format.js';
import type { Json } from '../model/json.js';
import type { Logger } from '../model/logger.js';
import type { RemoteHost } from '../remote/remote-host.js';
import type { AnyStepKind, RestoreContext, Step, UnitBackup } from './restore.js';

/**
 * What lsbackup knows about one system. A component is an object literal in a folder of its own; adding one is writing that folder
 * and naming it in `components/index.ts` (or passing it to `backup`).
 */
export interface Component<Options = unknown, Found extends Json = Json> {
  readonly name: string;
  /** What `--only` and `--skip` may name besides: `monitoring`, `kubernetes`, `elastic`, `kafka`, or the component's own name. */
  readonly area: string;
  /** Components with the same set are restored and undone together. */
  readonly set?: string;
  /** Inventory groups whose hosts are asked. */
  readonly groups: readonly string[];
  /** Components to wait for; they need not be there, and it starts also when they failed. */
  readonly after: readonly string[];
  /** Options in snake_case with their defaults. Every option must be optional. */
  readonly options: ZodType<Options>;
  /** Programs it runs on a host by their bare names, so that `doctor` can say which are not there. */
  readonly tools?: readonly string[];
  /** Formats that only this component's artifacts have, so that `verify` can check them again. */
  readonly formats?: readonly Format[];
  /**
   * Read-only. One unit per independent instance. A host of the group where the service is not found is a problem (the unit is
   * failed), never left out; only a component without a group of its own answers `absent`, with its evidence.
   */
  discover(context: DiscoverContext<Options>): Promise<Discovery<Found>>;
  /** Saves every artifact the unit expects. Returning without one of them makes the unit partial. */
  backup(context: BackupContext<Options>, unit: Unit<Found>): Promise<void>;
  /** What `--select <component>.<key>=VALUE` may choose from, each with a sentence for people. */
  readonly selectors?: Readonly<Record<string, string>>;
  /** The kinds of this component's own steps. */
  readonly stepKinds?: readonly AnyStepKind[];
  /**
   * Plans how one archived unit is put back, read-only. Rejects where it cannot be, before anything is touched: RESTORE_VERSION, RESTORE_REFUSED, SERVICE_MISSING,
   * OPTION_INVALID and the host's own. Without it the component's artifacts can be taken out of the archive by `extract` only.
   */
  restore?(context: RestoreContext<Options>, backup: UnitBackup): Promise<readonly Step[]>;
  /**
   * How one archived unit is put back without lsbackup, in the order in which it is done: sections of RESTORE.txt, from nothing but what the metadata say.
   * An artifact that no section needs gets one that only takes it out. No text may hold a secret.
   */
  byHand?(request: ByHandRequest): readonly ByHand[];
}

export interface DiscoverContext<Options> {
  /** The hosts of the component's groups, after `--limit`, in inventory order. */
  readonly hosts: readonly Host[];
  optionsFor(host: Host): Options;
  /** The pooled connection. Rejects with the host's own error (HOST_UNREACHABLE, HOST_KEY, HOST_SUDO ...) when it could not be had. */
  remote(host: Host): Promise<RemoteHost>;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

export interface Discovery<Found extends Json = Json> {
  readonly units: readonly Unit<Found>[];
  /** One failed unit each. */
  readonly problems: readonly Problem[];
  readonly absent: readonly { readonly host: string; readonly evidence: string }[];
}

/** A unit that will not be backed up, and why. */
export interface Problem {
  /** Unit name: the host's, unless the unit spans several. */
  readonly unit: string;
  readonly hosts: readonly string[];
  readonly error: BackupError;
}

/** One independent instance: what fails, is reported and restored alone. Plain data, so a plan can be printed and stored. */
export interface Unit<Found extends Json = Json> {
  /** Stable between runs: the host's inventory name, or the cluster's name where several hosts are one unit. */
  readonly name: string;
  /** Inventory names. */
  readonly hosts: readonly string[];
  readonly product: { readonly name: string; readonly version: string; readonly detectedBy: string };
  readonly roles?: Readonly<Record<string, Json>>;
  /** How the saved bytes belong together: `point-in-time`, `point-in-time-per-database`, `file-copy`, `fuzzy`, ... */
  readonly consistency: string;
  readonly identity?: Json;
  readonly containsSecrets: boolean;
  readonly artifacts: readonly ExpectedArtifact[];
  /** Bytes that will be used on a host for a while, per host, at most. The engine refuses the unit (HOST_SPACE) where they would fill the disk. */
  readonly tempSpace?: readonly {
    readonly host: string;
    readonly path: string;
    readonly bytes: number;
    readonly why: string;
  }[];
  /** Things the plan must tell that do not stop the backup. */
  readonly warnings: readonly Warning[];
  /** What `backup` needs to know again. */
  readonly found: Found;
}

export interface ExpectedArtifact {
  readonly path: string;
  readonly host: string;
  /** Estimate of the content's bytes. */
  readonly size?: number;
  /** What will be run for it, for people to read. */
  readonly commands: readonly string[];
  /** It may end as gone when a second listing no longer has it (a database dropped meanwhile). */
  readonly mayBeGone?: boolean;
  /** Known already: it will not be saved, so that the unit will be partial. `backup` tries all the same, for that may have changed. */
  readonly refusal?: Refusal;
}

/** An error that waits until what can be saved is saved. Not an interface, so that it is Json. */
export type Refusal = Readonly<{ code: ErrorCode; message: string; hint: string }>;

/** What `backup` may use; nothing else. Every wait ends when `signal` aborts. */
export interface BackupContext<Options> {
  optionsFor(host: Host): Options;
  host(name: string): Host;
  remote(host: Host): Promise<RemoteHost>;
  /**
   * A directory of this run's own on the host, mode 0700, owned by root (by the login user where there is no become), recorded in
   * the host's ledger before it is made, and removed by the engine when the unit has ended, however it ended.
   */
  workspace(host: Host): Promise<string>;
  /**
   * Records, before it is created, a path or a thing outside the workspace that must not outlive the run (a snapshot directory),
   * so that the next run can remove it if this one is killed. `path` is removed as root with `rm -rf --one-file-system`.
   */
  record(host: Host, path: string): Promise<void>;
  /** Streams one artifact into the archive; resolves when its last byte is in. One failure cancels the unit, unless the artifact is `alone`. */
  save(artifact: Artifact): Promise<SavedArtifact>;
  /** The same for several whose streams must all be open at once: all get their slots, or none is opened. */
  saveTogether(artifacts: readonly Artifact[]): Promise<readonly SavedArtifact[]>;
  /** A small artifact whose bytes are here already (an API's answer). */
  saveBytes(artifact: Omit<Artifact, 'open'>, content: Uint8Array): Promise<SavedArtifact>;
  /** An expected artifact that a second listing no longer has. Allowed only where the plan said `mayBeGone`. */
  gone(path: string, evidence: string): void;
  /** Clean-up of remote state. Runs after every stream of the unit has ended, last registered first, under a deadline of its own; its failure makes the unit partial. */
  defer(cleanUp: (signal: AbortSignal) => Promise<void>): void;
  /** Counts and lists that a restore will be compared with. Called at most once. */
  baseline(baseline: Json): void;
  warn(warning: Warning): void;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly runId: string;
}

/** A component whose own types are no longer of interest, as registries hold it. Members are methods, so this takes every Component. */
export type AnyComponent = Component;
