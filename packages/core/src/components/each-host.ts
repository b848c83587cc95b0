import type { Host } from '../cluster/cluster.js';
import { BackupError, abortError, asBackupError } from '../model/errors.js';
import type { Json } from '../model/json.js';
import type { RemoteHost } from '../remote/remote-host.js';
import type { DiscoverContext, Discovery, Problem, Unit } from './component.js';

/** Seconds for one host; less than the engine gives the whole discovery, so that a host that hangs is a problem of its own. */
const hostSeconds = 240;

/** What one host of a component turned out to have. */
export type HostAnswer<Found extends Json> = { readonly unit: Unit<Found> } | { readonly absent: string };

/**
 * Asks every host at once. A host that cannot be reached, where `ask` throws, or that has not answered after 240 seconds becomes a
 * problem of its own and never stops the others; only an abort ends the whole. The signal that `ask` gets aborts in both cases.
 */
export async function discoverEachHost<Options, Found extends Json>(
  component: string,
  context: DiscoverContext<Options>,
  ask: (remote: RemoteHost, host: Host, signal: AbortSignal) => Promise<HostAnswer<Found>>,
): Promise<Discovery<Found>> {
  const answers = await Promise.all(
    context.hosts.map(async (host): Promise<HostAnswer<Found> | { readonly problem: Problem }> => {
      try {
        return await inTime(host, context.signal, async (signal) => ask(await context.remote(host), host, signal));
      } catch (error) {
        return { problem: hostProblem(component, host.name, error) };
      }
    }),
  );
  if (context.signal.aborted) throw abortError(context.signal);
  return {
    units: answers.flatMap((answer) => ('unit' in answer ? [answer.unit] : [])),
    problems: answers.flatMap((answer) => ('problem' in answer ? [answer.problem] : [])),
    absent: answers.flatMap((answer, index) =>
      'absent' in answer ? [{ host: context.hosts[index]?.name ?? '', evidence: answer.absent }] : [],
    ),
  };
}

/** A failed unit that is one host. */
export function hostProblem(component: string, host: string, error: unknown): Problem {
  return { unit: host, hosts: [host], error: asBackupError(error, { component, host }) };
}

/** The answer, or a rejection when the time is over or the run is aborted, also where the host's part does not heed its signal. */
async function inTime<Answer>(
  host: Host,
  run: AbortSignal,
  ask: (signal: AbortSignal) => Promise<Answer>,
): Promise<Answer> {
  const late = new AbortController();
  const timer = setTimeout(() => {
    const text = `${host.name}: not all questions were answered within ${hostSeconds} s`;
    late.abort(new BackupError('COMMAND_TIMEOUT', text, { host: host.name, retryable: true }));
  }, hostSeconds * 1000);
  const signal = AbortSignal.any([run, late.signal]);
  let onAbort!: () => void;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(abortError(signal));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([aborted, ask(signal)]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}
