import { ask, parseBody, type Question } from '../../host-services/http-service.js';
import { abortError, BackupError } from '../../model/errors.js';
import type { Command, RemoteHost } from '../../remote/remote-host.js';
import type { HttpResponse } from '../../remote/http.js';
import { snapshotAnswer, snapshotPath } from './api.js';
import { removeCommand } from './blocks.js';
import { linksDirectory, snapshotsDirectory, type Work } from './work.js';

/** How long the clean-up waits for the answer of a request that the unit has given up; half of the time it has by default. */
const lateAnswerSeconds = 30;

/** The host's own clock, then the names. A missing directory has none. */
const listScript = 'date -u +%Y%m%dT%H%M%SZ && if [ -d "$1" ]; then ls -1 -- "$1"; fi';

function listCommand(directory: string): Command {
  return { argv: ['sh', '-c', listScript, 'sh', directory], become: 'root' };
}

interface Listing {
  /** The host's time, as it stands at the start of the name of a snapshot. */
  readonly time: string;
  readonly names: readonly string[];
}

async function list(remote: RemoteHost, directory: string, signal: AbortSignal): Promise<Listing> {
  const { stdout } = await remote.run(listCommand(directory), { signal });
  const [time = '', ...names] = stdout.toString('utf8').split('\n');
  return { time, names: names.filter((name) => name !== '') };
}

/** The request for one snapshot, from before it is sent until what came of it has been removed or told. */
interface Request {
  readonly work: Work;
  readonly question: Question & { readonly schema: typeof snapshotAnswer };
  /** What there was before it was sent. */
  readonly before: Listing;
  /** Ends the exchange when nobody waits for it any more. */
  readonly end: AbortController;
  answer?: Promise<HttpResponse>;
  /** Directories that are in the ledger. */
  readonly recorded: Set<string>;
}

/**
 * Has Prometheus make a snapshot and returns its directory, which is removed when the unit has ended; undefined when the admin API is
 * off. Prometheus finishes a snapshot whether or not somebody still waits for it, and only its answer tells the name. So an abort
 * ends the waiting and not the request: the clean-up, registered before it is sent, takes the answer and removes what it names.
 * Errors: HTTP_FAILED (no answer within `snapshot_timeout`, or the connection was lost), HOST_FORWARD, SERVICE_ANSWER.
 */
export async function makeSnapshot(work: Work): Promise<string | undefined> {
  const request = await prepare(work);
  work.context.defer((signal) => removeSnapshot(request, signal));
  if (work.context.signal.aborted) throw abortError(work.context.signal);
  request.answer = ask(work.remote, request.question);
  const answer = await firstAnswer(request, request.answer);
  if (isRefusal(answer)) return undefined;
  if (answer.status !== 200)
    throw new BackupError(
      'SERVICE_ANSWER',
      `${work.host.name}: Prometheus ${work.found.version} could not make a snapshot, status ${String(answer.status)}: ${answer.body.toString('utf8', 0, 300)}`,
      { host: work.host.name },
    );
  const directory = directoryNamed(request, answer);
  await record(request, directory);
  return directory;
}

async function prepare(work: Work): Promise<Request> {
  const { context, host, remote, found, options } = work;
  // Opens the host's ledger, which the clean-up may need, with the only path that can be known so far.
  await context.record(host, linksDirectory(work));
  const end = new AbortController();
  return {
    work,
    before: await list(remote, snapshotsDirectory(work), context.signal),
    end,
    recorded: new Set(),
    question: {
      endpoint: found.endpoint,
      options,
      path: snapshotPath,
      method: 'POST',
      signal: end.signal,
      deadline: options.snapshot_timeout + lateAnswerSeconds,
      schema: snapshotAnswer,
    },
  };
}

async function firstAnswer({ work }: Request, answer: Promise<HttpResponse>): Promise<HttpResponse> {
  const { context, host, options } = work;
  const timeout = AbortSignal.timeout(options.snapshot_timeout * 1000);
  try {
    return await orAborted(answer, AbortSignal.any([context.signal, timeout]));
  } catch (cause) {
    if (context.signal.aborted) throw abortError(context.signal);
    if (!timeout.aborted) throw cause;
    throw new BackupError(
      'HTTP_FAILED',
      `${host.name}: Prometheus made no snapshot within ${String(options.snapshot_timeout)} s`,
      { host: host.name, cause, hint: 'Raise the option prometheus.snapshot_timeout.', retryable: true },
    );
  }
}

/** 403 or 404, by version: the admin API is off. */
function isRefusal({ status }: HttpResponse): boolean {
  return status === 403 || status === 404;
}

function directoryNamed({ work, question }: Request, { body }: HttpResponse): string {
  return `${snapshotsDirectory(work)}/${parseBody(work.remote, question, body).data.name}`;
}

/**
 * The directory that an error names, as `link <block> <snapshot>/<block>: operation not permitted` does (prometheus/prometheus issue 5628): it is the
 * one made for this request, for Prometheus tells of no other. Nothing is taken that was there before, nor one of several.
 */
function directoryInError(
  { work, before }: Request,
  { body }: HttpResponse,
): { readonly directory: string } | undefined {
  const mentioned = body.toString('utf8').matchAll(/\/snapshots\/(\d{8}T\d{6}Z-[0-9a-f]+)(?![\w-])/g);
  const [name, ...others] = new Set([...mentioned].map(([, each = '']) => each));
  if (name === undefined || others.length > 0 || !isAppeared(name, before)) return undefined;
  return { directory: `${snapshotsDirectory(work)}/${name}` };
}

async function record({ work, recorded }: Request, directory: string): Promise<void> {
  if (recorded.has(directory)) return;
  await work.context.record(work.host, directory);
  recorded.add(directory);
}

async function remove(request: Request, directory: string, signal: AbortSignal): Promise<void> {
  await record(request, directory);
  await request.work.remote.run(removeCommand(directory, undefined), { signal });
}

/** Removes what the answer names, be it an error. Without a usable answer somebody else may have made what has appeared since the request: a person has to look. */
async function removeSnapshot(request: Request, signal: AbortSignal): Promise<void> {
  if (request.answer === undefined) return;
  const patience = AbortSignal.timeout(lateAnswerSeconds * 1000);
  const outcome = await lateOutcome(request, request.answer, AbortSignal.any([signal, patience]));
  if (outcome === 'refused') return;
  if (outcome !== 'nameless') return remove(request, outcome.directory, signal);
  const isLate = patience.aborted;
  await warnOfAppeared(request, signal);
  if (!isLate) return;
  const { host } = request.work;
  throw new BackupError(
    'HTTP_FAILED',
    `${host.name}: Prometheus has not answered the request for a snapshot; one that it makes later stays in ${snapshotsDirectory(request.work)}`,
    {
      host: host.name,
      hint: `Look there for what is newer than ${request.before.time}, and remove what is of this run.`,
    },
  );
}

async function lateOutcome(
  request: Request,
  answer: Promise<HttpResponse>,
  signal: AbortSignal,
): Promise<{ readonly directory: string } | 'refused' | 'nameless'> {
  const { context, host } = request.work;
  try {
    const response = await orAborted(answer, signal);
    if (isRefusal(response)) return 'refused';
    if (response.status === 200) return { directory: directoryNamed(request, response) };
    return directoryInError(request, response) ?? 'nameless';
  } catch (error) {
    context.log.info({ host: host.name, error: String(error) }, 'the request for a snapshot has no usable answer');
    return 'nameless';
  } finally {
    request.end.abort();
  }
}

async function warnOfAppeared({ work, before }: Request, signal: AbortSignal): Promise<void> {
  const directory = snapshotsDirectory(work);
  const { names } = await list(work.remote, directory, signal);
  const appeared = names.filter((name) => isAppeared(name, before));
  if (appeared.length === 0) return;
  const message = `${work.host.name}: ${directory} has snapshots that may be of this run's request, which got no usable answer; they keep disk space until somebody removes them, so remove with rm -rf those that no other program has made: ${appeared.join(', ')}`;
  work.context.warn({ code: 'SNAPSHOT_LEFTOVER', message });
}

/** Made by Prometheus, by its name; not there before; and not older than the request by the host's own clock. */
function isAppeared(name: string, before: Listing): boolean {
  const [, time] = /^(\d{8}T\d{6}Z)-[0-9a-f]+$/.exec(name) ?? [];
  return time !== undefined && time >= before.time && !before.names.includes(name);
}

/** The work's end, or the signal's reason when that comes first. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(abortError(signal));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
