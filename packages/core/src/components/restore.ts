import type { Readable } from 'node:stream';
import type { ZodType } from 'zod';
import type { Host } from '../cluster/cluster.js';
import type { Warning } from '../model/artifact.js';
import type { Json } from '../model/json.js';
import type { Logger } from '../model/logger.js';
import type { ArtifactRecord, FailedRecord, UnitRecord } from '../model/metadata.js';
import type { RemoteHost } from '../remote/remote-host.js';

/** One unit as the archive has it. */
export interface UnitBackup {
  readonly component: string;
  /** Versions, roles, identity and baseline at the time of the backup; host names are the archive's. */
  readonly unit: UnitRecord;
  readonly artifacts: readonly ArtifactRecord[];
  /** What was expected of this unit and is not in the archive. */
  readonly failed: readonly FailedRecord[];
}

/** What `Component.restore` may use to plan. Everything is read-only: nothing on a host may change before the plan was confirmed. */
export interface RestoreContext<Options> {
  /** Of the restore. Names of what is kept aside hold it, so that two restores never meet. */
  readonly runId: string;
  /** The host of the target cluster that stands in the place of a host of the archive. */
  target(archived: string): Host;
  optionsFor(host: Host): Options;
  remote(host: Host): Promise<RemoteHost>;
  /**
   * What `--select <component>.<key>=VALUE` named, in the order given; undefined: nothing, so everything is meant. The key is one of the component's
   * `selectors`. With what of it this unit has (`available`): only those values that are there, each once; what belongs to it and could not be saved is in `missing`, with the
   * reason. Errors: OPTION_INVALID where none of them is there, which leaves the unit out; a value that no unit of the component has is refused by the engine.
   */
  selected(
    key: string,
    available?: readonly string[],
    missing?: ReadonlyMap<string, string>,
  ): readonly string[] | undefined;
  /** The content of one of the unit's artifacts, checked part by part; for small ones, and for the beginning of large ones. */
  read(path: string): Promise<Readable>;
  /**
   * Reads a whole tar artifact as it will be unpacked on a host by root, and refuses what no honest backup has. `visit` gets each file of at most 1 MiB. Errors:
   * ARCHIVE_HOSTILE, EXTRACT_UNSUPPORTED, ARCHIVE_CORRUPT.
   */
  surveyTar(path: string, visit?: (name: string, content: Buffer) => void): Promise<TarContents>;
  /** Hosts of the archive that have another name or address in the target cluster. */
  readonly moved: readonly MovedHost[];
  /** Something that names the old cluster, is restored as it is and may have to be changed by hand. */
  report(finding: Finding): void;
  /** Something that people must know before they confirm. */
  warn(warning: Warning): void;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** What a tar artifact puts on a host. Names are relative to the directory it is unpacked to. */
export interface TarContents {
  /** The topmost members. A directory among them is there as a whole: what else a host has in it does not belong to it. */
  readonly roots: readonly string[];
  /** Files, directories and links. */
  readonly entries: number;
  /** Of the files. */
  readonly bytes: number;
}

/** How a host was called when it was backed up, and what stands in its place. */
export interface MovedHost {
  /** Inventory name, address and the host's own name; what may stand in configuration. */
  readonly archived: readonly string[];
  readonly target: string;
  readonly address: string;
}

/** Where the restored data still speaks of the cluster that was backed up. Nothing is rewritten. */
export interface Finding {
  /** Inventory name in the target cluster. */
  readonly host: string;
  /** A file and line (`/etc/haproxy/haproxy.cfg:12`), or an object (`rabbitmq parameter shovel/x`). */
  readonly where: string;
  /** What stands there, without secrets. */
  readonly text: string;
  /** What it is about: `10.0.0.5 was db1, which is db9 (10.0.0.9) now`. */
  readonly why: string;
}

/**
 * One change of one host, as data: a journal must be able to finish or undo it in a new process that has nothing but this. Steps of one set run in the
 * order they are listed and are undone together, last first; sets run side by side. No params or preview may hold a secret.
 */
export interface Step {
  /** Unique in the plan and readable: `postgresql@db1/app/swap`. */
  readonly id: string;
  /** Name of a StepKind. */
  readonly kind: string;
  readonly params: Json;
  /** What is undone together when one of it fails: `haproxy@lb1`, `postgresql@db1/app`. */
  readonly set: string;
  /** Ids of steps of other sets that must be done before. A set whose predecessor failed is not begun. */
  readonly after: readonly string[];
  /** Inventory name of the target host that it changes. The host is locked, and its old processes are waited for before anything is undone. */
  readonly host: string;
  /** For people: what will be done, one line. */
  readonly title: string;
  /** The remote commands, for people. */
  readonly preview: readonly string[];
  /** Paths of the artifacts that it reads. Each is verified before the plan is shown. */
  readonly reads: readonly string[];
  /** It replaces or moves what is there now. */
  readonly isDestructive?: boolean | undefined;
  /** Whose clients are held off from here to the step of the same set that `endsDowntime`. */
  readonly beginsDowntime?: string | undefined;
  readonly endsDowntime?: boolean | undefined;
}

export type StepState = 'done' | 'not done' | 'half';

/**
 * How steps of one kind are done, found by name. `apply` brings `not done` and `half` to `done`, `revert` brings `done` and `half` to `not done`, both
 * any number of times: after kill -9 nobody knows how far the last one came. They start when no process of an earlier attempt is left on
 * the host, but for what a server does by itself (a query that goes on). Input that is fed to a command may have been cut anywhere, and
 * the command may have taken it for whole. A kind without `revert` is irreversible and has to be confirmed by the component's name.
 */
export interface StepKind<Params = unknown, Undo extends Json = Json> {
  /** `<component>.<verb>-<object>`, or only the latter for what components share. Never changed: journals hold it. */
  readonly name: string;
  readonly params: ZodType<Params>;
  readonly undo: ZodType<Undo>;
  /** Read-only. What `revert` needs to know of the state before, and what must be true to begin; it is journaled before the act, so it holds no secret. */
  prepare(context: StepContext, params: Params): Promise<Undo>;
  apply(context: StepContext, params: Params, undo: Undo): Promise<void>;
  /** Read-only, by looking at the host: after `apply` it must say `done`, after `revert` `not done`. */
  probe(context: StepContext, params: Params, undo: Undo): Promise<StepState>;
  revert?(context: StepContext, params: Params, undo: Undo): Promise<void>;
  /** Of a step that keeps old data aside once it is done. */
  readonly old?: OldData<Params, Undo>;
}

export interface OldData<Params, Undo> {
  /** What is kept and where, for people; undefined where there was nothing to keep. */
  describe(params: Params, undo: Undo): string | undefined;
  /** Removes it (`--drop-old`), also when it is gone already. Afterwards the step cannot be undone. */
  drop(context: StepContext, params: Params, undo: Undo): Promise<void>;
}

export interface StepContext {
  readonly runId: string;
  /** The connection to a host of the target cluster, by its inventory name. Commands are marked as this run's. */
  remote(host: string): Promise<RemoteHost>;
  /** An artifact's content, checked part by part: what was fed to a command counts only after the stream has ended well. */
  read(path: string): Promise<Readable>;
  warn(warning: Warning): void;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** A kind whose own types are no longer of interest, as registries hold it. Members are methods, so this takes every StepKind. */
export type AnyStepKind = StepKind;
