import type { Cluster, Host, LocalUser } from '../cluster/cluster.js';
import type { BackupDocument } from '../cluster/documents/backup-document.js';
import type { AnyComponent, ExpectedArtifact } from '../components/component.js';
import type { Warning } from '../model/artifact.js';
import type { BackupEvent } from '../model/event.js';
import type { Json } from '../model/json.js';
import type { Logger } from '../model/logger.js';
import type { HostRecord, Metadata, RunStatus, UnitStatus } from '../model/metadata.js';
import type { RemoteHost } from '../remote/remote-host.js';
import type { Store } from '../stores/store.js';

/** Which hosts and components a run is about. Patterns: a component, an area, a group, `component@host`, `area:x`, `group:x`. */
export interface Selection {
  readonly only?: readonly string[];
  readonly skip?: readonly string[];
  /** What Ansible's `--limit` takes: lists of host patterns, `@file` among them; all hosts unless set. */
  readonly limit?: readonly string[];
}

/** Component options from one source; later layers win. The inventory's `lsbackup_<component>_<option>` variables are below all of them. */
export interface OptionLayer {
  /** For messages: `lsbackup.yml`, `--set`. */
  readonly source: string;
  readonly components?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** The same per list of host patterns, as `limit` takes it but for `@file`. */
  readonly hosts?: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, unknown>>>>>>;
}

export interface Limits {
  /** Bytes for buffers, compressed members, SSH windows and store parts together; 80 MiB unless set. */
  readonly memory?: number;
  /** Streams open at once on one host; 2 unless set, which is the most: more find no place beside what components hold on a connection. */
  readonly streamsPerHost?: number;
  /** Hosts being dialled at once; 64 unless set. */
  readonly dials?: number;
  /** gzip level; 4 unless set. */
  readonly level?: number;
  /** Seconds the code of a cancelled unit has to end, and again its clean-ups together; 60 unless set, a day at most. */
  readonly cleanUp?: number;
}

export interface PlanOptions extends Selection {
  readonly cluster: Cluster;
  readonly user: LocalUser;
  /** `builtInComponents` unless set. */
  readonly components?: readonly AnyComponent[];
  /** Which components to save, and options of them; weaker than `only`, `skip` and `options`. */
  readonly document?: BackupDocument;
  /** Weakest first. */
  readonly options?: readonly OptionLayer[];
  readonly limits?: Limits;
  /** How a host is reached; SSH unless set. */
  readonly connect?: (host: Host) => Promise<RemoteHost>;
  readonly signal?: AbortSignal;
  readonly logger?: Logger;
  readonly onEvent?: (event: BackupEvent) => void;
}

export interface BackupOptions extends PlanOptions {
  readonly target: Store;
  /** Cluster name in the file name and in metadata; the cluster's own unless set. */
  readonly name?: string;
  /** Version of the program that calls, recorded in metadata. */
  readonly tool?: { readonly name: string; readonly version: string };
}

export interface BackupResult {
  readonly runId: string;
  readonly status: RunStatus;
  /** Name of the archive at the target. */
  readonly archive: string;
  /** Bytes of the archive. */
  readonly bytes: number;
  readonly metadata: Metadata;
}

/** Pure data: what a backup will save, from where, how. */
export interface Plan {
  readonly runId: string;
  readonly cluster: string;
  readonly hosts: readonly HostRecord[];
  readonly units: readonly PlannedUnit[];
  readonly expectedBytes: number;
  /** Upper bound of the process's buffers, bytes. */
  readonly memory: number;
  /** Groups that name hosts and that no component covers, neither itself nor by a group above; `ungrouped` among them when a host is in no group. */
  readonly uncoveredGroups: readonly string[];
  /** Hosts in no group of a component, in inventory order: nobody looks at them, and nothing of them is saved. */
  readonly uncoveredHosts: readonly string[];
}

export interface PlannedUnit {
  readonly component: string;
  readonly area: string;
  readonly name: string;
  readonly hosts: readonly string[];
  /** `planned`, or what it already is: failed, absent, skipped. */
  readonly status: 'planned' | Exclude<UnitStatus, 'complete' | 'partial'>;
  readonly reason?: string;
  readonly code?: string;
  readonly product?: { readonly name: string; readonly version: string; readonly detectedBy: string };
  readonly roles?: Readonly<Record<string, Json>>;
  readonly consistency?: string;
  readonly identity?: Json;
  readonly containsSecrets: boolean;
  readonly artifacts: readonly ExpectedArtifact[];
  readonly tempSpace: readonly {
    readonly host: string;
    readonly path: string;
    readonly bytes: number;
    readonly why: string;
  }[];
  readonly warnings: readonly Warning[];
}
