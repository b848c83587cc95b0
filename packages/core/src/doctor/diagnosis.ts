import { BackupError, type ErrorCode } from '../model/errors.js';

/** What a backup would meet, as pure data. Nothing of it was changed to find out. */
export interface Diagnosis {
  readonly cluster: string;
  /** The worst of the checks. `failed`: a backup would fail, or be partial. */
  readonly status: 'ok' | 'warning' | 'failed';
  /** Of this machine, of the hosts in inventory order, of the target, of the components. */
  readonly checks: readonly Check[];
}

export interface Check {
  readonly subject: Subject;
  readonly check: CheckName;
  /** `failed`: something would not be saved. `skipped`: could not be looked at, or a flag left it out; `detail` says which. */
  readonly status: CheckStatus;
  /** What was found: a few words where all is well, else what is wrong, without the subject's name. */
  readonly detail: string;
  /** What to do about it, one sentence. */
  readonly remedy?: string;
  /** Of what failed: as in docs/exit-codes.md. Of a warning: as a backup has it in its events. */
  readonly code?: string;
}

export type CheckStatus = 'ok' | 'warning' | 'failed' | 'skipped';

export type Subject =
  | { readonly kind: 'controller' }
  | { readonly kind: 'host'; readonly host: string }
  | { readonly kind: 'target'; readonly target: string }
  | {
      readonly kind: 'component';
      readonly component: string;
      readonly unit: string;
      readonly hosts: readonly string[];
    };

/** Stable. New ones may come. */
export type CheckName = ControllerCheck | HostCheck | TargetCheck | 'discovery';
export type ControllerCheck = 'node' | 'native-crypto' | 'ssh' | 'user' | 'agent' | 'inventory';
export type HostCheck =
  | 'reach'
  | 'host-key'
  | 'login'
  | 'commands'
  | 'become'
  | 'os'
  | 'tar'
  | 'tools'
  | 'clock'
  | 'sessions'
  | 'forwarding'
  | 'leftovers'
  | 'space'
  | 'connection';
export type TargetCheck = 'exists' | 'write' | 'publish' | 'read' | 'list' | 'remove' | 'space';

/** A check without its subject. */
export type Finding = Omit<Check, 'subject'>;

export function ok(check: CheckName, detail: string): Finding {
  return { check, status: 'ok', detail };
}

export function warning(check: CheckName, detail: string, remedy?: string, code?: string): Finding {
  return {
    check,
    status: 'warning',
    detail,
    ...(remedy !== undefined && { remedy }),
    ...(code !== undefined && { code }),
  };
}

export function skipped(check: CheckName, detail: string): Finding {
  return { check, status: 'skipped', detail };
}

/** What went wrong. `name`: the subject's, which the report says already. */
export function failed(check: CheckName, error: BackupError, name?: string): Finding {
  const { code, hint } = error;
  const detail = withoutName(error.message, name);
  return { check, status: 'failed', detail, code, ...(hint !== undefined && { remedy: hint }) };
}

/** A message without the name that it begins with. */
export function withoutName(message: string, name: string | undefined): string {
  return name !== undefined && message.startsWith(`${name}: `) ? message.slice(name.length + 2) : message;
}

/** What is wrong without having been thrown. */
export function refused(check: CheckName, code: ErrorCode, detail: string, remedy: string): Finding {
  return failed(check, new BackupError(code, detail, { hint: remedy }));
}

export function about(subject: Subject, findings: readonly Finding[]): readonly Check[] {
  return findings.map((finding) => ({ subject, ...finding }));
}

/** The worst of all; what was left out counts for nothing. */
export function worst(checks: readonly Pick<Check, 'status'>[]): Diagnosis['status'] {
  const statuses = checks.map(({ status }) => status);
  return (['failed', 'warning'] as const).find((status) => statuses.includes(status)) ?? 'ok';
}
