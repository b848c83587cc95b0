import type { AnyComponent } from '../components/component.js';
import type { AnyStepKind, Step } from '../components/restore.js';
import { sharedStepKinds } from '../host-steps/index.js';
import { BackupError } from '../model/errors.js';

/** The kind of a step, by its name. Errors: RESTORE_JOURNAL for one that this version does not have. */
export function findKind(components: readonly AnyComponent[], step: Pick<Step, 'id' | 'kind'>): AnyStepKind {
  const kinds = [...sharedStepKinds, ...components.flatMap((component) => component.stepKinds ?? [])];
  const kind = kinds.find(({ name }) => name === step.kind);
  if (kind !== undefined) return kind;
  throw new BackupError('RESTORE_JOURNAL', `${step.id}: this version knows no step of the kind ${step.kind}`, {
    hint: 'Use the version of lsbackup that began the restore.',
  });
}
