import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Step } from '../components/restore.js';
import { BackupError } from '../model/errors.js';
import type { Json } from '../model/json.js';
import { parseJson } from '../model/parse-json.js';
import { systemErrorCode } from '../model/system-errors.js';
import type { RestoredUnit } from './api.js';

const json: z.ZodType<Json> = z.json();
const stepSchema = z.object({
  id: z.string(),
  kind: z.string(),
  params: json,
  set: z.string(),
  after: z.array(z.string()).readonly(),
  host: z.string(),
  title: z.string(),
  preview: z.array(z.string()).readonly(),
  reads: z.array(z.string()).readonly(),
  isDestructive: z.boolean().optional(),
  beginsDowntime: z.string().optional(),
  endsDowntime: z.boolean().optional(),
}) satisfies z.ZodType<Step>;

const unitSchema = z.object({
  component: z.string(),
  unit: z.string(),
  sets: z.array(z.string()).readonly(),
  reason: z.string().optional(),
  isMissed: z.boolean().optional(),
}) satisfies z.ZodType<RestoredUnit>;

const planSchema = z.object({
  type: z.literal('plan'),
  version: z.literal(1),
  runId: z.string(),
  startedAt: z.string(),
  /** `runId` is the backup's: an archive that was replaced under the same name is another one. */
  archive: z.object({ name: z.string(), runId: z.string() }),
  hosts: z.array(z.object({ name: z.string(), machineId: z.string() })),
  /** Also those that are not restored, so that whoever finishes the run tells them too. */
  units: z.array(unitSchema).readonly(),
  steps: z.array(stepSchema).readonly(),
  context: json,
});
export type JournaledPlan = z.infer<typeof planSchema>;

const recordSchema = z.discriminatedUnion('type', [
  /** Before the act. */
  z.object({ type: z.literal('intent'), step: z.string(), undo: json }),
  z.object({ type: z.literal('done'), step: z.string() }),
  z.object({ type: z.literal('reverting'), step: z.string() }),
  z.object({ type: z.literal('reverted'), step: z.string() }),
  /** The old data that the step kept is being removed: it cannot be undone from here on. */
  z.object({ type: z.literal('dropping'), step: z.string() }),
  z.object({ type: z.literal('dropped'), step: z.string() }),
]);
export type JournalRecord = z.infer<typeof recordSchema>;

/** How far a step came, as far as the journal knows: what was under way when it ends may have happened or not. */
export type StepProgress =
  | { readonly state: 'untouched' }
  | { readonly state: 'begun' | 'done' | 'reverting' | 'reverted' | 'dropping' | 'dropped'; readonly undo: Json };

/** What a journal says. */
export interface RecordedRun {
  readonly plan: JournaledPlan;
  progressOf(step: string): StepProgress;
}

/**
 * The journal of one restore: the whole plan first, then a record before and after each act, each on the disk before the call returns. It alone
 * is enough to finish the run or to undo it.
 */
export class Journal implements AsyncDisposable, RecordedRun {
  readonly directory: string;
  readonly plan: JournaledPlan;
  readonly #file: FileHandle;
  readonly #progress: Map<string, StepProgress>;
  #writing: Promise<void> = Promise.resolve();

  private constructor(
    directory: string,
    plan: JournaledPlan,
    open: { readonly file: FileHandle; readonly progress: Map<string, StepProgress> },
  ) {
    this.directory = directory;
    this.plan = plan;
    this.#file = open.file;
    this.#progress = open.progress;
  }

  /** Begins the journal of a new run. Errors: RESTORE_JOURNAL. */
  static async create(stateDirectory: string, plan: Omit<JournaledPlan, 'type' | 'version'>): Promise<Journal> {
    const directory = journalDirectory(stateDirectory, plan.runId);
    return failing(directory, async () => {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const file = await open(journalFile(directory), 'ax', 0o600);
      const whole: JournaledPlan = { type: 'plan', version: 1, ...plan };
      const journal = new Journal(directory, whole, { file, progress: new Map() });
      await journal.#append(whole);
      for (const path of [directory, join(directory, '..')]) await syncDirectory(path);
      return journal;
    });
  }

  /** What a journal says, also that of a run which is under way. Errors: RESTORE_RUN (there is none), RESTORE_JOURNAL. */
  static async read(stateDirectory: string, runId: string): Promise<RecordedRun> {
    const directory = await findRun(stateDirectory, runId);
    const { plan, progress } = await failing(directory, async () => contentOf(await readFile(journalFile(directory))));
    return { plan, progressOf: (step) => progress.get(step) ?? { state: 'untouched' } };
  }

  /** Reads the journal of an earlier run and goes on in it; for whoever has claimed the run. Errors: as `read`. */
  static async open(stateDirectory: string, runId: string): Promise<Journal> {
    const directory = await findRun(stateDirectory, runId);
    const file = await failing(directory, () => open(journalFile(directory), constants.O_RDWR | constants.O_APPEND));
    try {
      return await failing(directory, async () => {
        const { plan, progress, bytes } = contentOf(await file.readFile());
        // What was cut while it was written never counted: nothing was done before it was whole.
        await file.truncate(bytes);
        await file.datasync();
        return new Journal(directory, plan, { file, progress });
      });
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  progressOf(step: string): StepProgress {
    return this.#progress.get(step) ?? { state: 'untouched' };
  }

  /** Resolves when the record is on the disk. Errors: RESTORE_JOURNAL. */
  async record(record: JournalRecord): Promise<void> {
    await failing(this.directory, () => this.#append(record));
    follow(this.#progress, record);
  }

  /**
   * One after the other: sets run side by side, and a line must not be cut by another. After one that failed, all fail: it may have left half a line, and what came
   * behind that would make the whole journal unreadable.
   */
  async #append(record: JournalRecord | JournaledPlan): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      await this.#file.appendFile(`${JSON.stringify(record)}\n`);
      await this.#file.datasync();
    });
    await this.#writing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Whoever wrote has the error.
    await Promise.allSettled([this.#writing]);
    await this.#file.close();
  }
}

/** How many of the last runs a message names. */
const namedRuns = 5;

/** Ids of the restores that have a directory here, oldest first. Errors: RESTORE_JOURNAL. */
export async function restoreRuns(stateDirectory: string): Promise<readonly string[]> {
  const directory = join(stateDirectory, restores);
  try {
    return (await readdir(directory)).sort();
  } catch (cause) {
    if (systemErrorCode(cause) === 'ENOENT') return [];
    throw unusable(directory, cause);
  }
}

/** The directory of a run, which has a journal. Errors: RESTORE_RUN, RESTORE_JOURNAL. */
export async function findRun(stateDirectory: string, runId: string): Promise<string> {
  const directory = journalDirectory(stateDirectory, runId);
  try {
    await stat(journalFile(directory));
    return directory;
  } catch (cause) {
    if (systemErrorCode(cause) !== 'ENOENT') throw unusable(directory, cause);
    const runs = (await restoreRuns(stateDirectory)).filter((run) => run !== runId);
    const known = runs.length === 0 ? 'There are none' : `The last ones are ${runs.slice(-namedRuns).join(', ')}`;
    throw new BackupError('RESTORE_RUN', `there is no restore ${runId} in ${stateDirectory}`, {
      cause,
      hint: `${known}; only the machine that ran a restore has its journal.`,
    });
  }
}

function contentOf(content: Buffer): {
  readonly plan: JournaledPlan;
  readonly progress: Map<string, StepProgress>;
  readonly bytes: number;
} {
  const { lines, bytes } = wholeLines(content);
  const plan = planSchema.parse(parseJson(lines[0] ?? ''));
  const progress = new Map<string, StepProgress>();
  for (const line of lines.slice(1)) follow(progress, recordSchema.parse(parseJson(line)));
  return { plan, progress, bytes };
}

const restores = 'restores';

export function journalDirectory(stateDirectory: string, runId: string): string {
  if (!/^[0-9A-Za-z-]+$/.test(runId)) throw new BackupError('RESTORE_RUN', `${JSON.stringify(runId)} names no restore`);
  return join(stateDirectory, restores, runId);
}

function journalFile(directory: string): string {
  return join(directory, 'journal.jsonl');
}

function wholeLines(content: Buffer): { readonly lines: readonly string[]; readonly bytes: number } {
  const bytes = content.lastIndexOf('\n') + 1;
  return { lines: content.subarray(0, bytes).toString('utf8').split('\n').slice(0, -1), bytes };
}

const stateAfter = {
  done: 'done',
  reverting: 'reverting',
  reverted: 'reverted',
  dropping: 'dropping',
  dropped: 'dropped',
} as const;

function follow(progress: Map<string, StepProgress>, record: JournalRecord): void {
  if (record.type === 'intent') {
    progress.set(record.step, { state: 'begun', undo: record.undo });
    return;
  }
  const before = progress.get(record.step);
  if (before === undefined || before.state === 'untouched')
    throw new BackupError(
      'RESTORE_JOURNAL',
      `the journal says ${record.type} of ${record.step}, which was never begun`,
    );
  progress.set(record.step, { state: stateAfter[record.type], undo: before.undo });
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function failing<T>(directory: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof BackupError) throw cause;
    throw unusable(directory, cause);
  }
}

/** Errors: none; answers RESTORE_JOURNAL. */
export function unusable(directory: string, cause: unknown): BackupError {
  const reason = cause instanceof z.ZodError ? z.prettifyError(cause) : String(cause);
  return new BackupError('RESTORE_JOURNAL', `the journal in ${directory} cannot be used: ${reason}`, {
    cause,
    hint: 'Mend that (space, rights, the file), then finish the run with --resume or --rollback. What a restore keeps aside stays on its hosts until then.',
  });
}
