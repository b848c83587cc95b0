import { types } from 'node:util';

/**
 * One class for every failure a user can meet, and the one table that turns a code into an exit status.
 * A code is stable: scripts and tests match on it, never on the message.
 */
export const exitStatuses = {
  complete: 0,
  failed: 1,
  usage: 2,
  partial: 3,
  corrupt: 4,
  archiveMissing: 10,
  locked: 11,
  wrongKey: 12,
  unreachable: 13,
  noSpace: 14,
} as const;

export type ExitStatus = (typeof exitStatuses)[keyof typeof exitStatuses];

const exitStatusByCode = {
  // Usage and configuration: no host was touched.
  USAGE: exitStatuses.usage,
  CONFIG_INVALID: exitStatuses.usage,
  OPTION_INVALID: exitStatuses.usage,
  INVENTORY_MISSING: exitStatuses.usage,
  INVENTORY_SYNTAX: exitStatuses.usage,
  INVENTORY_SCRIPT: exitStatuses.usage,
  INVENTORY_UNSUPPORTED: exitStatuses.usage,
  VAULT_PASSWORD: exitStatuses.wrongKey,
  COMPONENT_UNKNOWN: exitStatuses.usage,
  TARGET_UNSUPPORTED: exitStatuses.usage,
  TARGET_MISSING: exitStatuses.usage,
  // The store.
  TARGET_READ_ONLY: exitStatuses.unreachable,
  TARGET_UNREADABLE: exitStatuses.unreachable,
  TARGET_UNREACHABLE: exitStatuses.unreachable,
  TARGET_NO_SPACE: exitStatuses.noSpace,
  TARGET_IO: exitStatuses.failed,
  OBJECT_MISSING: exitStatuses.archiveMissing,
  OBJECT_UNREADABLE: exitStatuses.unreachable,
  // Archives.
  ARCHIVE_MISSING: exitStatuses.archiveMissing,
  ARCHIVE_CORRUPT: exitStatuses.corrupt,
  ARCHIVE_HOSTILE: exitStatuses.corrupt,
  ARCHIVE_TOO_NEW: exitStatuses.usage,
  ARTIFACT_MISSING: exitStatuses.archiveMissing,
  EXTRACT_EXISTS: exitStatuses.usage,
  EXTRACT_UNSUPPORTED: exitStatuses.usage,
  // Hosts.
  HOST_UNREACHABLE: exitStatuses.unreachable,
  HOST_AUTH: exitStatuses.unreachable,
  HOST_KEY: exitStatuses.unreachable,
  HOST_KEY_FILE: exitStatuses.unreachable,
  HOST_SUDO: exitStatuses.unreachable,
  HOST_TTY: exitStatuses.unreachable,
  HOST_FORWARD: exitStatuses.unreachable,
  HOST_SPACE: exitStatuses.noSpace,
  HOST_LOCKED: exitStatuses.locked,
  HOST_PREFLIGHT: exitStatuses.unreachable,
  CHANNEL_REFUSED: exitStatuses.failed,
  COMMAND_FAILED: exitStatuses.failed,
  COMMAND_TIMEOUT: exitStatuses.failed,
  STREAM_CUT: exitStatuses.failed,
  STREAM_STALLED: exitStatuses.failed,
  STREAM_BANNER: exitStatuses.failed,
  HOLD_EXPIRED: exitStatuses.failed,
  TAR_SHRANK: exitStatuses.failed,
  TAR_FAILED: exitStatuses.failed,
  HTTP_FAILED: exitStatuses.failed,
  // What a stream turned out to be.
  FORMAT_INVALID: exitStatuses.failed,
  // Components.
  SERVICE_MISSING: exitStatuses.failed,
  SERVICE_DOWN: exitStatuses.failed,
  SERVICE_ANSWER: exitStatuses.failed,
  ARTIFACT_GONE: exitStatuses.failed,
  ARTIFACT_NOT_SAVED: exitStatuses.failed,
  PLAN_MEMORY: exitStatuses.usage,
  HAP_CHECK: exitStatuses.failed,
  HAP_RELOAD: exitStatuses.failed,
  PG_ROLE: exitStatuses.failed,
  PROM_ADMIN: exitStatuses.failed,
  // Restore.
  RESTORE_HOST: exitStatuses.usage,
  RESTORE_REFUSED: exitStatuses.unreachable,
  RESTORE_VERSION: exitStatuses.unreachable,
  RESTORE_UNCONFIRMED: exitStatuses.usage,
  RESTORE_FAILED: exitStatuses.failed,
  RESTORE_CHECK: exitStatuses.failed,
  RESTORE_JOURNAL: exitStatuses.failed,
  RESTORE_RUN: exitStatuses.usage,
  RUN_ACTIVE: exitStatuses.locked,
  NOTHING_SAVED: exitStatuses.failed,
  NO_HOST_REACHED: exitStatuses.unreachable,
  ABORTED: exitStatuses.failed,
  INTERNAL: exitStatuses.failed,
} as const satisfies Record<string, ExitStatus>;

export type ErrorCode = keyof typeof exitStatusByCode;

export interface ErrorDetails {
  readonly host?: string | undefined;
  readonly component?: string | undefined;
  /** What the user can do next, one sentence. */
  readonly hint?: string | undefined;
  /** True when the same call may succeed later without anybody changing anything. */
  readonly retryable?: boolean | undefined;
  readonly cause?: unknown;
}

/** The only error class that leaves a public function. The message says what and where; `hint` says what to do. */
export class BackupError extends Error {
  override readonly name = 'BackupError';
  readonly code: ErrorCode;
  readonly host: string | undefined;
  readonly component: string | undefined;
  readonly hint: string | undefined;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.host = details.host;
    this.component = details.component;
    this.hint = details.hint;
    this.retryable = details.retryable ?? false;
  }

  /** What happened and what to do about it, for records that have one text for both. */
  get reason(): string {
    if (this.hint === undefined) return this.message;
    return `${this.message}${/[.!?]$/.test(this.message) ? '' : '.'} ${this.hint}`;
  }

  /** The exit status for this code (docs/exit-codes.md). */
  get exitStatus(): ExitStatus {
    return exitStatusByCode[this.code];
  }
}

/** Any thrown value as a BackupError: one stays itself (with host and component added where it has none), the rest becomes INTERNAL. */
export function asBackupError(error: unknown, details: Omit<ErrorDetails, 'cause'> = {}): BackupError {
  if (error instanceof BackupError) {
    const adds =
      (details.host !== undefined && error.host === undefined) ||
      (details.component !== undefined && error.component === undefined);
    if (!adds) return error;
    return new BackupError(error.code, error.message, {
      host: error.host ?? details.host,
      component: error.component ?? details.component,
      hint: error.hint ?? details.hint,
      retryable: error.retryable,
      cause: error.cause ?? error,
    });
  }
  // Not instanceof: an error of Node's own may come from another realm (a vm context, as test runners use).
  const message = types.isNativeError(error) ? error.message : String(error);
  return new BackupError('INTERNAL', message, { ...details, cause: error });
}

/** The error that an aborted signal stands for: its reason when that is a BackupError, else ABORTED with the reason as cause. */
export function abortError(signal: AbortSignal): BackupError {
  const reason: unknown = signal.reason;
  if (reason instanceof BackupError) return reason;
  return new BackupError('ABORTED', 'the run was cancelled', { cause: reason });
}
