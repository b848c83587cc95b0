import type { Archive } from '../archive/archive.js';
import type { Cluster, Host, LocalUser } from '../cluster/cluster.js';
import type { AnyComponent } from '../components/component.js';
import type { Finding, Step } from '../components/restore.js';
import type { BackupError } from '../model/errors.js';
import type { CommonEvent } from '../model/event.js';
import type { Json } from '../model/json.js';
import type { Logger } from '../model/logger.js';
import type { RemoteHost } from '../remote/remote-host.js';
import type { OptionLayer, Selection } from '../run/api.js';

/** How hosts are reached and what is told meanwhile; the same for planning, doing, and finishing an earlier run. */
export interface RestoreServices {
  /** Of the target: where data is put back. */
  readonly cluster: Cluster;
  readonly user: LocalUser;
  /** `builtInComponents` unless set. */
  readonly components?: readonly AnyComponent[];
  /** Where journals of restores are kept on this machine. */
  readonly stateDirectory: string;
  /** How a host is reached; SSH unless set. */
  readonly connect?: (host: Host) => Promise<RemoteHost>;
  readonly signal?: AbortSignal;
  readonly logger?: Logger;
  readonly onEvent?: (event: RestoreEvent) => void;
}

export interface RestoreOptions extends RestoreServices, Selection {
  readonly archive: Archive;
  /** Weakest first. */
  readonly options?: readonly OptionLayer[];
  /** What inside a component: component, selector, values. */
  readonly select?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  /** Archived host to target host, by inventory names. A host that is named here may be another machine than the one that was backed up. */
  readonly map?: ReadonlyMap<string, string>;
  /** The inventory of the cluster that was backed up: hosts stand for each other by name, or by their order in the groups of a component. */
  readonly from?: Cluster;
  /** Kept in the journal for whoever finishes the run: where archive and inventory are. No secrets. */
  readonly context?: Json;
}

/** What a restore will do, as data. */
export interface RestorePlan {
  readonly runId: string;
  readonly archive: string;
  readonly cluster: string;
  readonly hosts: readonly MappedHost[];
  readonly units: readonly RestoredUnit[];
  readonly steps: readonly Step[];
  /** Bytes of content that each step reads from the archive, by its id; those that read nothing are not there. */
  readonly sizes: Readonly<Record<string, number>>;
  /** All of them together. */
  readonly bytes: number;
  /** Artifacts that were verified, of all that the archive has. */
  readonly verified: { readonly artifacts: number; readonly of: number };
  readonly findings: readonly Finding[];
  /** Components with a step that cannot be undone. */
  readonly irreversible: readonly string[];
}

/** A host of the archive and the one that takes its place. */
export interface MappedHost {
  readonly archived: string;
  readonly target: string;
  /** Of the target. */
  readonly address: string;
  readonly machineId: string;
  /** It is not the machine that was backed up. */
  readonly isOther: boolean;
}

export interface RestoredUnit {
  readonly component: string;
  readonly unit: string;
  /** Names of its sets; none where it cannot be restored. */
  readonly sets: readonly string[];
  /** Why it is not restored. */
  readonly reason?: string | undefined;
  /** Of one that is not restored: the selection means it, so that a restore without it is partial. */
  readonly isMissed?: boolean | undefined;
}

export type SetStatus = 'done' | 'undone' | 'not begun' | 'undo failed';

export interface SetOutcome {
  readonly set: string;
  readonly component: string;
  readonly status: SetStatus;
  /** Why it is not done. */
  readonly error?: BackupError;
}

export interface RestoreResult {
  readonly runId: string;
  /** Of the sets; what could not be planned is in the plan's units. `complete`: every set is done; `partial`: some are, the others are as they were; `failed`: no set is done, or one could not be undone. */
  readonly status: 'complete' | 'partial' | 'failed';
  readonly sets: readonly SetOutcome[];
  /** Old data that is kept, for people. */
  readonly kept: readonly KeptData[];
}

export interface KeptData {
  readonly host: string;
  readonly step: string;
  readonly what: string;
}

/** What happens during a restore, one discriminated union. `progress` comes at most four times a second. */
export type RestoreEvent =
  | CommonEvent
  | { readonly type: 'started'; readonly runId: string }
  | { readonly type: 'progress'; readonly phase: 'verify' | 'restore'; readonly bytes: number; readonly total: number }
  | { readonly type: 'plan'; readonly plan: RestorePlan }
  | {
      readonly type: 'step';
      readonly set: string;
      readonly step: string;
      readonly title: string;
      readonly status: 'started' | 'done' | 'undoing' | 'undone' | 'failed';
      readonly error?: BackupError;
    }
  | { readonly type: 'set'; readonly outcome: SetOutcome };
