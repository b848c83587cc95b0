import type { AnyStepKind, Step, StepContext } from '../components/restore.js';
import { abortError, asBackupError, BackupError } from '../model/errors.js';
import { inTime } from '../model/in-time.js';
import type { RestoreEvent, SetOutcome } from './api.js';
import type { Journal } from './journal.js';

/** Seconds for one look at the state of a step, and for undoing it: dropping a database, or moving many files back, takes minutes at most. */
const lookSeconds = 600;
const undoSeconds = 3600;

/** Steps that are done and undone together. */
export interface StepSet {
  readonly name: string;
  readonly component: string;
  /** In their order. */
  readonly steps: readonly Step[];
}

export interface SetServices {
  readonly journal: Journal;
  readonly kindOf: (step: Step) => AnyStepKind;
  /** What a step may use while the set is being done, and on connections of its own while it is being undone: the first ones may be lost. */
  readonly doing: (set: StepSet, signal: AbortSignal) => StepContext;
  readonly undoing: (set: StepSet, signal: AbortSignal) => StepContext;
  /** Has the set's hosts locked, also where the lock went with a connection, and waits until nothing that the set has started runs on them. */
  readonly takeBack: (set: StepSet) => Promise<void>;
  readonly signal: AbortSignal;
  readonly emit: (event: RestoreEvent) => void;
}

/**
 * Does what is not done of a set, in order; what fails undoes the whole set. Never rejects, but for RESTORE_JOURNAL: without a journal nothing
 * may be changed, and nothing undone.
 */
export async function runSet(set: StepSet, services: SetServices): Promise<SetOutcome> {
  const { name, component } = set;
  try {
    for (const step of set.steps) await doStep(set, step, services);
    return { set: name, component, status: 'done' };
  } catch (cause) {
    const error = services.signal.aborted ? abortError(services.signal) : asBackupError(cause, { component });
    if (error.code === 'RESTORE_JOURNAL') throw error;
    return undoSet(set, services, error);
  }
}

async function doStep(set: StepSet, step: Step, services: SetServices): Promise<void> {
  const { journal, signal, emit } = services;
  signal.throwIfAborted();
  const progress = journal.progressOf(step.id);
  if (progress.state === 'done') return;
  if (progress.state === 'dropping' || progress.state === 'dropped') return;
  const kind = services.kindOf(step);
  const look = <T>(ask: (context: StepContext) => Promise<T>): Promise<T> =>
    limited(step, { seconds: lookSeconds, signal }, (inner) => ask(services.doing(set, inner)));
  const tell = told(set, step, emit);
  tell('started');
  try {
    const params = kind.params.parse(step.params);
    const isNew = progress.state === 'untouched' || progress.state === 'reverted';
    const undo = isNew ? await look((context) => kind.prepare(context, params)) : kind.undo.parse(progress.undo);
    if (isNew) await journal.record({ type: 'intent', step: step.id, undo });
    const before = isNew ? 'not done' : await look((context) => kind.probe(context, params, undo));
    if (before !== 'done') await kind.apply(services.doing(set, signal), params, undo);
    await expectState(step, 'done', () => look((context) => kind.probe(context, params, undo)));
    await journal.record({ type: 'done', step: step.id });
    tell('done');
  } catch (error) {
    tell('failed', asBackupError(error));
    throw error;
  }
}

/**
 * Undoes what was begun of a set, last first. Stops at a step that cannot be undone: what came before it belongs to what it left. Never rejects, but for
 * RESTORE_JOURNAL.
 */
export async function undoSet(set: StepSet, services: SetServices, error?: BackupError): Promise<SetOutcome> {
  const { name, component } = set;
  const why = error === undefined ? {} : { error };
  const begun = set.steps.filter(
    ({ id }) => !['untouched', 'reverted'].includes(services.journal.progressOf(id).state),
  );
  try {
    if (begun.length > 0) await services.takeBack(set);
    for (const step of begun.toReversed()) await undoStep(set, step, services);
    return { set: name, component, status: 'undone', ...why };
  } catch (cause) {
    const failure = asBackupError(cause, { component });
    if (failure.code === 'RESTORE_JOURNAL') throw failure;
    const causes = error === undefined ? failure : new AggregateError([error, failure]);
    const first = error === undefined ? '' : ` (it was undone because: ${error.message})`;
    return {
      set: name,
      component,
      status: 'undo failed',
      error: new BackupError('RESTORE_FAILED', `${name}: not undone: ${failure.message}${first}`, {
        component,
        host: failure.host,
        hint: failure.hint,
        cause: causes,
      }),
    };
  }
}

async function undoStep(set: StepSet, step: Step, services: SetServices): Promise<void> {
  const { journal, emit } = services;
  const progress = journal.progressOf(step.id);
  if (progress.state === 'untouched' || progress.state === 'reverted') return;
  const kind = services.kindOf(step);
  // What undoes is not cancelled with what is undone.
  const signal = new AbortController().signal;
  const tell = told(set, step, emit);
  const params = kind.params.parse(step.params);
  const undo = kind.undo.parse(progress.undo);
  tell('undoing');
  await limited(step, { seconds: undoSeconds, signal }, async (inner) => {
    const context = services.undoing(set, inner);
    if (progress.state === 'done' && kind.old !== undefined)
      await requireThere(step, () => kind.probe(context, params, undo));
    if (kind.revert === undefined) {
      if ((await kind.probe(context, params, undo)) !== 'not done')
        throw new BackupError('RESTORE_FAILED', `${step.title}: this step cannot be undone`);
    } else {
      await journal.record({ type: 'reverting', step: step.id });
      await kind.revert(context, params, undo);
    }
    await expectState(step, 'not done', () => kind.probe(context, params, undo));
  });
  await journal.record({ type: 'reverted', step: step.id });
  tell('undone');
}

/** A step that kept old data and was done has something to undo; where nothing of it is there, neither is what it kept, and "undone" would be a lie. */
async function requireThere(step: Step, probe: () => Promise<string>): Promise<void> {
  if ((await probe()) !== 'not done') return;
  throw new BackupError('RESTORE_CHECK', `${step.title}: nothing of it is left on ${step.host} that could be undone`, {
    host: step.host,
    hint: 'Somebody has changed or removed what was restored, or what the restore kept aside. See what is there; what the archive has can be restored again.',
  });
}

async function expectState(step: Step, expected: 'done' | 'not done', probe: () => Promise<string>): Promise<void> {
  const state = await probe();
  if (state === expected) return;
  throw new BackupError(
    'RESTORE_CHECK',
    `${step.title}: it should be ${expected}, but what is on ${step.host} says ${state}`,
    {
      host: step.host,
    },
  );
}

function limited<T>(
  step: Step,
  { seconds, signal }: { readonly seconds: number; readonly signal: AbortSignal },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = (): BackupError =>
    new BackupError('COMMAND_TIMEOUT', `${step.title}: not done within ${String(seconds)} s`, { host: step.host });
  return inTime({ seconds, signal, late }, work);
}

type StepEvent = Extract<RestoreEvent, { readonly type: 'step' }>;

function told(
  set: StepSet,
  step: Step,
  emit: SetServices['emit'],
): (status: StepEvent['status'], error?: BackupError) => void {
  return (status, error) =>
    emit({
      type: 'step',
      set: set.name,
      step: step.id,
      title: step.title,
      status,
      ...(error === undefined ? {} : { error }),
    });
}
