import type { AnyStepKind, Step, StepContext, StepState } from '../../packages/core/src/components/restore.js';

/** One step with its kind, its params read anew from JSON as a journal has them, and the undo data that `prepare` gave. */
export interface PreparedStep {
  readonly step: Step;
  apply(): Promise<void>;
  probe(): Promise<StepState>;
  revert(): Promise<void>;
}

export async function prepareStep(
  step: Step,
  kinds: readonly AnyStepKind[],
  context: StepContext,
): Promise<PreparedStep> {
  const kind = kinds.find(({ name }) => name === step.kind);
  if (kind === undefined) throw new Error(`no kind ${step.kind}`);
  const params = kind.params.parse(JSON.parse(JSON.stringify(step.params)));
  const undo = kind.undo.parse(JSON.parse(JSON.stringify(await kind.prepare(context, params))));
  return {
    step,
    apply: () => kind.apply(context, params, undo),
    probe: () => kind.probe(context, params, undo),
    revert: async () => {
      if (kind.revert === undefined) throw new Error(`${step.id} cannot be undone`);
      await kind.revert(context, params, undo);
    },
  };
}

async function expectState(prepared: PreparedStep, wanted: StepState): Promise<void> {
  const state = await prepared.probe();
  if (state !== wanted) throw new Error(`${prepared.step.id} is ${state}, not ${wanted}`);
}

/** Runs the steps of one set in order. When one fails, or `failAfter` is done, those begun are reverted, last first, and the failure is thrown. */
export async function runSteps(
  steps: readonly Step[],
  kinds: readonly AnyStepKind[],
  context: StepContext,
  failAfter?: string,
): Promise<readonly PreparedStep[]> {
  const begun: PreparedStep[] = [];
  try {
    for (const step of steps) {
      const prepared = await prepareStep(step, kinds, context);
      begun.push(prepared);
      await prepared.apply();
      await expectState(prepared, 'done');
      if (step.id === failAfter) throw new Error(`injected after ${step.id}`);
    }
    return begun;
  } catch (error) {
    for (const prepared of begun.reverse()) {
      await prepared.revert();
      await expectState(prepared, 'not done');
    }
    throw error;
  }
}
