import { buffer } from 'node:stream/consumers';
import { finished } from 'node:stream/promises';
import { inTime } from '../model/in-time.js';
import { bytesText } from '../model/bytes-text.js';
import { abortError, asBackupError, BackupError } from '../model/errors.js';
import type { Store, Upload } from '../stores/store.js';
import { failed, type Finding, ok, skipped, type TargetCheck, warning } from './diagnosis.js';

const answerSeconds = 60;
const content = Buffer.from('lsbackup doctor was here. '.repeat(2500));
const range = { start: 1000, end: 1100 } as const;

export interface TargetQuestions {
  readonly runId: string;
  readonly signal: AbortSignal;
}

interface Trial extends TargetQuestions {
  readonly store: Store;
  /** What was begun, to be given up in the end; the first one gets published. */
  readonly uploads: Upload[];
}

/**
 * Does on a small scale what a backup does at its target, and takes it back, whatever happens. The first step that fails decides; without it the later ones cannot be tried.
 */
export async function examineTarget(store: Store, questions: TargetQuestions): Promise<readonly Finding[]> {
  const trial: Trial = { ...questions, store, uploads: [] };
  const findings: Finding[] = [];
  try {
    for (const [check, step] of steps) {
      if (findings.some(({ status }) => status === 'failed')) findings.push(skipped(check, 'not tried'));
      else findings.push(await attempt(trial, check, step));
    }
  } finally {
    findings.push(await takeBack(trial));
  }
  if (trial.signal.aborted) throw abortError(trial.signal);
  return findings;
}

type Step = (trial: Trial, signal: AbortSignal) => Promise<Finding>;

const steps: readonly (readonly [TargetCheck, Step])[] = [
  ['write', write],
  ['publish', publish],
  ['read', read],
  ['list', list],
];

async function attempt(trial: Trial, check: TargetCheck, step: Step): Promise<Finding> {
  const limit = { seconds: answerSeconds, signal: trial.signal, late: () => tooSlow(trial.store) };
  try {
    return await inTime(limit, (signal) => step(trial, signal));
  } catch (error) {
    if (trial.signal.aborted) throw abortError(trial.signal);
    return failed(check, asBackupError(error));
  }
}

function tooSlow({ description }: Store): BackupError {
  const text = `target ${description} did not answer within ${answerSeconds} s`;
  return new BackupError('TARGET_UNREACHABLE', text, { hint: 'Check the mount or the network.', retryable: true });
}

async function write(trial: Trial, signal: AbortSignal): Promise<Finding> {
  const { body } = await begin(trial, signal);
  body.end(content);
  await finished(body, { readable: false });
  return ok('write', 'written');
}

/** Two at once get two names, what is published stands, and nothing replaces it. */
async function publish(trial: Trial, signal: AbortSignal): Promise<Finding> {
  const { store, uploads } = trial;
  const [first] = uploads;
  if (first === undefined) throw new BackupError('INTERNAL', 'nothing was written');
  const second = await begin(trial, signal);
  if (second.name === first.name) throw overwrites(store, `two uploads at once were both given the name ${first.name}`);
  await first.commit({ stillOwner: () => Promise.resolve(true) });
  if (await store.create(first.name, Buffer.from('another'))) throw overwrites(store, 'an object was made twice');
  return ok('publish', 'published, never overwritten');
}

function overwrites({ description }: Store, what: string): BackupError {
  return new BackupError('TARGET_IO', `target ${description}: ${what}`, {
    hint: 'Choose a target that does not overwrite: two backups at once would destroy each other.',
  });
}

async function read({ store, uploads }: Trial, signal: AbortSignal): Promise<Finding> {
  const read = await buffer(await store.get(publishedName(uploads), { range, signal }));
  if (read.equals(content.subarray(range.start, range.end))) return ok('read', 'read by range');
  throw new BackupError('TARGET_IO', `target ${store.description}: what is read is not what was written`);
}

async function list({ store, uploads }: Trial, signal: AbortSignal): Promise<Finding> {
  const name = publishedName(uploads);
  for await (const entry of store.list(name, { signal }))
    if (entry.name === name && entry.bytes === content.length) return ok('list', 'listed');
  throw new BackupError('TARGET_IO', `target ${store.description}: what was published is not listed`);
}

function publishedName([first]: readonly Upload[]): string {
  return first?.name ?? '';
}

async function begin({ store, runId, uploads }: Trial, signal: AbortSignal): Promise<Upload> {
  // No name of an archive: nobody takes it for one meanwhile.
  const name = `lsbackup-doctor-${runId}.probe`;
  const upload = await store.begin(name, { signal, runId, expectedBytes: content.length });
  // Whoever waits for the body gets its error; it must not be an uncaught one meanwhile.
  upload.body.on('error', () => undefined);
  uploads.push(upload);
  if (!signal.aborted) return upload;
  // Too late: nobody waits for it any more.
  await upload.abort();
  throw abortError(signal);
}

/** Also after an abort. A backup can be made where nothing can be removed, so that is a warning, with what was left. */
async function takeBack({ store, uploads }: Trial): Promise<Finding> {
  if (uploads.length === 0) return skipped('remove', 'nothing was written');
  const name = publishedName(uploads);
  const limit = { seconds: answerSeconds, signal: new AbortController().signal, late: () => tooSlow(store) };
  try {
    return await inTime(limit, async () => {
      const given = await Promise.allSettled(uploads.map((upload) => upload.abort()));
      await store.remove(name);
      const failure = given.find((result) => result.status === 'rejected');
      if (failure !== undefined) throw asBackupError(failure.reason);
      if ((await store.stat(name)) !== undefined) throw new BackupError('TARGET_IO', 'it is still there');
      return ok('remove', 'removed');
    });
  } catch (error) {
    const { message, hint, code } = asBackupError(error);
    const detail = `the trial object ${name} could not be removed: ${message}`;
    return warning('remove', detail, hint ?? `Remove ${name} by hand.`, code);
  }
}

/** Whether what will be saved fits, as far as the target can tell. `expectedBytes` is before compression. */
export async function targetSpace(store: Store, expectedBytes: number, signal: AbortSignal): Promise<Finding> {
  const limit = { seconds: answerSeconds, signal, late: () => tooSlow(store) };
  let free: number | undefined;
  try {
    free = await inTime(limit, () => store.freeBytes?.() ?? Promise.resolve(undefined));
  } catch (error) {
    if (signal.aborted) throw abortError(signal);
    const { message, hint, code } = asBackupError(error);
    return warning('space', message, hint, code);
  }
  if (free === undefined) return ok('space', 'free space not known');
  if (free >= expectedBytes) return ok('space', `${bytesText(free)} free`);
  const detail = `${bytesText(free)} free, and about ${bytesText(expectedBytes)} would be saved, before compression`;
  return warning('space', detail, `Free space at ${store.description}, or choose another target.`, 'TARGET_NO_SPACE');
}
