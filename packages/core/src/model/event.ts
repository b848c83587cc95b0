import type { BackupError } from './errors.js';
import type { RunStatus, UnitStatus } from './metadata.js';

/** What can happen in a backup as in a restore. */
export type CommonEvent =
  | {
      readonly type: 'host';
      readonly host: string;
      readonly status: 'connected' | 'failed';
      readonly error?: BackupError;
    }
  | {
      readonly type: 'warning';
      readonly code: string;
      readonly message: string;
      readonly host?: string;
      readonly component?: string;
    }
  | { readonly type: 'error'; readonly error: BackupError };

/** What happens during a run, one discriminated union. `progress` comes at most four times a second. */
export type BackupEvent =
  | CommonEvent
  /** The first one: nothing was done yet. */
  | { readonly type: 'started'; readonly runId: string }
  | {
      readonly type: 'plan';
      readonly runId: string;
      readonly units: number;
      readonly artifacts: number;
      readonly expectedBytes: number;
    }
  | {
      readonly type: 'component';
      readonly component: string;
      readonly unit: string;
      readonly status: 'started' | UnitStatus;
      readonly reason?: string;
      /** Of one that failed, or was saved in part. */
      readonly error?: BackupError;
    }
  | {
      readonly type: 'progress';
      readonly bytesRead: number;
      readonly bytesWritten: number;
      readonly artifactsSaved: number;
      readonly artifactsExpected: number;
      readonly active: readonly ActiveStream[];
    }
  | { readonly type: 'published'; readonly archive: string; readonly status: RunStatus; readonly bytes: number };

export interface ActiveStream {
  readonly path: string;
  readonly host: string;
  readonly bytesRead: number;
}
