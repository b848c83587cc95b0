import type { AnyStepKind, Step, StepContext, StepState } from '../../packages/core/src/components/restore.js';
import { asBackupError, type BackupError } from '../../packages/core/src/model/errors.js';
import type { Json } from '../../packages/core/src/model/json.js';

export interface RanSteps {
  /** Undo data of the steps that were done, by id. */
  readonly done: ReadonlyMap<string, Json>;
  /** By set: why it was undone, or not begun. */
  readonly failed: ReadonlyMap<string, BackupError>;
}

export interface StepHooks {
  /** Before a step is applied; what it throws is the step's failure. */
  readonly before?: (step: Step) => Promise<void> | void;
  /** When it is done; the same. */
  readonly after?: (step: Step) => Promise<void> | void;
}

/**
 * Runs steps as the contract says: sets side by side, each in order after what it waits for; a set one step of which fails is undone, last first. Each
 * step's probe must agree. Errors: whatever undoing throws.
 */
export async function runSteps(
  steps: readonly Step[],
  kinds: readonly AnyStepKind[],
  context: StepContext,
  { before, after }: StepHooks = {},
): Promise<RanSteps> {
  const done = new Map<string, Json>();
  const failed = new Map<string, BackupError>();
  const outcomes = new Map<string, Promise<boolean>>();

  async function runSet(set: string): Promise<boolean> {
    const own = steps.filter((step) => step.set === set);
    try {
      for (const step of own) {
        for (const id of step.after) {
          const other = steps.find((one) => one.id === id)?.set;
          if (other === undefined || !(await outcomes.get(other))) throw new Error(`${id} was not done`);
        }
        await before?.(step);
        await runOne(step);
        await after?.(step);
      }
      return true;
    } catch (error) {
      failed.set(set, asBackupError(error));
      await undoSteps(own, kinds, context, done);
      for (const { id } of own) done.delete(id);
      return false;
    }
  }

  async function runOne(step: Step): Promise<void> {
    const kind = kindOf(step, kinds);
    const params = kind.params.parse(throughJson(step.params));
    const undo = kind.undo.parse(throughJson(await kind.prepare(context, params)));
    done.set(step.id, undo);
    await kind.apply(context, params, undo);
    const state = await kind.probe(withoutArchive(context), params, undo);
    if (state !== 'done') throw new Error(`${step.id} says ${state} after it was done`);
  }

  // In the order of the plan, so that what a set waits for has begun.
  for (const set of new Set(steps.map((step) => step.set))) outcomes.set(set, runSet(set));
  await Promise.all(outcomes.values());
  return { done, failed };
}

/** A rollback may have no archive any more, so nothing that looks or undoes reads from it. */
export function withoutArchive<Context extends StepContext>(context: Context): Context {
  return { ...context, read: (path) => Promise.reject(new Error(`${path} is read although nothing is done`)) };
}

/** Undoes what `done` has undo data of: sets side by side, each last first, after those that waited for it. */
export async function undoSteps(
  steps: readonly Step[],
  kinds: readonly AnyStepKind[],
  context: StepContext,
  done: ReadonlyMap<string, Json>,
): Promise<void> {
  const undoing = withoutArchive(context);
  const outcomes = new Map<string, Promise<void>>();

  async function undoSet(own: readonly Step[]): Promise<void> {
    const waited = steps.filter(({ after }) => own.some(({ id }) => after.includes(id)));
    for (const { set } of waited) await outcomes.get(set);
    for (const step of [...own].reverse()) await undoOne(step);
  }

  async function undoOne(step: Step): Promise<void> {
    const undo = done.get(step.id);
    if (undo === undefined) return;
    const kind = kindOf(step, kinds);
    const params = kind.params.parse(throughJson(step.params));
    await kind.revert?.(undoing, params, undo);
    const state = await kind.probe(undoing, params, undo);
    if (state !== 'not done') throw new Error(`${step.id} says ${state} after it was undone`);
  }

  // Against the order of the plan, so that what a set waits for has begun.
  for (const set of [...new Set(steps.map((step) => step.set))].reverse())
    outcomes.set(set, undoSet(steps.filter((step) => step.set === set)));
  await Promise.all(outcomes.values());
}

/** One step, its params and undo data read anew from JSON as a journal has them. */
export interface PreparedStep {
  apply(): Promise<void>;
  probe(): Promise<StepState>;
  revert(): Promise<void>;
}

/** For what a test does step by step. */
export async function prepareStep(
  step: Step,
  kinds: readonly AnyStepKind[],
  context: StepContext,
): Promise<PreparedStep> {
  const kind = kindOf(step, kinds);
  const params = kind.params.parse(throughJson(step.params));
  const undo = kind.undo.parse(throughJson(await kind.prepare(context, params)));
  return {
    apply: () => kind.apply(context, params, undo),
    probe: () => kind.probe(context, params, undo),
    revert: async () => {
      if (kind.revert === undefined) throw new Error(`${step.id} cannot be undone`);
      await kind.revert(context, params, undo);
    },
  };
}

export function kindOf(step: Step, kinds: readonly AnyStepKind[]): AnyStepKind {
  const kind = kinds.find(({ name }) => name === step.kind);
  if (kind === undefined) throw new Error(`no kind ${step.kind}`);
  return kind;
}

/** As a journal gives it back. */
export function throughJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}
